//! What the model refuses, and who answers then.

use llm2api_test_support::{Deployment, ScriptedUpstream};
use serde_json::{Value, json};

use super::{ask, file, started, text, with_model};
use crate::{canned, stage::instance, upstream_errors::verdict};

both_deployments! {
    what_it_cannot_do_is_an_error_that_names_it,
    what_it_cannot_do_goes_to_an_upstream_that_can,
    a_value_out_of_range_is_named,
    a_conversation_that_is_too_long_is_an_error_with_numbers,
    it_answers_where_the_other_upstream_cannot,
    a_file_that_is_no_model_is_told_and_harms_nobody,
}

/// Requests that it can't honour, each with the parameter that is named.
fn unsupported() -> Vec<(&'static str, Value)> {
    let function = json!({"name": "f", "parameters": {"type": "object"}});
    let tools = json!([{"type": "function", "function": function}]);
    let part = |part: Value| json!({"messages": [{"role": "user", "content": [part]}]});
    let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    vec![
        ("tools", json!({"tools": tools})),
        ("functions", json!({"functions": [function]})),
        ("tool_choice", json!({"tool_choice": "required"})),
        ("n", json!({"n": 2})),
        ("logprobs", json!({"logprobs": true})),
        ("top_logprobs", json!({"top_logprobs": 2})),
        (
            "response_format",
            json!({"response_format": {"type": "json_object"}}),
        ),
        (
            "response_format",
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}}),
        ),
        ("modalities", json!({"modalities": ["text", "audio"]})),
        (
            "image_url",
            part(json!({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}})),
        ),
        (
            "input_audio",
            part(json!({"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}})),
        ),
        (
            "file",
            part(json!({"type": "file", "file": {"file_id": "file-1"}})),
        ),
        (
            "tool_calls",
            json!({"messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "a", "content": "1"},
            ]}),
        ),
    ]
}

async fn what_it_cannot_do_is_an_error_that_names_it(deployment: Deployment) {
    let instance = started(deployment).await;
    for (param, members) in unsupported() {
        for stream in [false, true] {
            let mut members = members.clone();
            members["stream"] = json!(stream);
            let answer = instance.chat(ask("hi", members)).await;
            assert_eq!(
                verdict(&answer),
                (
                    400,
                    json!(["invalid_request_error", param, "unsupported_parameter"])
                )
            );
        }
    }
    // What asks for nothing is no reason to refuse.
    let harmless = json!({
        "tools": [], "n": 1, "logprobs": false, "tool_choice": "auto", "response_format": {"type": "text"},
        "modalities": ["text"], "parallel_tool_calls": false, "user": "u", "reasoning_effort": "low", "max_tokens": 1,
    });
    let answer = instance.chat(ask("hi", harmless)).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
}

async fn what_it_cannot_do_goes_to_an_upstream_that_can(deployment: Deployment) {
    let upstream = ScriptedUpstream::start(&["local"]).await;
    upstream.answer("local", canned::stream_text_as("local", "from afar"));
    let file = format!(
        r#"
        [[upstreams]]
        name = "afar"
        url = "{}"
        models = ["local"]

        [[upstreams]]
        kind = "local"
        priority = -1
        "#,
        upstream.url()
    );
    let instance = with_model(deployment).file(&file).start().await;
    for (_, members) in unsupported() {
        let answer = instance.chat(ask("hi", members)).await.json();
        assert_eq!(text(&answer), "from afar");
    }
    assert_eq!(upstream.chats().len(), unsupported().len());
    let answer = instance.chat(ask("hi", json!({"max_tokens": 5}))).await;
    assert_ne!(text(&answer.json()), "from afar");
}

async fn a_value_out_of_range_is_named(deployment: Deployment) {
    let instance = started(deployment).await;
    for (param, value) in [
        ("temperature", json!(2.1)),
        ("top_p", json!(-0.1)),
        ("top_k", json!("many")),
        ("frequency_penalty", json!(3)),
        ("presence_penalty", json!(-3)),
        ("max_tokens", json!(0)),
        ("max_completion_tokens", json!(-1)),
    ] {
        let answer = instance.chat(ask("hi", json!({param: value}))).await;
        assert_eq!(
            verdict(&answer),
            (
                400,
                json!(["invalid_request_error", param, "invalid_value"])
            )
        );
    }
}

async fn a_conversation_that_is_too_long_is_an_error_with_numbers(deployment: Deployment) {
    let instance = started(deployment).await;
    for stream in [false, true] {
        let answer = instance
            .chat(ask(&"word ".repeat(9_000), json!({"stream": stream})))
            .await;
        assert_eq!(
            verdict(&answer),
            (
                400,
                json!([
                    "invalid_request_error",
                    "messages",
                    "context_length_exceeded"
                ])
            )
        );
        let message = answer.json()["error"]["message"].to_string();
        assert!(
            message.contains("maximum context length is 8192 tokens"),
            "{message}"
        );
    }
}

async fn it_answers_where_the_other_upstream_cannot(deployment: Deployment) {
    let gone = ScriptedUpstream::start(&[]).await.url();
    let instance = with_model(deployment)
        .setting("UPSTREAM_URL", &gone)
        .setting("FALLBACK_MODEL", "local")
        .start()
        .await;
    let answer = instance
        .chat(ask(
            "What is the capital of France?",
            json!({"model": "gpt-4o"}),
        ))
        .await;
    let body = answer.json();
    assert!(text(&body).contains("Paris"), "{body}");
    assert_eq!(body["x_llm2api"]["fallback_from"], "gpt-4o");
    assert_eq!(answer.header("x-llm2api-fallback"), Some("gpt-4o"));
}

async fn a_file_that_is_no_model_is_told_and_harms_nobody(deployment: Deployment) {
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("Damaged.gguf");
    std::fs::write(&damaged, "GGUF, but no more").unwrap();
    let vanishing = folder.path().join("vanishing.gguf");
    std::fs::copy(file(), &vanishing).unwrap();
    for (path, id, is_told) in [
        (&damaged, "damaged", true),
        (&vanishing, "vanishing", false),
    ] {
        let upstream = ScriptedUpstream::start(&["test-model"]).await;
        upstream.answer("test-model", canned::stream_text(&["Hello"]));
        let instance = instance(deployment)
            .setting("LOCAL_MODEL", path.to_str().unwrap())
            .setting("UPSTREAM_URL", &upstream.url())
            .start()
            .await;
        std::fs::remove_file(path).unwrap();
        assert_eq!(
            instance.log().contains("the local model can't answer"),
            is_told,
            "{}",
            instance.log()
        );
        let answer = instance.chat(ask("hi", json!({"model": id}))).await;
        assert_eq!(
            verdict(&answer),
            (
                503,
                json!(["service_unavailable_error", null, "upstream_unavailable"])
            )
        );
        let message = answer.json()["error"]["message"].to_string();
        assert!(
            message.contains("can't be loaded") && !message.contains(id),
            "{message}"
        );
        assert_eq!(instance.chat(canned::ask(false)).await.status, 200);
    }
}
