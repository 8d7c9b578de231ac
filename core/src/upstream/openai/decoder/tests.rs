use proptest::prelude::*;
use serde_json::{Value, json};

use super::Decoder;

/// JSON of any shape, with the members that the decoder knows in any place.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
        Just(json!("stop")),
    ];
    let name = prop::sample::select(vec![
        "id",
        "object",
        "created",
        "model",
        "choices",
        "index",
        "delta",
        "message",
        "role",
        "content",
        "thinking",
        "text",
        "reasoning",
        "refusal",
        "tool_calls",
        "function",
        "custom",
        "name",
        "arguments",
        "input",
        "function_call",
        "audio",
        "expires_at",
        "annotations",
        "logprobs",
        "bytes",
        "finish_reason",
        "usage",
        "prompt_tokens",
        "x_groq",
        "error",
        "else",
    ]);
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name.clone(), inner, 0..8).prop_map(|members| {
                members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_that_an_upstream_writes_causes_a_panic(
        chunks in prop::collection::vec(any_json(), 0..4),
        deltas in prop::collection::vec((any_json(), any_json()), 0..6),
    ) {
        let mut decoder = Decoder::new(1);
        let mut events = Vec::new();
        let in_place = deltas.into_iter().map(|(delta, reason)| {
            json!({"choices": [{"delta": delta, "finish_reason": reason}]})
        });
        for chunk in chunks.into_iter().chain(in_place) {
            let _ = decoder.decode(chunk.to_string().as_bytes(), &mut events);
        }
        let _ = decoder.finish(&mut events);
    }

    #[test]
    fn no_text_causes_a_panic(text in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Decoder::new(1).decode(&text, &mut Vec::new());
    }
}

#[test]
fn an_answer_with_endless_choices_or_calls_is_refused() {
    let choices: Vec<Value> = (0..200)
        .map(|index| json!({"index": index, "delta": {"content": "a"}}))
        .collect();
    let calls: Vec<Value> = (0..2000)
        .map(|index| json!({"index": index, "id": index.to_string(), "function": {"name": "f"}}))
        .collect();
    for chunk in [
        json!({"choices": choices}),
        json!({"choices": [{"index": 0, "delta": {"tool_calls": calls}}]}),
    ] {
        let mut events = Vec::new();
        let decoded = Decoder::new(1).decode(chunk.to_string().as_bytes(), &mut events);
        assert!(matches!(decoded, Err(super::ChunkError::TooMany)));
    }
}
