use url::Url;

use super::{super::AddressError, proxy};
use crate::config::EgressProxies;

fn url(text: &str) -> Url {
    Url::parse(text).expect("valid")
}

/// All proxies, each told by its port.
fn all() -> EgressProxies {
    EgressProxies {
        upstream: None,
        https: Some(url("http://p:1")),
        http: Some(url("http://p:2")),
        all: Some(url("socks5h://p:3")),
        no_proxy: Some("exempt.example, .dot.example,*.star.example, 10.0.0.0/8 [2001:db8::1] port.example:8443".to_owned()),
    }
}

fn chosen_port(upstream: &str, general: &EgressProxies) -> Option<u16> {
    let chosen = proxy(&url(upstream), None, general).expect("good proxies");
    chosen.and_then(|proxy| proxy.port())
}

#[test]
fn the_scheme_s_proxy_is_used_unless_the_host_is_exempt_or_here() {
    let table = [
        ("https://api.example/v1", Some(1)),
        ("http://api.example/v1", Some(2)),
        ("https://notexempt.example", Some(1)),
        ("https://exempt.example", None),
        ("https://EXEMPT.example.", None),
        ("https://a.exempt.example", None),
        ("https://dot.example", None),
        ("https://a.dot.example", None),
        ("https://a.star.example", None),
        ("http://10.1.2.3:8000", None),
        ("http://11.1.2.3:8000", Some(2)),
        ("http://[2001:db8::1]:8000", None),
        ("http://[2001:db8::2]:8000", Some(2)),
        ("https://port.example:8443", None),
        ("https://port.example", Some(1)),
        ("http://localhost:8000", None),
        ("http://api.localhost", None),
        ("http://127.0.0.2:8000", None),
        ("http://[::1]:8000", None),
        ("http://[::ffff:127.0.0.1]:8000", None),
    ];
    for (upstream, port) in table {
        assert_eq!(chosen_port(upstream, &all()), port, "{upstream}");
    }
    let everything = EgressProxies {
        no_proxy: Some("*".to_owned()),
        ..all()
    };
    assert_eq!(chosen_port("https://api.example", &everything), None);
}

#[test]
fn the_nearest_proxy_wins() {
    let upstream = "https://exempt.example";
    let general = EgressProxies {
        upstream: Some(url("http://p:4")),
        ..all()
    };
    assert_eq!(chosen_port(upstream, &general), Some(4));

    let own = url("socks5h://p:5");
    let chosen = proxy(&url(upstream), Some(&own), &general).expect("good");
    assert_eq!(chosen.as_ref(), Some(&own));

    let only_all = EgressProxies {
        https: None,
        http: None,
        ..all()
    };
    assert_eq!(chosen_port("http://api.example", &only_all), Some(3));
    assert_eq!(chosen_port("https://api.example", &only_all), Some(3));

    let here = url("http://localhost:1");
    assert_eq!(proxy(&here, Some(&own), &general).expect("good"), None);
}

#[test]
fn what_is_no_proxy_is_refused() {
    for proxy_url in ["ftp://p:1", "socks4://p:1", "mailto:p"] {
        let address = url("https://api.example");
        let refused = proxy(&address, Some(&url(proxy_url)), &EgressProxies::default());
        assert!(matches!(refused, Err(AddressError::Proxy)), "{proxy_url}");
    }
}
