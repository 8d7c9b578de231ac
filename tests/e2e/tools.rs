//! Tool calls, in pieces and whole, from upstreams that write them well and from others.

use std::collections::BTreeMap;

use llm2api_test_support::Deployment;
use serde_json::{Value, json};

use crate::{canned, stage::Stage};

both_deployments! {
    calls_stream_with_id_and_name_once,
    calls_come_whole_where_no_stream_is_asked_for,
    calls_that_an_upstream_writes_oddly_are_put_right,
    a_custom_tool_is_called_with_free_text,
    the_deprecated_single_call_still_works,
}

/// A piece of a tool call, as an upstream's chunk.
fn piece(calls: &str) -> String {
    canned::delta(0, &format!(r#"{{"tool_calls":[{calls}]}}"#))
}

/// Two calls at once, their arguments interleaved, as OpenAI streams them.
pub(crate) fn parallel_calls() -> Vec<String> {
    vec![
        canned::delta(0, r#"{"role":"assistant","content":null}"#),
        piece(
            r#"{"index":0,"id":"call_a","type":"function","function":{"name":"weather","arguments":""}}"#,
        ),
        piece(r#"{"index":0,"function":{"arguments":"{\"city\":"}}"#),
        piece(
            r#"{"index":1,"id":"call_b","type":"function","function":{"name":"time","arguments":""}}"#,
        ),
        piece(r#"{"index":1,"function":{"arguments":"{\"zone\":\"CET\"}"}}"#),
        piece(r#"{"index":0,"function":{"arguments":"\"Köln\"}"}}"#),
        canned::finish(0, "tool_calls"),
        canned::usage(),
    ]
}

/// The pieces of tool calls in a stream.
fn pieces(choices: &[Value]) -> impl Iterator<Item = &Value> {
    choices
        .iter()
        .filter_map(|choice| choice["delta"]["tool_calls"].as_array())
        .flatten()
}

/// The calls of a stream as an accumulator of OpenAI's SDK puts them together: what is repeated is repeated in the result.
fn accumulate(choices: &[Value]) -> Vec<Value> {
    let mut calls = BTreeMap::new();
    for piece in pieces(choices) {
        let index = piece["index"].as_u64().expect("each piece has its index");
        let call: &mut [String; 3] = calls.entry(index).or_default();
        for (part, text) in [
            &piece["id"],
            &piece["function"]["name"],
            &piece["function"]["arguments"],
        ]
        .into_iter()
        .enumerate()
        {
            call[part].push_str(text.as_str().unwrap_or_default());
        }
    }
    calls
        .into_values()
        .map(|[id, name, arguments]| json!([id, name, arguments]))
        .collect()
}

async fn calls_stream_with_id_and_name_once(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage.upstream.queue(canned::stream(&parallel_calls()));

    let choices = canned::choices(&stage.instance.chat(canned::ask(true)).await.body);

    assert_eq!(
        choices[0]["delta"],
        json!({"role": "assistant", "content": null, "refusal": null})
    );
    let mut begun = Vec::new();
    for piece in pieces(&choices) {
        let index = piece["index"].as_u64().expect("each piece has its index");
        let mut piece = piece.clone();
        piece["function"]["arguments"].take();
        if begun.contains(&index) {
            assert_eq!(
                piece,
                json!({"index": index, "function": {"arguments": null}})
            );
        } else {
            begun.push(index);
            let (id, name) = [("call_a", "weather"), ("call_b", "time")][begun.len() - 1];
            assert_eq!(
                piece,
                json!({"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": null}})
            );
        }
    }
    assert_eq!(
        accumulate(&choices),
        [
            json!(["call_a", "weather", "{\"city\":\"Köln\"}"]),
            json!(["call_b", "time", "{\"zone\":\"CET\"}"])
        ]
    );
    assert_eq!(
        canned::finish_reasons(&choices),
        [(0, "tool_calls".to_owned())]
    );
}

async fn calls_come_whole_where_no_stream_is_asked_for(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage.upstream.queue(canned::stream(&parallel_calls()));

    let answer = stage.instance.chat(canned::ask(false)).await.json();

    assert_eq!(
        answer["choices"][0],
        json!({
            "index": 0,
            "message": {
                "role": "assistant",
                "content": null,
                "refusal": null,
                "annotations": [],
                "tool_calls": [
                    {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Köln\"}"}},
                    {"id": "call_b", "type": "function", "function": {"name": "time", "arguments": "{\"zone\":\"CET\"}"}}
                ]
            },
            "logprobs": null,
            "finish_reason": "tool_calls"
        })
    );
}

async fn calls_that_an_upstream_writes_oddly_are_put_right(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let whole = |id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let indexed = |index: usize, id: &str, name: &str, arguments: &str| {
        let mut call = whole(id, name, arguments);
        call["index"] = json!(index);
        call.to_string()
    };
    let ways: [(&str, Vec<String>); 4] = [
        (
            "the id in every piece",
            vec![
                piece(&indexed(0, "call_a", "f", "{\"x\"")),
                piece(&indexed(0, "call_a", "", ":1}")),
                piece(&indexed(1, "call_b", "g", "{}")),
            ],
        ),
        (
            "whole calls without index",
            vec![piece(&format!(
                "{},{}",
                whole("call_a", "f", "{\"x\":1}"),
                whole("call_b", "g", "{}")
            ))],
        ),
        (
            "an index that begins anew in each chunk",
            vec![
                piece(&indexed(0, "call_a", "f", "{\"x\":1}")),
                piece(&indexed(0, "call_b", "g", "{}")),
            ],
        ),
        (
            "the name in every piece",
            vec![
                piece(&indexed(0, "call_a", "f", "{\"x\"")),
                piece(r#"{"index":0,"function":{"name":"f","arguments":":1}"}}"#),
                piece(&indexed(1, "call_b", "g", "{}")),
            ],
        ),
    ];
    for (way, mut chunks) in ways {
        chunks.push(canned::finish(0, "tool_calls"));
        stage.upstream.queue(canned::stream(&chunks));
        stage.upstream.queue(canned::stream(&chunks));

        let streamed = canned::choices(&stage.instance.chat(canned::ask(true)).await.body);
        let answer = stage.instance.chat(canned::ask(false)).await.json();

        assert_eq!(
            accumulate(&streamed),
            [
                json!(["call_a", "f", "{\"x\":1}"]),
                json!(["call_b", "g", "{}"])
            ],
            "{way}"
        );
        assert_eq!(
            answer["choices"][0]["message"]["tool_calls"],
            json!([
                whole("call_a", "f", "{\"x\":1}"),
                whole("call_b", "g", "{}")
            ]),
            "{way}"
        );
    }
}

async fn a_custom_tool_is_called_with_free_text(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let chunks = [
        piece(r#"{"index":0,"id":"call_a","type":"custom","custom":{"name":"shell","input":""}}"#),
        piece(r#"{"index":0,"custom":{"input":"ls "}}"#),
        piece(r#"{"index":0,"custom":{"input":"-l"}}"#),
        canned::finish(0, "tool_calls"),
    ];
    stage.upstream.answer("test-model", canned::stream(&chunks));

    let streamed = canned::choices(&stage.instance.chat(canned::ask(true)).await.body);
    let answer = stage.instance.chat(canned::ask(false)).await.json();

    let pieces: Vec<&Value> = pieces(&streamed).collect();
    assert_eq!(
        [
            &pieces[0]["id"],
            &pieces[0]["type"],
            &pieces[0]["custom"]["name"]
        ],
        ["call_a", "custom", "shell"]
    );
    let input: String = pieces
        .iter()
        .filter_map(|piece| piece["custom"]["input"].as_str())
        .collect();
    assert_eq!(input, "ls -l");
    for piece in &pieces[1..] {
        assert_eq!(
            piece.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["custom", "index"]
        );
    }
    assert_eq!(
        answer["choices"][0]["message"]["tool_calls"],
        json!([{"id": "call_a", "type": "custom", "custom": {"name": "shell", "input": "ls -l"}}])
    );
}

async fn the_deprecated_single_call_still_works(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage.upstream.answer(
        "test-model",
        canned::stream(&[
            canned::delta(
                0,
                r#"{"role":"assistant","content":null,"function_call":{"name":"f","arguments":""}}"#,
            ),
            canned::delta(0, r#"{"function_call":{"arguments":"{}"}}"#),
            canned::finish(0, "function_call"),
        ]),
    );

    let streamed = canned::choices(&stage.instance.chat(canned::ask(true)).await.body);
    let answer = stage.instance.chat(canned::ask(false)).await.json();

    let pieces: Vec<&Value> = streamed
        .iter()
        .filter_map(|choice| choice["delta"].get("function_call"))
        .collect();
    assert_eq!(
        pieces,
        [
            &json!({"name": "f", "arguments": ""}),
            &json!({"arguments": "{}"})
        ]
    );
    assert_eq!(
        answer["choices"][0]["message"]["function_call"],
        json!({"name": "f", "arguments": "{}"})
    );
    assert_eq!(answer["choices"][0]["finish_reason"], "function_call");
}
