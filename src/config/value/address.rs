//! Addresses to listen at, and networks to believe.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use super::SettingValue;

impl SettingValue for SocketAddr {
    const TAKES: &'static str = "an IP address and port: 127.0.0.1:9999, [::]:9999";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl SettingValue for u16 {
    const TAKES: &'static str = "a port, 0 to 65535";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// Where gRPC is served, if at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrpcListen {
    /// Nowhere.
    Off,
    /// At this address.
    At(SocketAddr),
}

impl SettingValue for GrpcListen {
    const TAKES: &'static str = "an IP address and port (127.0.0.1:50051), or off";

    fn from_text(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("off") {
            Some(Self::Off)
        } else {
            SocketAddr::from_text(text).map(Self::At)
        }
    }
}

/// Networks of peers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PeerNetworks(pub(crate) Vec<IpNet>);

impl SettingValue for PeerNetworks {
    const TAKES: &'static str = "addresses or networks, comma-separated: 10.0.0.1,172.16.0.0/12";

    fn from_text(text: &str) -> Option<Self> {
        super::list::items(text)
            .map(network)
            .collect::<Option<_>>()
            .map(Self)
    }

    fn from_list(items: &[String]) -> Option<Self> {
        items
            .iter()
            .map(|item| network(item))
            .collect::<Option<_>>()
            .map(Self)
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    match text.parse::<IpAddr>() {
        Ok(address) => Some(address.into()),
        Err(_) => text.parse().ok(),
    }
}

/// The address by which this machine reaches what listens at all of its addresses.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
