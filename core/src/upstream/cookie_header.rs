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
            (is_token(name) && !value.bytes().all(|byte| byte == b'=')).then_some((name, value))
        })
        .collect::<Option<Vec<_>>>()
        .filter(|pairs| !pairs.is_empty())
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
    use super::{pairs, without_name};

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
            "",
        ] {
            assert_eq!(pairs(key), None, "{key}");
        }
    }

    #[test]
    fn the_headers_own_name_may_be_there() {
        assert_eq!(without_name("Cookie: a=b; c=d"), "a=b; c=d");
        assert_eq!(without_name(" a=b:c "), "a=b:c");
    }
}
