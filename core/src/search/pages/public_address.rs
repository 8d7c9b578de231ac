//! Which addresses are of the public internet. Pages are asked for on the word of search engines; none of them may lead into the network
//! that this machine stands in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6(a: u16, b: u16, c: u16, bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), bits)
}

/// Networks of version 4 that are not public (IANA's special-purpose registry).
const NOT_PUBLIC_V4: &[Ipv4Net] = &[
    v4(0, 0, 0, 0, 8),       // this network
    v4(10, 0, 0, 0, 8),      // private
    v4(100, 64, 0, 0, 10),   // carriers' own
    v4(127, 0, 0, 0, 8),     // loopback
    v4(169, 254, 0, 0, 16),  // link-local, clouds' metadata among it
    v4(172, 16, 0, 0, 12),   // private
    v4(192, 0, 0, 0, 24),    // protocol assignments
    v4(192, 0, 2, 0, 24),    // documentation
    v4(192, 88, 99, 0, 24),  // relays to version 6
    v4(192, 168, 0, 0, 16),  // private
    v4(198, 18, 0, 0, 15),   // benchmarks
    v4(198, 51, 100, 0, 24), // documentation
    v4(203, 0, 113, 0, 24),  // documentation
    v4(224, 0, 0, 0, 4),     // multicast
    v4(240, 0, 0, 0, 4),     // reserved, broadcast among it
];

/// All public addresses of version 6: there are no others that are.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 3);

/// Networks within it that are not public, or have addresses of version 4 in them.
const NOT_PUBLIC_V6: &[Ipv6Net] = &[
    v6(0x2001, 0, 0, 23),     // protocol assignments, Teredo among them
    v6(0x2001, 0xdb8, 0, 32), // documentation
    v6(0x2002, 0, 0, 16),     // 6to4
    v6(0x3fff, 0, 0, 20),     // documentation
];

/// Whether an address is of the public internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => {
            GLOBAL_V6.contains(&address) && !NOT_PUBLIC_V6.iter().any(|net| net.contains(&address))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a test for each row: whether its addresses are public.
    macro_rules! rows {
        ($($name:ident: $is_public:literal, [$($address:literal),+];)+) => {
            $(
                #[test]
                fn $name() {
                    for address in [$($address),+] {
                        let parsed = address.parse().expect("an address");
                        assert_eq!(is_public(parsed), $is_public, "{address}");
                    }
                }
            )+
        };
    }

    rows! {
        this_network_is_not_public: false, ["0.0.0.0", "0.255.255.255"];
        private_networks_of_ten_are_not_public: false, ["10.0.0.0", "10.255.255.255"];
        carriers_own_networks_are_not_public: false, ["100.64.0.0", "100.127.255.255"];
        loopback_is_not_public: false, ["127.0.0.1", "127.255.255.255"];
        link_local_and_metadata_are_not_public: false, ["169.254.0.0", "169.254.169.254", "169.254.255.255"];
        private_networks_of_172_are_not_public: false, ["172.16.0.0", "172.31.255.255"];
        protocol_assignments_are_not_public: false, ["192.0.0.0", "192.0.0.255"];
        documentation_is_not_public: false, ["192.0.2.0", "192.0.2.255", "198.51.100.7", "203.0.113.7"];
        relays_to_version_6_are_not_public: false, ["192.88.99.0", "192.88.99.255"];
        private_networks_of_192_are_not_public: false, ["192.168.0.0", "192.168.255.255"];
        benchmarks_are_not_public: false, ["198.18.0.0", "198.19.255.255"];
        multicast_is_not_public: false, ["224.0.0.0", "239.255.255.255"];
        reserved_and_broadcast_are_not_public: false, ["240.0.0.0", "255.255.255.255"];
        unspecified_of_version_6_is_not_public: false, ["::"];
        loopback_of_version_6_is_not_public: false, ["::1"];
        unique_local_is_not_public: false, ["fc00::", "fdff:ffff::1"];
        link_local_of_version_6_is_not_public: false, ["fe80::", "febf::1"];
        site_local_is_not_public: false, ["fec0::", "feff::1"];
        multicast_of_version_6_is_not_public: false, ["ff00::", "ff02::1"];
        documentation_of_version_6_is_not_public: false, ["2001:db8::", "2001:db8:ffff::1", "3fff::1"];
        translated_addresses_are_not_public: false, ["64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1"];
        tunnels_of_6to4_are_not_public: false, ["2002::", "2002:7f00:1::"];
        teredo_is_not_public: false, ["2001::", "2001:0:ffff::1"];
        mapped_addresses_are_what_they_map: false, ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"];
        compatible_addresses_are_not_public: false, ["::127.0.0.1", "::8.8.8.8"];
        the_public_internet_is_public: true, ["1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "223.255.255.255", "2606:4700:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8"];
    }
}
