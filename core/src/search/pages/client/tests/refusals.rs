//! Addresses inside, written out or behind a name: neither is ever connected.

use super::*;

/// Makes a test for each kind of address: that no page is asked for there.
macro_rules! refused {
    ($($name:ident: [$($address:literal),+];)+) => {
        $(
            #[tokio::test]
            async fn $name() {
                for address in [$($address),+] {
                    is_refused(address.parse().expect("an address")).await;
                }
            }
        )+
    };
}

refused! {
    loopback_is_refused: ["127.0.0.1", "127.8.8.8", "::1"];
    link_local_and_metadata_are_refused: ["169.254.1.1", "169.254.169.254", "fe80::1"];
    private_networks_are_refused: ["10.0.0.1", "172.16.0.1", "192.168.1.1", "fc00::1", "fd12::1"];
    mapped_addresses_are_refused: ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"];
}

/// Checks that a page at an address is not asked for, whether a URL has the address or a name that leads there.
async fn is_refused(address: IpAddr) {
    let server = Server::start(|_| answer("200 OK\r\nContent-Type: text/plain", b"inside")).await;
    let bounds = Bounds {
        is_allowed: is_public,
        is_port_fixed: false,
    };
    let names = Names::of(&[&[address]]);
    let client = PageClient::with(names.clone(), bounds).expect("a client");

    // The server's own port, where the address leads to it.
    let socket = SocketAddr::new(address, server.address.port());
    let written_out: Url = format!("http://{socket}/").parse().expect("valid");
    assert!(!bounds.allow(&written_out), "{written_out}");
    assert_eq!(client.read(&written_out).await, None, "{written_out}");
    assert_eq!(names.asked.load(Ordering::Relaxed), 0);

    let resolver = GuardedResolver::new(names, is_public);
    let resolved = resolver.resolve("page.test".parse().expect("a name")).await;
    assert!(resolved.is_err(), "{address}");
    let named: Url = format!("http://page.test:{}/", server.address.port())
        .parse()
        .expect("valid");
    assert_eq!(client.read(&named).await, None, "{address}");
    assert_eq!(server.heads(), [""; 0], "{address}");
}
