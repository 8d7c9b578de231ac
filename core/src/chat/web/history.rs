//! The conversation so far, without the blocks that earlier answers began with: results of searches cost no context later.

use llm2api_proto::v1::{ChatRequest, Message, content_part::Part};
use memchr::memmem;

use super::block::{BEGIN, END, GAP};

/// Removes blocks from the assistant's messages; from nobody else's, who may well write about them.
pub(in crate::chat) fn remove_blocks(request: &mut ChatRequest) {
    let messages = request.messages.iter_mut();
    for message in messages.filter(|message| message.role == "assistant") {
        texts(message).for_each(remove_from);
    }
}

/// All text of a message.
fn texts(message: &mut Message) -> impl Iterator<Item = &mut String> {
    let parts = message
        .content_parts
        .iter_mut()
        .filter_map(|part| match &mut part.part {
            Some(Part::Text(text)) => Some(text),
            _ => None,
        });
    message.content.iter_mut().chain(parts)
}

/// Removes each block with its gap. One without an end is none.
fn remove_from(text: &mut String) {
    let find = |text: &str, what: &str, from: usize| {
        memmem::find(&text.as_bytes()[from..], what.as_bytes()).map(|at| from + at)
    };
    let mut from = 0;
    while let Some(begin) = find(text, BEGIN, from) {
        let Some(end) = find(text, END, begin) else {
            return;
        };
        let rest = &text[end + END.len()..];
        let gap = rest
            .bytes()
            .take(GAP.len())
            .take_while(|&byte| byte == b'\n')
            .count();
        text.replace_range(begin..end + END.len() + gap, "");
        from = begin;
    }
}

#[cfg(test)]
mod tests {
    use llm2api_proto::v1::ContentPart;

    use super::*;

    fn cleaned(text: &str) -> String {
        let mut text = text.to_owned();
        remove_from(&mut text);
        text
    }

    #[test]
    fn a_block_leaves_with_its_gap_and_nothing_else_does() {
        for (text, expected) in [
            ("<search>\n[1] a — b\nc\n</search>\n\nHello", "Hello"),
            ("<search>\n[1] a\n</search>\n\n\nHello", "\nHello"),
            ("<search>x</search>", ""),
            ("a <search>x</search>b<search>y</search>\nc", "a bc"),
            ("a <search> never ends", "a <search> never ends"),
            ("</search> then <search>", "</search> then <search>"),
            ("no block", "no block"),
        ] {
            assert_eq!(cleaned(text), expected);
        }
    }

    #[test]
    fn only_the_assistants_messages_are_looked_at() {
        let message = |role: &str, content: &str| Message {
            role: role.to_owned(),
            content: Some(content.to_owned()),
            ..Message::default()
        };
        let parts = |content: &str| Message {
            role: "assistant".to_owned(),
            content_parts: vec![ContentPart {
                part: Some(Part::Text(content.to_owned())),
                extra_fields: Vec::new(),
            }],
            ..Message::default()
        };
        let with_block = "<search>x</search>\n\na";
        let mut request = ChatRequest {
            messages: vec![
                message("user", with_block),
                message("assistant", with_block),
                message("system", with_block),
                parts(with_block),
            ],
            ..ChatRequest::default()
        };
        remove_blocks(&mut request);
        assert_eq!(
            request.messages,
            [
                message("user", with_block),
                message("assistant", "a"),
                message("system", with_block),
                parts("a"),
            ]
        );
    }
}
