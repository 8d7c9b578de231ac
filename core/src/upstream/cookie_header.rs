//! `Cookie` headers, as operators copy them from a browser.

/// The pairs of a text in the form of a `Cookie` header, `name=value; …`. `None`: it is something else, such as a key or a bare value.
///
/// A name is a token (RFC 6265), and what looks like a name is none where only `=` follows: `aGk=` is base64.
pub(super) fn pairs(text: &str) -> Option<Vec<(&str, &str)>> {
    text.split(';')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            is_pair(name, value).then_some((name, value))
        })
        .collect::<Option<Vec<_>>>()
        .filter(|pairs| !pairs.is_empty())
}

/// A header of these pairs.
pub(super) fn of_pairs(pairs: &[(&str, &str)]) -> String {
    let mut header = String::new();
    for (name, value) in pairs {
        if !header.is_empty() {
            header.push_str("; ");
        }
        header.extend([*name, "=", *value]);
    }
    header
}

/// Whether these may be a cookie's name and value.
pub(super) fn is_pair(name: &str, value: &str) -> bool {
    is_token(name)
        && !is_empty(value)
        && value
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ')
        && !value.contains(';')
}

/// Whether a value says nothing.
pub(super) fn is_empty(value: &str) -> bool {
    value.bytes().all(|byte| byte == b'=')
}

/// Whether cookies of a domain are sent to a host (RFC 6265, section 5.1.3); those of none are.
pub(super) fn is_of_host(domain: &str, host: &str) -> bool {
    let domain = domain.trim_start_matches('.').to_ascii_lowercase();
    let host = host.to_ascii_lowercase();
    domain.is_empty()
        || host == domain
        || host
            .strip_suffix(&domain)
            .is_some_and(|rest| rest.ends_with('.') && !is_address(&host))
}

fn is_address(host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_ok()
}

/// What remains of a text behind the header's name, where it was copied too.
pub(super) fn without_name(text: &str) -> &str {
    let text = text.trim();
    match text.split_once(':') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("cookie") => value.trim(),
        _ => text,
    }
}

fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_told_from_a_key() {
        assert_eq!(pairs("hf-chat=0f9c"), Some(vec![("hf-chat", "0f9c")]));
        assert_eq!(
            pairs("hf-chat=0f9c; token=a=b;"),
            Some(vec![("hf-chat", "0f9c"), ("token", "a=b")])
        );
        for key in [
            "0f9c2d6e-aaaa",
            "sk-abc",
            "aGVsbG8=",
            "aGVsbA==",
            "a b=c",
            "=x",
            "a=b\tc",
            "",
        ] {
            assert_eq!(pairs(key), None, "{key}");
        }
    }

    #[test]
    fn a_domain_is_that_of_its_hosts() {
        for (domain, host, is_so) in [
            ("example.org", "example.org", true),
            (".Example.org", "chat.example.ORG", true),
            ("", "example.org", true),
            ("example.org", "notexample.org", false),
            ("chat.example.org", "example.org", false),
            ("0.0.1", "127.0.0.1", false),
            ("127.0.0.1", "127.0.0.1", true),
        ] {
            assert_eq!(is_of_host(domain, host), is_so, "{domain} {host}");
        }
    }

    #[test]
    fn the_headers_own_name_may_be_there() {
        assert_eq!(without_name("Cookie: a=b; c=d"), "a=b; c=d");
        assert_eq!(without_name(" a=b:c "), "a=b:c");
    }
}
