//! What is shown of a credential: enough for its owner to know it again, too little for anybody else.

use secrecy::ExposeSecret;

use super::{Credential, Secret, cookie_header};

/// Characters of a value that are shown, its last.
const SHOWN: usize = 4;

/// The fewest characters of a value of which any are shown.
const MIN_LENGTH: usize = 16;

/// What is shown of a credential; `session_cookie` is the name of its upstream's, where that has one. Empty where nothing is needed.
///
/// Of several cookies it is the session's, else the one with the longest value.
pub(crate) fn preview(credential: &Credential, session_cookie: Option<&str>) -> String {
    let Some(text) = credential.secret() else {
        return String::new();
    };
    let text = text.expose_secret();
    if let Secret::Cookie(_) = credential.secret {
        let pairs = cookie_header::pairs(text).unwrap_or_default();
        let own = pairs.iter().find(|(name, _)| Some(*name) == session_cookie);
        let shown = own.or_else(|| pairs.iter().max_by_key(|(_, value)| value.len()));
        if let Some((name, value)) = shown {
            return format!("{name}={}", end(value));
        }
        if let Some(name) = session_cookie {
            return format!("{name}={}", end(text));
        }
    }
    end(text)
}

fn end(value: &str) -> String {
    let length = value.chars().count();
    let shown = if length < MIN_LENGTH { 0 } else { SHOWN };
    let end: String = value.chars().skip(length - shown).collect();
    format!("…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::ANONYMOUS;

    #[test]
    fn the_end_of_a_long_value_is_shown_and_nothing_of_a_short_one() {
        let name = Some("hf-chat");
        let cookie = |text: &str| Credential::from(Secret::Cookie(text.into()));
        for (credential, session_cookie, shown) in [
            (cookie("0f9c2d6e-1111-4222-9f2c"), name, "hf-chat=…9f2c"),
            (cookie("0f9c2d6e-9f2c"), name, "hf-chat=…"),
            (cookie("0123456789abcde"), None, "…"),
            (cookie("0123456789abcdef"), None, "…cdef"),
            (
                cookie("token=0123456789abcdef0123; hf-chat=0123456789abcdef"),
                name,
                "hf-chat=…cdef",
            ),
            (
                cookie("a=short; token=0123456789abcdef"),
                name,
                "token=…cdef",
            ),
            (
                cookie("a=short; token=0123456789abcdef"),
                None,
                "token=…cdef",
            ),
            (
                Credential::api_key("sk-0123456789abcd".into()),
                None,
                "…abcd",
            ),
            (Credential::api_key("sk-1".into()), None, "…"),
            (
                Credential::api_key("name=0123456789abcdef".into()),
                None,
                "…cdef",
            ),
            (ANONYMOUS.clone(), name, ""),
        ] {
            assert_eq!(preview(&credential, session_cookie), shown);
        }
    }
}
