//! Asks pages of the public internet for their text, and nothing else for anything.

use std::{net::IpAddr, time::Duration};

use encoding_rs::{Encoding, UTF_8};
use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, CONTENT_TYPE, LOCATION},
};
use reqwest::{Client, Response, redirect};
use url::{Host, Url};

use super::{
    public_address::is_public,
    resolver::{GuardedResolver, Lookup, SystemLookup},
};
use crate::upstream::{AddressError, http_client};

/// Until a page's host is connected.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a page may send elsewhere.
const MAX_REDIRECTS: usize = 3;
/// Bytes of a page that are read, decompressed.
const MAX_BYTES: usize = 1 << 20;
/// Bytes of a page in which it may name its encoding (HTML, 13.2.3.2).
const PRESCANNED_BYTES: usize = 1024;

/// A client for pages, with no cookies, no proxy (which would resolve names itself), no login, and no connection kept.
pub(super) struct PageClient {
    client: Client,
    bounds: Bounds,
}

/// Where it may go.
#[derive(Clone, Copy)]
struct Bounds {
    is_allowed: fn(IpAddr) -> bool,
    /// Whether the port must be its scheme's own.
    is_port_fixed: bool,
}

/// A page's text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// With markup.
    Html(String),
    /// Without.
    Plain(String),
}

impl PageClient {
    /// A client for the public internet.
    ///
    /// # Errors
    ///
    /// [`AddressError`], where there is no TLS to be had.
    pub(super) fn new() -> Result<Self, AddressError> {
        let bounds = Bounds {
            is_allowed: is_public,
            is_port_fixed: true,
        };
        Self::with(SystemLookup, bounds)
    }

    fn with(lookup: impl Lookup, bounds: Bounds) -> Result<Self, AddressError> {
        // reqwest takes the process's provider and panics where there is none. An error says that there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let tls = http_client::tls_config([]).map_err(AddressError::Tls)?;
        let client = Client::builder()
            .user_agent(http_client::USER_AGENT)
            .http1_only()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(0)
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .no_proxy()
            .dns_resolver(GuardedResolver::new(lookup, bounds.is_allowed))
            .tls_backend_preconfigured(tls)
            .build()
            .map_err(AddressError::Client)?;
        Ok(Self { client, bounds })
    }

    /// Reads a page. `None`: it can't be read; why is nobody's business, or this would tell what is where in the network.
    pub(super) async fn read(&self, url: &Url) -> Option<Page> {
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            if !self.bounds.allow(&url) {
                return None;
            }
            let request = self.client.get(url.clone()).header(
                ACCEPT,
                HeaderValue::from_static("text/html, application/xhtml+xml, text/plain;q=0.9"),
            );
            let response = request.send().await.ok()?;
            if !response.status().is_redirection() {
                return page(response).await;
            }
            let location = response.headers().get(LOCATION)?.to_str().ok()?;
            let next = url.join(location).ok()?;
            if url.scheme() == "https" && next.scheme() != "https" {
                return None;
            }
            url = next;
        }
        None
    }
}

impl Bounds {
    /// Whether an address may be asked, as far as it tells itself. A host that is a name is looked at when it is resolved; one that is an
    /// address is never resolved.
    fn allow(&self, url: &Url) -> bool {
        let is_host_allowed = match url.host() {
            None => false,
            Some(Host::Domain(_)) => true,
            Some(Host::Ipv4(address)) => (self.is_allowed)(address.into()),
            Some(Host::Ipv6(address)) => (self.is_allowed)(address.into()),
        };
        is_host_allowed
            && matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            // `port` is `None` where it is the scheme's own.
            && (url.port().is_none() || !self.is_port_fixed)
    }
}

/// The page in an answer.
async fn page(mut response: Response) -> Option<Page> {
    if response.status() != http::StatusCode::OK {
        return None;
    }
    let (essence, charset) = content_type(response.headers());
    let is_html = match essence.as_str() {
        "text/html" | "application/xhtml+xml" => true,
        "text/plain" => false,
        _ => return None,
    };
    let mut bytes = Vec::new();
    // What is beyond the bound is not read; a page's text begins before.
    while bytes.len() < MAX_BYTES
        && let Some(piece) = response.chunk().await.ok()?
    {
        let room = MAX_BYTES - bytes.len();
        bytes.extend_from_slice(&piece[..piece.len().min(room)]);
    }
    let named = charset.or_else(|| is_html.then(|| named_in(&bytes)).flatten());
    let encoding = named
        .and_then(|name| Encoding::for_label(name.as_bytes()))
        .unwrap_or(UTF_8);
    let text = encoding.decode(&bytes).0.into_owned();
    Some(if is_html {
        Page::Html(text)
    } else {
        Page::Plain(text)
    })
}

/// A content type without its parameters, in lower case, and the `charset` among them.
fn content_type(headers: &HeaderMap) -> (String, Option<String>) {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_owned();
    let charset = parts
        .find_map(|part| part.strip_prefix("charset="))
        .map(|name| name.trim_matches('"').to_owned());
    (essence, charset)
}

/// The encoding that a page names in itself, as `<meta charset=…>` or in the long form, which has the same word.
fn named_in(bytes: &[u8]) -> Option<String> {
    let start = &bytes[..bytes.len().min(PRESCANNED_BYTES)];
    let start = String::from_utf8_lossy(start).to_ascii_lowercase();
    let (_, after) = start.split_once("charset=")?;
    let name: String = after
        .trim_start_matches(['"', '\''])
        .chars()
        .take_while(|character| character.is_ascii_alphanumeric() || "-_:".contains(*character))
        .collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
pub(super) mod tests;
