//! The HTTP client that downloads: its clocks, its proxies, and where it lets itself be sent.

use anyhow::Context;
use reqwest::{Client, NoProxy, Proxy, redirect};
use url::Url;

use crate::config::Settings;

/// Redirects that are followed; hubs need two.
const MAX_REDIRECTS: usize = 10;

/// Hosts that no proxy leads to: this machine itself.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// Makes the client, with the clocks and proxies of the settings.
///
/// # Errors
///
/// Where the system has no certificates, or a proxy can't be used.
pub(in super::super) fn client(settings: &Settings) -> anyhow::Result<Client> {
    let mut builder = Client::builder()
        .user_agent(concat!("llm2api/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(settings.connect_timeout.0)
        .read_timeout(settings.idle_timeout.0)
        .redirect(redirect::Policy::custom(follow))
        .referer(false)
        // Whether and when to try again is decided by whoever knows what came.
        .retry(reqwest::retry::never())
        .no_gzip()
        .no_brotli()
        // The settings decide, which read the environment themselves.
        .no_proxy();
    let exempt = settings.no_proxy.as_ref().map_or("", |hosts| &hosts.0);
    let exempt = NoProxy::from_string(&format!("{exempt},{LOOPBACK}"));
    let (https, http, all) = (
        &settings.https_proxy,
        &settings.http_proxy,
        &settings.all_proxy,
    );
    let proxies = [
        https.as_ref().map(|proxy| Proxy::https(proxy.0.clone())),
        http.as_ref().map(|proxy| Proxy::http(proxy.0.clone())),
        all.as_ref().map(|proxy| Proxy::all(proxy.0.clone())),
    ];
    for proxy in proxies.into_iter().flatten() {
        builder = builder.proxy(proxy?.no_proxy(exempt.clone()));
    }
    builder.build().context("no HTTP client can be made")
}

/// Decides on a redirect.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    if attempt.previous().len() > MAX_REDIRECTS {
        return attempt.error("too many redirects");
    }
    let is_downgrade = attempt
        .previous()
        .last()
        .is_some_and(|from| is_downgrade(from, attempt.url()));
    if is_downgrade {
        return attempt.error("from https to http, where anybody on the way could change the file");
    }
    attempt.follow()
}

fn is_downgrade(from: &Url, to: &Url) -> bool {
    from.scheme() == "https" && to.scheme() != "https"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_from_https_to_less_is_a_downgrade() {
        for (from, to, expected) in [
            ("https", "http", true),
            ("https", "https", false),
            ("http", "https", false),
            ("http", "http", false),
        ] {
            let url = |scheme| Url::parse(&format!("{scheme}://example.org/")).unwrap();
            assert_eq!(
                is_downgrade(&url(from), &url(to)),
                expected,
                "{from} to {to}"
            );
        }
    }
}
