//! Mends JSON text that is not Unicode, as services send it that cut a character between two tokens.

/// What stands for a character that is not known: U+FFFD, as an escape.
const REPLACEMENT: &[u8] = b"\\ufffd";

/// Replaces invalid UTF-8, and escapes of surrogates that have no partner, by U+FFFD.
pub(crate) fn repair(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..start]);
        rest = &rest[start..];
        let size = match escaped_unit(rest) {
            Some(0xD800..=0xDBFF) => match escaped_unit(&rest[6..]) {
                Some(0xDC00..=0xDFFF) => 12,
                _ => 0,
            },
            Some(0xDC00..=0xDFFF) => 0,
            Some(_) => 6,
            // Another escape, or a backslash at the end.
            None => rest.len().min(2),
        };
        if size == 0 {
            out.extend_from_slice(REPLACEMENT);
            rest = &rest[6..];
        } else {
            out.extend_from_slice(&rest[..size]);
            rest = &rest[size..];
        }
    }
    out.extend_from_slice(rest);
    match String::from_utf8(out) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

/// The UTF-16 unit of the `\uXXXX` that the text begins with, if it does.
fn escaped_unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::repair;

    #[test]
    fn only_what_is_broken_is_replaced() {
        let table: &[(&[u8], &str)] = &[
            (br#"{"a":"b"}"#, r#"{"a":"b"}"#),
            (br#""\ud83d""#, r#""\ufffd""#),
            (br#""\ude42""#, r#""\ufffd""#),
            (br#""\ud83d\ude42""#, r#""\ud83d\ude42""#),
            (br#""\uD83D\uD83D\uDE42x""#, r#""\ufffd\uD83D\uDE42x""#),
            (br#""\ud83d\n\\ud83d\u00e9""#, r#""\ufffd\n\\ud83d\u00e9""#),
            (br#""\ud8"#, r#""\ud8"#),
            (b"\\", "\\"),
            (b"\"a\xF0\x9F\"", "\"a\u{FFFD}\""),
        ];
        for (text, repaired) in table {
            assert_eq!(repair(text), *repaired, "{}", String::from_utf8_lossy(text));
        }
    }

    proptest! {
        #[test]
        fn any_text_survives(text in prop::collection::vec(any::<u8>(), 0..64)) {
            repair(&text);
        }

        #[test]
        fn any_escapes_can_be_read_afterwards(units in prop::collection::vec(any::<u16>(), 0..8)) {
            let escapes: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let text = repair(format!("\"{escapes}\"").as_bytes());
            prop_assert!(serde_json::from_str::<String>(&text).is_ok());
        }
    }
}
