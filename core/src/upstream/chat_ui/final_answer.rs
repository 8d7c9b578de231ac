//! The final answer against the tokens before it.
//!
//! A model server that fails in the middle makes newer versions begin the generation anew in the same stream, with nothing in between;
//! the final answer is then the second one alone. So it tells whether what was passed on is the answer.

/// The longest mark of a model's end that is streamed and then cut off the final answer: `<|end_of_text|>` and its like.
const MAX_END_MARK: usize = 24;

/// What is missing of the answer after the tokens were passed on. `None`: they were not the answer.
///
/// `has_tools` tells that a tool of the instance ran: the final answer may then hold only what came after it.
pub(super) fn missing<'a>(tokens: &str, text: &'a str, has_tools: bool) -> Option<&'a str> {
    if let Some(rest) = text.strip_prefix(tokens) {
        return Some(rest);
    }
    // It is trimmed, the tokens are not.
    let trimmed = tokens.trim_end();
    if let Some(rest) = text.strip_prefix(trimmed)
        && rest.trim_start().len() == rest.len()
    {
        return Some(rest);
    }
    if has_tools && trimmed.ends_with(text.trim_end()) {
        return Some("");
    }
    let beyond = trimmed.strip_prefix(text.trim_end())?.trim();
    (beyond.is_empty() || is_end_mark(beyond)).then_some("")
}

/// Whether a text is a mark by which models end: `</s>`, `<|im_end|>`.
fn is_end_mark(text: &str) -> bool {
    text.len() <= MAX_END_MARK
        && text.starts_with('<')
        && text.ends_with('>')
        && !text.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::missing;

    #[test]
    fn the_rest_of_the_answer_is_told() {
        for (tokens, text, rest) in [
            ("one two", "one two", Some("")),
            ("one two \n", "one two", Some("")),
            ("one two</s>", "one two", Some("")),
            ("one two <|im_end|>\n", "one two", Some("")),
            ("one", "one two", Some(" two")),
            ("", "one two", Some("one two")),
            ("one \n", "one", Some("")),
            ("", "", Some("")),
            // Begun anew.
            ("one two three one two three ", "one two three", None),
            ("one one two", "one two", None),
            ("uno due one two", "one two", None),
            ("one", "", None),
        ] {
            assert_eq!(missing(tokens, text, false), rest, "{tokens:?} {text:?}");
        }
    }

    #[test]
    fn what_came_before_a_tool_may_be_left_out() {
        assert_eq!(missing("Let me see. It is 3. ", "It is 3.", true), Some(""));
        assert_eq!(missing("Let me see. It is 3.", "No.", true), None);
    }
}
