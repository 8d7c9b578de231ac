use llm2api_proto::v1::{
    AudioDelta, CustomToolCall, FinishReason, FunctionCall, Logprobs, TokenLogprob, TokenLogprobs,
    ToolCall, UrlCitation, tool_call::Call,
};
use prost_types::Timestamp;

use super::*;

const HEAD: &str = r#"data: {"id":"c","object":"chat.completion.chunk","created":7,"model":"m","system_fingerprint":null,"choices":["#;
const FIRST: &str = r#"{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}"#;

/// The chunks that these events make, after a start, without what all of them begin with.
fn chunks_of(
    events: Vec<(Event, Vec<RawField>)>,
    choice_count: u32,
    with_usage: bool,
) -> Vec<String> {
    let start = ChatStart {
        id: "c".to_owned(),
        create_time: Some(Timestamp {
            seconds: 7,
            nanos: 0,
        }),
        model: "m".to_owned(),
        attempt_count: 1,
        ..ChatStart::default()
    };
    let mut chunks = ChunkWriter::new(choice_count, with_usage);
    let mut out = BytesMut::new();
    for (event, extra_fields) in [(Event::Start(start), Vec::new())]
        .into_iter()
        .chain(events)
    {
        let event = ChatEvent {
            event: Some(event),
            extra_fields,
        };
        chunks.write(
            &mut out,
            ChatResponse {
                events: vec![event],
            },
        );
    }
    let text = std::str::from_utf8(&out).unwrap();
    let events = text.split_terminator("\n\n").map(|event| {
        let chunk = event
            .strip_prefix(HEAD)
            .unwrap_or_else(|| panic!("{event}"));
        let json = event.strip_prefix("data: ").unwrap();
        serde_json::from_str::<serde_json::Value>(json).unwrap_or_else(|_| panic!("{event}"));
        chunk.to_owned()
    });
    events.collect()
}

fn chunks(deltas: impl IntoIterator<Item = ChoiceDelta>) -> Vec<String> {
    let events = deltas
        .into_iter()
        .map(|delta| (Event::Delta(delta), Vec::new()))
        .collect();
    chunks_of(events, 1, false)
}

fn chunk(delta: &str) -> String {
    format!(r#"{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":null}}]}}"#)
}

fn raw(name: &str, value_json: &str) -> RawField {
    RawField {
        name: name.to_owned(),
        value_json: value_json.to_owned(),
    }
}

fn text(text: &str) -> ChoiceDelta {
    ChoiceDelta {
        content: Some(text.to_owned()),
        ..ChoiceDelta::default()
    }
}

fn finish(index: i32, reason: FinishReason) -> (Event, Vec<RawField>) {
    let finish = ChoiceFinish {
        index,
        reason: reason.into(),
        ..ChoiceFinish::default()
    };
    (Event::Finish(finish), Vec::new())
}

#[test]
fn who_speaks_is_said_once_and_an_empty_delta_not_at_all() {
    let role = ChoiceDelta {
        role: "assistant".to_owned(),
        content: Some(String::new()),
        ..ChoiceDelta::default()
    };
    assert_eq!(
        chunks([role, text(""), text("a")]),
        [FIRST.to_owned(), chunk(r#"{"content":"a"}"#)]
    );
}

#[test]
fn a_tool_call_opens_goes_on_and_has_no_text() {
    let piece = |id: &str, name: &str, arguments: &str| ChoiceDelta {
        tool_calls: vec![ToolCall {
            index: 1,
            id: id.to_owned(),
            call: Some(Call::Function(FunctionCall {
                name: name.to_owned(),
                arguments: arguments.to_owned(),
                extra_fields: Vec::new(),
            })),
            extra_fields: Vec::new(),
        }],
        ..ChoiceDelta::default()
    };
    assert_eq!(
        chunks([piece("call_1", "f", ""), piece("", "", "{\"a")]),
        [
            chunk(r#"{"role":"assistant","content":null,"refusal":null}"#),
            chunk(
                r#"{"tool_calls":[{"index":1,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]}"#
            ),
            chunk(r#"{"tool_calls":[{"index":1,"function":{"arguments":"{\"a"}}]}"#),
        ]
    );
}

#[test]
fn a_custom_tools_call_streams_its_input() {
    let custom = CustomToolCall {
        name: "c".to_owned(),
        input: "i".to_owned(),
        extra_fields: vec![raw("x", "1")],
    };
    let call = ToolCall {
        id: "call_1".to_owned(),
        call: Some(Call::Custom(custom)),
        extra_fields: vec![raw("id", "0"), raw("y", "2")],
        index: 0,
    };
    let delta = ChoiceDelta {
        tool_calls: vec![call],
        ..ChoiceDelta::default()
    };
    assert_eq!(
        chunks([delta])[1],
        chunk(
            r#"{"tool_calls":[{"index":0,"id":"call_1","type":"custom","custom":{"name":"c","input":"i","x":1},"y":2}]}"#
        )
    );
}

#[test]
fn reasoning_comes_under_both_of_its_names() {
    let delta = ChoiceDelta {
        reasoning_content: Some("t".to_owned()),
        ..ChoiceDelta::default()
    };
    assert_eq!(
        chunks([delta]),
        [
            FIRST.to_owned(),
            chunk(r#"{"reasoning_content":"t","reasoning":"t"}"#)
        ]
    );
}

#[test]
fn all_else_that_a_delta_may_hold_arrives() {
    let delta = ChoiceDelta {
        refusal: Some("no".to_owned()),
        audio: Some(Box::new(AudioDelta {
            id: "audio_1".to_owned(),
            data: "AA".to_owned(),
            expire_time: Some(Timestamp {
                seconds: 9,
                nanos: 0,
            }),
            ..AudioDelta::default()
        })),
        function_call: Some(Box::new(FunctionCall {
            name: "f".to_owned(),
            ..FunctionCall::default()
        })),
        annotations: vec![UrlCitation {
            start_index: 1,
            end_index: 2,
            url: "u".to_owned(),
            title: "t".to_owned(),
            other_json: String::new(),
        }],
        extra_fields: vec![raw("content", "\"mine\""), raw("x", "1e-7")],
        choice_extra_fields: vec![raw("index", "9"), raw("content_filter_results", "{}")],
        ..ChoiceDelta::default()
    };
    assert_eq!(
        chunks([text("a"), delta])[2],
        r#"{"index":0,"delta":{"refusal":"no","function_call":{"name":"f","arguments":""},"audio":{"id":"audio_1","data":"AA","expires_at":9},"annotations":[{"type":"url_citation","url_citation":{"start_index":1,"end_index":2,"url":"u","title":"t"}}],"x":1e-7},"logprobs":null,"finish_reason":null,"content_filter_results":{}}]}"#
    );
}

#[test]
fn log_probabilities_stand_in_the_choice() {
    let token = |token: &str, bytes, top_logprobs| TokenLogprob {
        token: token.to_owned(),
        logprob: -9999.0,
        bytes,
        top_logprobs,
        extra_fields: Vec::new(),
    };
    let tokens = vec![token(
        "a",
        Some(vec![97, 0]),
        vec![token("b", None, Vec::new())],
    )];
    let delta = ChoiceDelta {
        content: Some("a".to_owned()),
        logprobs: Some(Box::new(Logprobs {
            content: Some(TokenLogprobs { tokens }),
            refusal: None,
            extra_fields: vec![raw("x", "1")],
        })),
        ..ChoiceDelta::default()
    };
    assert_eq!(
        chunks([delta])[1],
        r#"{"index":0,"delta":{"content":"a"},"logprobs":{"content":[{"token":"a","logprob":-9999.0,"bytes":[97,0],"top_logprobs":[{"token":"b","logprob":-9999.0,"bytes":null}]}],"refusal":null,"x":1},"finish_reason":null}]}"#
    );
}

#[test]
fn choices_interleave_and_each_begins_in_order_and_ends_once() {
    let delta = |index, content: &str| {
        (
            Event::Delta(ChoiceDelta {
                index,
                ..text(content)
            }),
            Vec::new(),
        )
    };
    let events = vec![
        delta(1, "b"),
        delta(0, "a"),
        finish(1, FinishReason::Length),
        finish(0, FinishReason::ToolCalls),
    ];
    let choice = |rest: &str| format!("{{{rest}}}]}}");
    assert_eq!(
        chunks_of(events, 2, false),
        [
            r#""index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null"#,
            r#""index":1,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null"#,
            r#""index":1,"delta":{"content":"b"},"logprobs":null,"finish_reason":null"#,
            r#""index":0,"delta":{"content":"a"},"logprobs":null,"finish_reason":null"#,
            r#""index":1,"delta":{},"logprobs":null,"finish_reason":"length""#,
            r#""index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls""#,
        ]
        .map(choice)
    );
}

#[test]
fn a_choice_that_says_nothing_begins_and_ends() {
    assert_eq!(
        chunks_of(vec![finish(0, FinishReason::Stop)], 1, false),
        [
            FIRST,
            r#"{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}"#
        ]
    );
}

#[test]
fn members_of_the_upstreams_chunk_come_with_the_next_of_ours_and_override_nothing() {
    let events = vec![
        (
            Event::Delta(text("a")),
            vec![
                raw("provider", "\"p\""),
                raw("id", "1"),
                raw("obfuscation", "\"zz\""),
            ],
        ),
        finish(0, FinishReason::Stop),
        (
            Event::Usage(Usage {
                estimated: true,
                ..Usage::default()
            }),
            vec![raw("timings", "{\n\"ms\":1}")],
        ),
    ];
    assert_eq!(
        chunks_of(events, 1, true),
        [
            r#"{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":null,"provider":"p"}"#,
            r#"{"index":0,"delta":{"content":"a"},"logprobs":null,"finish_reason":null}],"usage":null}"#,
            r#"{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}"#,
            r#"],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0},"x_llm2api":{"usage_estimated":true},"timings":{ "ms":1} }"#,
        ]
    );
}
