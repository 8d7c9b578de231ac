//! Answers as an OpenAI-compatible upstream writes them, and requests as a client does.

use bytes::Bytes;
use llm2api_test_support::{Script, sse};
use serde_json::{Value, json};

use crate::stage::MODEL;

/// A request of one user message.
pub(crate) fn ask(stream: bool) -> String {
    ask_model(MODEL, stream)
}

/// A request of one user message to this model.
pub(crate) fn ask_model(model: &str, stream: bool) -> String {
    json!({"model": model, "messages": [{"role": "user", "content": "Say hello."}], "stream": stream})
        .to_string()
}

/// A chunk with these choices, as JSON text.
pub(crate) fn chunk(choices: &str) -> String {
    format!(
        r#"{{"id":"chatcmpl-up","object":"chat.completion.chunk","created":1700000000,"model":"{MODEL}","choices":[{choices}]}}"#
    )
}

/// A chunk in which a choice grows by this delta, as JSON text.
pub(crate) fn delta(index: usize, delta: &str) -> String {
    chunk(&format!(
        r#"{{"index":{index},"delta":{delta},"finish_reason":null}}"#
    ))
}

/// A chunk in which choice 0 grows by this text.
pub(crate) fn text(content: &str) -> String {
    delta(0, &json!({"content": content}).to_string())
}

/// The first chunk of a choice.
pub(crate) fn role(index: usize) -> String {
    delta(index, r#"{"role":"assistant","content":""}"#)
}

/// The chunk in which a choice ends.
pub(crate) fn finish(index: usize, reason: &str) -> String {
    chunk(&format!(
        r#"{{"index":{index},"delta":{{}},"finish_reason":"{reason}"}}"#
    ))
}

/// The chunk with the usage, which an upstream sends when asked.
pub(crate) fn usage() -> String {
    format!(
        r#"{{"id":"chatcmpl-up","object":"chat.completion.chunk","created":1700000000,"model":"{MODEL}","choices":[],"usage":{USAGE}}}"#
    )
}

/// What [`usage`] reports.
pub(crate) const USAGE: &str = r#"{"prompt_tokens":11,"completion_tokens":2,"total_tokens":13}"#;

/// All chunks of an answer in these pieces of text.
pub(crate) fn text_chunks(pieces: &[&str]) -> Vec<String> {
    let mut chunks = vec![role(0)];
    chunks.extend(pieces.iter().map(|piece| text(piece)));
    chunks.push(finish(0, "stop"));
    chunks.push(usage());
    chunks
}

/// An upstream that answers with these chunks, each on its own, and the end marker.
pub(crate) fn stream(chunks: &[String]) -> Script {
    chunks
        .iter()
        .fold(Script::stream(), |script, chunk| script.event(chunk))
        .done()
}

/// An upstream that answers in these pieces of text.
pub(crate) fn stream_text(pieces: &[&str]) -> Script {
    stream(&text_chunks(pieces))
}

/// An upstream that answers under the name of this model, in one piece of text.
pub(crate) fn stream_text_as(model: &str, text: &str) -> Script {
    let own = format!(r#""model":"{MODEL}""#);
    let chunks: Vec<String> = text_chunks(&[text])
        .iter()
        .map(|chunk| chunk.replace(&own, &format!(r#""model":"{model}""#)))
        .collect();
    stream(&chunks)
}

/// The body of an upstream's stream of these chunks.
pub(crate) fn body(chunks: &[String]) -> Bytes {
    let events: String = chunks
        .iter()
        .map(|chunk| format!("data: {chunk}\n\n"))
        .collect();
    Bytes::from(events + "data: [DONE]\n\n")
}

/// The choices of each chunk of a whole stream that ended well. What is the same in all chunks is checked here.
#[track_caller]
pub(crate) fn choices(stream: &[u8]) -> Vec<Value> {
    let (chunks, done) = sse::chunks(stream);
    assert!(done, "no [DONE]: {:?}", Bytes::copy_from_slice(stream));
    for chunk in &chunks {
        assert_eq!(
            (&chunk["id"], &chunk["object"], &chunk["created"]),
            (
                &chunks[0]["id"],
                &json!("chat.completion.chunk"),
                &chunks[0]["created"]
            ),
            "{chunk}"
        );
        assert_eq!(chunk["model"], chunks[0]["model"], "{chunk}");
    }
    chunks
        .into_iter()
        .flat_map(|mut chunk| match chunk["choices"].take() {
            Value::Array(choices) => choices,
            other => panic!("choices are no list: {other}"),
        })
        .collect()
}

/// The text of a choice, put together from the choices of a stream's chunks.
pub(crate) fn content(choices: &[Value], index: usize) -> String {
    member(choices, index, "content")
}

/// A text member of a choice's deltas, put together.
pub(crate) fn member(choices: &[Value], index: usize, name: &str) -> String {
    choices
        .iter()
        .filter(|choice| choice["index"] == index)
        .filter_map(|choice| choice["delta"][name].as_str())
        .collect()
}

/// The reasons for which choices ended, with their index, in order.
pub(crate) fn finish_reasons(choices: &[Value]) -> Vec<(u64, String)> {
    choices
        .iter()
        .filter_map(|choice| {
            let reason = choice["finish_reason"].as_str()?;
            assert_eq!(choice["delta"], json!({}), "a finish comes alone: {choice}");
            Some((choice["index"].as_u64().unwrap(), reason.to_owned()))
        })
        .collect()
}

/// The error of a stream that was cut: that it comes last, after these chunks, and without `[DONE]`.
#[track_caller]
pub(crate) fn cut(stream: &[u8]) -> (Vec<Value>, Value) {
    let (mut chunks, done) = sse::chunks(stream);
    assert!(!done, "a cut answer must not look complete");
    let mut last = chunks.pop().expect("the error is an event");
    let error = last["error"].take();
    assert!(error.is_object(), "the last event is no error: {last}");
    for chunk in &chunks {
        assert!(chunk.get("error").is_none(), "{chunk}");
    }
    (
        chunks
            .into_iter()
            .flat_map(|mut chunk| chunk["choices"].take().as_array().unwrap().clone())
            .collect(),
        error,
    )
}
