use llm2api_proto::v1::{
    AudioDelta, CompletionTokensDetails, FinishReason, FunctionCall, Logprobs, PromptTokensDetails,
    TokenLogprob, TokenLogprobs, ToolCall, tool_call::Call,
};
use prost_types::Timestamp;

use super::*;

fn raw(name: &str, value_json: &str) -> RawField {
    RawField {
        name: name.to_owned(),
        value_json: value_json.to_owned(),
    }
}

fn answer(start: ChatStart, message: ChoiceDelta, reason: FinishReason, usage: Usage) -> String {
    let finish = ChoiceFinish {
        index: message.index,
        reason: reason.into(),
        ..ChoiceFinish::default()
    };
    let mut answer = Answer::default();
    for event in [
        Event::Start(start),
        Event::Delta(message),
        Event::Finish(finish),
        Event::Usage(usage),
    ] {
        answer.push(ChatEvent {
            event: Some(event),
            extra_fields: Vec::new(),
        });
    }
    String::from_utf8(answer.to_json().to_vec()).unwrap()
}

#[test]
fn a_tool_call_has_no_text_and_no_index() {
    let message = ChoiceDelta {
        content: Some(String::new()),
        tool_calls: vec![ToolCall {
            id: "call_1".to_owned(),
            call: Some(Call::Function(FunctionCall {
                name: "f".to_owned(),
                arguments: "{}".to_owned(),
                extra_fields: Vec::new(),
            })),
            ..ToolCall::default()
        }],
        ..ChoiceDelta::default()
    };
    assert_eq!(
        answer(
            ChatStart::default(),
            message,
            FinishReason::ToolCalls,
            Usage::default()
        ),
        r#"{"id":"","object":"chat.completion","created":0,"model":"","choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}],"annotations":[]},"logprobs":null,"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0},"system_fingerprint":null}"#
    );
}

#[test]
fn all_that_an_answer_may_hold_arrives() {
    let start = ChatStart {
        id: "c".to_owned(),
        create_time: Some(Timestamp {
            seconds: 7,
            nanos: 0,
        }),
        model: "small".to_owned(),
        upstream_model: "org/small".to_owned(),
        upstream: "u".to_owned(),
        attempt_count: 3,
        fallback_from: "big".to_owned(),
        service_tier: "flex".to_owned(),
        system_fingerprint: "fp".to_owned(),
        search: "ok".to_owned(),
    };
    let message = ChoiceDelta {
        content: Some("a".to_owned()),
        reasoning_content: Some("t".to_owned()),
        refusal: Some("r".to_owned()),
        audio: Some(Box::new(AudioDelta {
            id: "audio_1".to_owned(),
            ..AudioDelta::default()
        })),
        logprobs: Some(Box::new(Logprobs {
            content: None,
            refusal: Some(TokenLogprobs {
                tokens: vec![TokenLogprob {
                    token: "r".to_owned(),
                    logprob: -0.5,
                    ..TokenLogprob::default()
                }],
            }),
            extra_fields: Vec::new(),
        })),
        extra_fields: vec![raw("role", "1"), raw("citations", "[1]")],
        choice_extra_fields: vec![raw("stop_reason", "null")],
        ..ChoiceDelta::default()
    };
    let usage = Usage {
        prompt_tokens: 1,
        completion_tokens: 2,
        total_tokens: 3,
        prompt_tokens_details: Some(Box::new(PromptTokensDetails {
            cached_tokens: Some(0),
            audio_tokens: None,
            extra_fields: vec![raw("text_tokens", "1")],
        })),
        completion_tokens_details: Some(Box::new(CompletionTokensDetails::default())),
        estimated: true,
        extra_fields: vec![raw("cost", "1e-7")],
    };
    assert_eq!(
        answer(start, message, FinishReason::ContentFilter, usage),
        r#"{"id":"c","object":"chat.completion","created":7,"model":"small","choices":[{"index":0,"message":{"role":"assistant","content":"a","refusal":"r","reasoning_content":"t","reasoning":"t","audio":{"id":"audio_1","data":"","transcript":""},"annotations":[],"citations":[1]},"logprobs":{"content":null,"refusal":[{"token":"r","logprob":-0.5,"bytes":null,"top_logprobs":[]}]},"finish_reason":"content_filter","stop_reason":null}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":0,"text_tokens":1},"completion_tokens_details":{},"cost":1e-7},"service_tier":"flex","system_fingerprint":"fp","x_llm2api":{"usage_estimated":true,"fallback_from":"big","upstream_model":"org/small","search":"ok","attempts":3}}"#
    );
}

#[test]
fn choices_stand_in_order_and_members_of_the_top_override_nothing() {
    let mut answer = Answer::default();
    for index in [2, 0, 1] {
        let message = ChoiceDelta {
            index,
            content: Some(index.to_string()),
            ..ChoiceDelta::default()
        };
        let finish = ChoiceFinish {
            index,
            ..ChoiceFinish::default()
        };
        for event in [Event::Delta(message), Event::Finish(finish)] {
            answer.push(ChatEvent {
                event: Some(event),
                extra_fields: Vec::new(),
            });
        }
    }
    answer.push(ChatEvent {
        event: None,
        extra_fields: vec![raw("object", "1"), raw("provider", "\"p\"")],
    });
    let json: serde_json::Value = serde_json::from_slice(&answer.to_json()).unwrap();
    let contents: Vec<_> = (0..3)
        .map(|place| {
            json["choices"][place]["message"]["content"]
                .as_str()
                .unwrap()
        })
        .collect();
    assert_eq!(contents, ["0", "1", "2"]);
    assert_eq!(
        (&json["object"], &json["provider"]),
        (&"chat.completion".into(), &"p".into())
    );
}
