//! What was said, for spans: only where the operator wants it there.

use llm2api_proto::v1::{Message, content_part::Part, tool_call::Call};
use serde_json::{Value, json};

/// Bytes of one part that are recorded.
pub(crate) const MAX_PART_BYTES: usize = 8 * 1024;

/// Messages as the conventions write them: `[{role, parts: [{type, …}]}]`.
pub(crate) fn of_messages(messages: &[Message]) -> String {
    let messages: Vec<Value> = messages
        .iter()
        .map(|message| json!({"role": message.role, "parts": parts(message)}))
        .collect();
    json!(messages).to_string()
}

/// An answer in the same form.
pub(crate) fn of_answer(text: &str, finish_reason: Option<&str>) -> String {
    json!([{
        "role": "assistant",
        "parts": [{"type": "text", "content": text}],
        "finish_reason": finish_reason,
    }])
    .to_string()
}

/// The beginning of a text, as far as it is recorded.
pub(crate) fn beginning(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

fn parts(message: &Message) -> Vec<Value> {
    let text = |text: &str| {
        let content = beginning(text, MAX_PART_BYTES);
        match message.role.as_str() {
            "tool" => json!({"type": "tool_call_response", "result": content}),
            _ => json!({"type": "text", "content": content}),
        }
    };
    let plain = message.content.as_deref().map(text);
    let of_parts = message
        .content_parts
        .iter()
        .filter_map(|part| match &part.part {
            Some(Part::Text(content)) => Some(text(content)),
            // Images, audio and files are not recorded.
            _ => None,
        });
    let calls = message
        .tool_calls
        .iter()
        .filter_map(|call| match &call.call {
            Some(Call::Function(function)) => Some(json!({
                "type": "tool_call",
                "id": call.id,
                "name": function.name,
                "arguments": beginning(&function.arguments, MAX_PART_BYTES),
            })),
            _ => None,
        });
    plain.into_iter().chain(of_parts).chain(calls).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written_as_the_conventions_have_them_and_cut() {
        let long = "ü".repeat(MAX_PART_BYTES);
        let messages = [
            Message {
                role: "user".to_owned(),
                content: Some("hi".to_owned()),
                ..Message::default()
            },
            Message {
                role: "tool".to_owned(),
                content: Some(long),
                ..Message::default()
            },
        ];
        let written: Value = serde_json::from_str(&of_messages(&messages)).unwrap();
        assert_eq!(
            written[0],
            json!({"role": "user", "parts": [{"type": "text", "content": "hi"}]})
        );
        let result = written[1]["parts"][0]["result"].as_str().unwrap();
        assert_eq!(result.len(), MAX_PART_BYTES);
    }
}
