//! A result's address: which ones are good, and when two of them lead to the same page.

use url::Url;

/// Bytes that an address may have. Longer ones are trackers' more often than pages', and cost context.
const MAX_BYTES: usize = 2048;

/// Parameters that tell a page where its reader came from, and nothing else; those that begin with `utm_` beside.
const TRACKING: &[&str] = &[
    "gclid", "fbclid", "msclkid", "dclid", "yclid", "igshid", "mc_cid", "mc_eid", "ref",
];

/// An address that may be shown and asked. `None`: it is none of a page on the web.
pub(super) fn parse(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim()).ok()?;
    let is_good = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        // `https://bank.example@evil.example` is read wrongly.
        && url.username().is_empty()
        && url.password().is_none()
        && url.as_str().len() <= MAX_BYTES;
    is_good.then_some(url)
}

/// The site that an address is of: its host, without `www.`.
pub(super) fn site(url: &Url) -> &str {
    let host = url.host_str().unwrap_or_default();
    host.strip_prefix("www.").unwrap_or(host)
}

/// What is the same for all addresses of one page.
pub(super) fn canonical(url: &Url) -> String {
    let host = site(url);
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let path = url.path().trim_end_matches('/');
    let mut pairs: Vec<_> = url
        .query_pairs()
        .filter(|(name, _)| !name.starts_with("utm_") && !TRACKING.contains(&name.as_ref()))
        .collect();
    pairs.sort();
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    format!("{host}{port}{path}?{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_on_the_web_are_results() {
        let table = [
            (
                "https://example.org/a b?q=<x>#y",
                Some("https://example.org/a%20b?q=%3Cx%3E#y"),
            ),
            (" HTTP://EXAMPLE.org ", Some("http://example.org/")),
            ("https://例え.jp/", Some("https://xn--r8jz45g.jp/")),
            ("javascript:alert(1)", None),
            ("data:text/html,x", None),
            ("ftp://example.org/", None),
            ("magnet:?xt=urn:btih:x", None),
            ("//example.org/", None),
            ("https://bank.example@evil.example/", None),
            ("", None),
        ];
        for (text, good) in table {
            let parsed = parse(text);
            assert_eq!(parsed.as_ref().map(Url::as_str), good, "{text}");
        }
        assert_eq!(
            parse(&format!("https://e.org/{}", "x".repeat(MAX_BYTES))),
            None
        );
    }

    #[test]
    fn addresses_of_one_page_are_the_same() {
        let canonical = |text: &str| canonical(&parse(text).expect("good"));
        let same = [
            "https://example.org/a?x=1&y=2",
            "http://www.example.org/a/?y=2&x=1",
            "https://EXAMPLE.org/a?utm_source=s&x=1&gclid=g&y=2#part",
        ];
        for address in same {
            assert_eq!(canonical(address), "example.org/a?x=1&y=2", "{address}");
        }
        for other in [
            "https://example.org/A?x=1&y=2",
            "https://example.org/a?x=1",
            "https://example.org:8443/a?x=1&y=2",
            "https://a.example.org/a?x=1&y=2",
        ] {
            assert_ne!(canonical(other), canonical(same[0]), "{other}");
        }
    }
}
