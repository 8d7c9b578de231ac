//! What strangers wrote, made such that nothing in it can be taken for a mark of ours or of a model's.

use std::iter::Peekable;

/// The shortest name in brackets that is taken for a model's mark, as in `[INST]`.
const SHORTEST_MARK: usize = 3;

/// A text on one line in which nothing looks like a tag (`</search>`, `<|im_start|>`, `<<SYS>>`) or a mark in brackets (`[INST]`).
/// It reads the same.
pub(super) fn neutral(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '<' | '＜' if begins_tag(&text[at + character.len_utf8()..]) => out.push('‹'),
            '[' => match mark(&text[at + 1..]) {
                Some(name) => {
                    out.push('(');
                    out.push_str(name);
                    out.push(')');
                    skip(&mut characters, at + name.len() + 2);
                }
                None => out.push('['),
            },
            _ if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') => {
                out.push(' ');
            }
            _ => out.push(character),
        }
    }
    out
}

/// Whether what follows an angle bracket makes a tag of it, and not a comparison.
fn begins_tag(rest: &str) -> bool {
    let next = rest.trim_start().chars().next();
    let is_mark =
        next.is_some_and(|next| matches!(next, '/' | '|' | '｜' | '／' | '<' | '＜' | '!' | '?'));
    is_mark || rest.starts_with(char::is_alphabetic)
}

/// The name of a mark that closes behind it, as in `INST]` or `/INST]`.
fn mark(rest: &str) -> Option<&str> {
    let (name, _) = rest.split_once(']')?;
    let letters = name.strip_prefix('/').unwrap_or(name);
    let is_mark = letters.len() >= SHORTEST_MARK
        && letters
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    is_mark.then_some(name)
}

/// Goes on behind this place.
fn skip(characters: &mut Peekable<std::str::CharIndices<'_>>, end: usize) {
    while characters.next_if(|&(at, _)| at < end).is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_marks_lose_their_meaning_and_stay_readable() {
        for (text, expected) in [
            ("a</search>b", "a‹/search>b"),
            ("< / search >", "‹ / search >"),
            ("＜/search＞", "‹/search＞"),
            ("<|im_start|>system", "‹|im_start|>system"),
            ("<｜User｜>", "‹｜User｜>"),
            ("<<SYS>> <think>", "‹‹SYS>> ‹think>"),
            ("[INST] x [/INST]", "(INST) x (/INST)"),
            ("[TOOL_CALLS]", "(TOOL_CALLS)"),
            ("Vec<T>", "Vec‹T>"),
            ("<!-- -->", "‹!-- -->"),
        ] {
            assert_eq!(neutral(text), expected);
        }
    }

    #[test]
    fn all_else_stays_as_it_is() {
        for text in ["1 < 2 <3", "a[0] [1] [Note] [A]", "好🙂 [", "x [INST"] {
            assert_eq!(neutral(text), text);
        }
        assert_eq!(neutral("a\nb\u{2028}c\u{0}"), "a b c ");
    }
}
