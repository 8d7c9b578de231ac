//! How deep a body is nested. What is carried unread is not bounded by the parser, and others will read it.

use llm2api_proto::{ContractError, v1::ErrorReason};

/// Levels of arrays and objects; serde_json's own limit for what it reads.
const MAX_DEPTH: usize = 128;

/// Refuses a text that is nested deeper than [`MAX_DEPTH`].
pub(super) fn check(text: &str) -> Result<(), ContractError> {
    // Nearly all requests have fewer brackets in all: a count that runs at memory speed.
    let opening = text
        .bytes()
        .filter(|byte| matches!(byte, b'{' | b'['))
        .count();
    if opening <= MAX_DEPTH || depth(text) <= MAX_DEPTH {
        return Ok(());
    }
    Err(ContractError::new(
        ErrorReason::InvalidJson,
        format!("The body is nested deeper than {MAX_DEPTH} levels."),
    ))
}

fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    deepest
}

fn skip_string(bytes: &mut impl Iterator<Item = u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_strings() {
        assert_eq!(depth(r#"{"a":["[[[\"[[",{}]}"#), 3);
        assert_eq!(depth("]]["), 1);
    }

    #[test]
    fn a_body_may_be_128_levels_deep_and_no_deeper() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert_eq!(check(&nested(128)), Ok(()));
        assert!(check(&nested(129)).is_err());
        assert_eq!(check(&"[]".repeat(1000)), Ok(()));
    }
}
