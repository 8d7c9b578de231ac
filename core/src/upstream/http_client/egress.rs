//! Which proxy leads to an address.

use ipnet::IpNet;
use std::net::IpAddr;
use url::{Host, Url};

use super::{AddressError, is_loopback};
use crate::config::EgressProxies;

/// The proxy for an address: its own, the one for all upstreams, else the one of its scheme or the one for all schemes, unless
/// `NO_PROXY` names the host. None leads to this machine itself.
///
/// # Errors
///
/// [`AddressError::Proxy`].
pub(super) fn proxy(
    url: &Url,
    own: Option<&Url>,
    general: &EgressProxies,
) -> Result<Option<Url>, AddressError> {
    if is_loopback(url) {
        return Ok(None);
    }
    let of_scheme = match url.scheme() {
        "https" => &general.https,
        _ => &general.http,
    };
    let customary = of_scheme
        .as_ref()
        .or(general.all.as_ref())
        .filter(|_| !is_exempt(url, general.no_proxy.as_deref().unwrap_or_default()));
    let chosen = own.or(general.upstream.as_ref()).or(customary);
    match chosen {
        Some(proxy) if is_proxy(proxy) => Ok(Some(proxy.clone())),
        Some(_) => Err(AddressError::Proxy),
        None => Ok(None),
    }
}

/// Whether a URL is one of a proxy.
pub(super) fn is_proxy(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") && url.has_host()
}

/// Whether a list as in `NO_PROXY` names the URL's host: `*`, an address, a network, or a domain with all below it; each but `*`
/// may have a port.
fn is_exempt(url: &Url, no_proxy: &str) -> bool {
    let Some(host) = url.host() else {
        return false;
    };
    no_proxy
        .split([',', ' '])
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .any(|entry| {
            if entry == "*" || matches_host(&host, entry) {
                return true;
            }
            entry.rsplit_once(':').is_some_and(|(entry, port)| {
                port.parse()
                    .is_ok_and(|port: u16| url.port_or_known_default() == Some(port))
                    && matches_host(&host, entry)
            })
        })
}

fn matches_host(host: &Host<&str>, entry: &str) -> bool {
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    let address = match host {
        Host::Domain(name) => {
            let domain = entry.trim_start_matches("*.").trim_start_matches('.');
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            let domain = domain.trim_end_matches('.').to_ascii_lowercase();
            return !domain.is_empty()
                && (name == domain
                    || name
                        .strip_suffix(&domain)
                        .is_some_and(|rest| rest.ends_with('.')));
        }
        Host::Ipv4(address) => IpAddr::V4(*address),
        Host::Ipv6(address) => IpAddr::V6(*address),
    };
    bare.parse() == Ok(address)
        || entry
            .parse()
            .is_ok_and(|network: IpNet| network.contains(&address))
}

#[cfg(test)]
mod tests;
