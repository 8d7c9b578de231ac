//! Where a client is, seen through the proxies that the operator trusts.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// Headers by which proxies tell for whom they speak. One that nobody trustworthy set leaves the address in doubt.
const FORWARDING_HEADERS: &[&str] = &[
    X_FORWARDED_FOR,
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "cf-connecting-ip",
    "true-client-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "x-forwarded-host",
    "x-forwarded-proto",
    "via",
];

/// Where a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientAddress {
    /// Its address; IPv4 where it is one in IPv6's clothes.
    pub(crate) ip: IpAddr,
    /// Whether somebody else may stand behind it.
    pub(crate) is_untrusted: bool,
}

impl ClientAddress {
    /// Finds the client's address: the peer's, or, where the peer is a trusted proxy, the right-most one in `X-Forwarded-For` that is
    /// not.
    pub(crate) fn find(peer: IpAddr, headers: &HeaderMap, trusted_proxies: &[IpNet]) -> Self {
        let peer = peer.to_canonical();
        let is_trusted = |ip: &IpAddr| trusted_proxies.iter().any(|network| network.contains(ip));
        // One walk over the few headers there are is cheaper than a look-up for each name.
        let is_forwarded = headers
            .keys()
            .any(|name| FORWARDING_HEADERS.contains(&name.as_str()));
        if !is_forwarded || !is_trusted(&peer) {
            return Self {
                ip: peer,
                is_untrusted: is_forwarded,
            };
        }
        let mut last_known = Self {
            ip: peer,
            // A trusted proxy that tells nothing of the client in the one header that is read.
            is_untrusted: !headers.contains_key(X_FORWARDED_FOR),
        };
        for value in headers.get_all(X_FORWARDED_FOR).iter().rev() {
            for entry in value.as_bytes().rsplit(|&byte| byte == b',') {
                match std::str::from_utf8(entry).ok().and_then(parse) {
                    Some(ip) if is_trusted(&ip) => last_known.ip = ip,
                    Some(ip) => {
                        return Self {
                            ip,
                            is_untrusted: false,
                        };
                    }
                    None => {
                        return Self {
                            is_untrusted: true,
                            ..last_known
                        };
                    }
                }
            }
        }
        last_known
    }
}

/// An address, with or without brackets and port.
fn parse(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let bare = entry
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(entry);
    bare.parse::<IpAddr>()
        .or_else(|_| entry.parse::<SocketAddr>().map(|address| address.ip()))
        .ok()
        .map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(peer: &str, headers: &[(&'static str, &str)]) -> (String, bool) {
        let proxies = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let found = ClientAddress::find(peer.parse().unwrap(), &map, &proxies);
        (found.ip.to_string(), found.is_untrusted)
    }

    fn trusted(ip: &str) -> (String, bool) {
        (ip.to_owned(), false)
    }

    fn untrusted(ip: &str) -> (String, bool) {
        (ip.to_owned(), true)
    }

    #[test]
    fn a_peer_without_forwarding_headers_is_the_client() {
        assert_eq!(find("192.0.2.1", &[]), trusted("192.0.2.1"));
        assert_eq!(find("::ffff:192.0.2.1", &[]), trusted("192.0.2.1"));
        assert_eq!(find("10.0.0.1", &[]), trusted("10.0.0.1"));
    }

    #[test]
    fn forwarding_headers_of_a_stranger_leave_the_address_in_doubt() {
        for name in ["x-forwarded-for", "forwarded", "x-real-ip", "via"] {
            assert_eq!(
                find("127.0.0.1", &[(name, "192.0.2.1")]),
                untrusted("127.0.0.1")
            );
        }
    }

    #[test]
    fn behind_trusted_proxies_the_right_most_other_address_is_the_client() {
        let forwarded = |value| find("10.0.0.1", &[("x-forwarded-for", value)]);
        assert_eq!(
            forwarded("198.51.100.1, 192.0.2.1, 10.0.0.2"),
            trusted("192.0.2.1")
        );
        assert_eq!(forwarded("192.0.2.1:4711"), trusted("192.0.2.1"));
        assert_eq!(forwarded("[2001:db8::1]:80"), trusted("2001:db8::1"));
        assert_eq!(forwarded("[2001:db8::1]"), trusted("2001:db8::1"));
        assert_eq!(forwarded("::ffff:192.0.2.1"), trusted("192.0.2.1"));
        assert_eq!(forwarded("10.0.0.3, 10.0.0.2"), trusted("10.0.0.3"));
        assert_eq!(
            find(
                "::ffff:10.0.0.1",
                &[
                    ("x-forwarded-for", "1.2.3.4"),
                    ("x-forwarded-for", "192.0.2.1")
                ]
            ),
            trusted("192.0.2.1")
        );
    }

    #[test]
    fn what_a_trusted_proxy_says_unreadably_leaves_the_address_in_doubt() {
        assert_eq!(
            find("10.0.0.1", &[("x-forwarded-for", "unknown, 10.0.0.2")]),
            untrusted("10.0.0.2")
        );
        assert_eq!(
            find("10.0.0.1", &[("x-real-ip", "192.0.2.1")]),
            untrusted("10.0.0.1")
        );
    }
}
