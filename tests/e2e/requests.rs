//! What of a request arrives at the upstream: all of it, and what nobody names byte for byte.

use llm2api_test_support::{Deployment, Request};
use serde_json::{Value, json};

use crate::{canned, stage::Stage};

both_deployments! {
    everything_that_a_request_may_hold_arrives,
    numbers_key_orders_and_escapes_arrive_byte_for_byte,
    every_kind_of_message_and_part_arrives,
    null_is_the_same_as_nothing,
    clients_own_headers_stay_here,
}

/// Sends a request and tells what the upstream received.
async fn received(stage: &Stage, request: &str) -> String {
    let number = stage.upstream.chats().len();
    stage.upstream.queue(canned::stream_text(&["Hello"]));
    let answer = stage.instance.chat(request.to_owned()).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    stage.upstream.chat(number).await.text().to_owned()
}

/// What the upstream receives beside the client's own members.
fn as_sent_on(request: &str) -> Value {
    let mut request: Value = serde_json::from_str(request).unwrap();
    request["stream"] = json!(true);
    request["stream_options"] = json!({"include_usage": true});
    request
}

async fn everything_that_a_request_may_hold_arrives(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let request = json!({
        "model": "test-model",
        "messages": [{"role": "user", "content": "hi"}],
        "temperature": 0.7, "top_p": 0.1, "frequency_penalty": -1.5, "presence_penalty": 1.5,
        "n": 1, "seed": -1, "stop": ["\n", "END"], "max_tokens": 5, "max_completion_tokens": 6,
        "logprobs": true, "top_logprobs": 20, "logit_bias": {"50256": -100, "1": 1.5},
        "reasoning_effort": "xhigh", "verbosity": "low", "modalities": ["text", "audio"],
        "audio": {"voice": "alloy", "format": "wav"},
        "prediction": {"type": "content", "content": [{"type": "text", "text": "hi"}]},
        "store": true, "metadata": {"a": "b"}, "user": "u", "safety_identifier": "s",
        "prompt_cache_key": "k", "prompt_cache_retention": "24h", "service_tier": "flex",
        "parallel_tool_calls": false,
        "tools": [
            {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true}},
            {"type": "custom", "custom": {"name": "c", "description": "d", "format": {"type": "grammar", "grammar": {"definition": "start: x", "syntax": "lark"}}}},
            {"type": "web_search_preview", "size": 3}
        ],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "functions": [{"name": "old", "parameters": {}}],
        "function_call": {"name": "old"},
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "description": "d", "schema": {"type": "object"}, "strict": true}},
        "top_k": 40, "min_p": 0.05, "repetition_penalty": 1.1,
        "chat_template_kwargs": {"enable_thinking": false},
        "web_search_options": {"search_context_size": "low"},
        "moderation": {"model": "omni"}
    })
    .to_string();

    let body: Value = serde_json::from_str(&received(&stage, &request).await).unwrap();

    assert_eq!(body, as_sent_on(&request));
    for choice in [
        json!("none"),
        json!("auto"),
        json!("required"),
        json!({"type": "custom", "custom": {"name": "c"}}),
        json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}}),
    ] {
        let mut request: Value = serde_json::from_str(&request).unwrap();
        request["tool_choice"] = choice.clone();
        let body: Value =
            serde_json::from_str(&received(&stage, &request.to_string()).await).unwrap();
        assert_eq!(body["tool_choice"], choice);
    }
    for format in [json!({"type": "text"}), json!({"type": "json_object"})] {
        let mut request: Value = serde_json::from_str(&request).unwrap();
        request["response_format"] = format.clone();
        let body: Value =
            serde_json::from_str(&received(&stage, &request.to_string()).await).unwrap();
        assert_eq!(body["response_format"], format);
    }
    for stop in [json!("END"), json!(["END"])] {
        let mut request: Value = serde_json::from_str(&request).unwrap();
        request["stop"] = stop;
        let body: Value =
            serde_json::from_str(&received(&stage, &request.to_string()).await).unwrap();
        assert!(
            [json!("END"), json!(["END"])].contains(&body["stop"]),
            "{body}"
        );
    }
}

async fn numbers_key_orders_and_escapes_arrive_byte_for_byte(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let schema = r#"{ "type":"object","z":1e-7,  "a":1152921504606846976,"properties":{"y":{"enum":[1.0,1.50,-0,1E5]},"b":{"const":"\ud83d\ude00\u00e9\/"}},"deep":[[[[{}]]]] }"#;
    let odd = r#"{"z":1e-7, "a":18446744073709551615,"lone":"\ud800","big":123456789012345678901234567890}"#;
    let request = format!(
        r#"{{"model":"test-model","seed":9223372036854775807,"messages":[{{"role":"user","content":[{{"type":"text","text":"hi","part_odd":{odd}}}],"message_odd":{odd}}}],"tools":[{{"type":"function","function":{{"name":"f","parameters":{schema},"function_odd":{odd}}},"tool_odd":{odd}}}],"response_format":{{"type":"json_schema","json_schema":{{"name":"s","schema":{schema}}}}},"temperature":1e-7,"top_odd":{odd},"logit_bias":{{"2":1,"1":-1.0}}}}"#
    );

    let body = received(&stage, &request).await;

    for expected in [
        format!(r#""parameters":{schema}"#),
        format!(r#""schema":{schema}"#),
        format!(r#""part_odd":{odd}"#),
        format!(r#""message_odd":{odd}"#),
        format!(r#""function_odd":{odd}"#),
        format!(r#""tool_odd":{odd}"#),
        format!(r#""top_odd":{odd}"#),
        r#""logit_bias":{"2":1,"1":-1.0}"#.to_owned(),
        r#""seed":9223372036854775807"#.to_owned(),
        r#""temperature":1e-7"#.to_owned(),
    ] {
        assert_eq!(body.matches(&expected).count(), 1, "{expected} in {body}");
    }
    for seed in ["-9223372036854775808", "9007199254740993", "0"] {
        let body = received(&stage, &request.replace("9223372036854775807", seed)).await;
        assert!(body.contains(&format!(r#""seed":{seed}"#)), "{body}");
    }
}

async fn every_kind_of_message_and_part_arrives(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let request = json!({
        "model": "test-model",
        "messages": [
            {"role": "developer", "content": "Be brief.", "name": "dev"},
            {"role": "system", "content": [{"type": "text", "text": "Be kind.", "prompt_cache_breakpoint": true}]},
            {"role": "user", "name": "ann", "content": [
                {"type": "text", "text": "What is this? 这是什么？"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "high"}},
                {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
                {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
                {"type": "file", "file": {"file_id": "file-1"}},
                {"type": "video_url", "video_url": {"url": "https://example.org/a.mp4"}}
            ]},
            {"role": "assistant", "content": null, "reasoning_content": "Hm.", "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{not json"}},
                {"id": "call_2", "type": "custom", "custom": {"name": "c", "input": "ls"}}
            ]},
            {"role": "tool", "tool_call_id": "call_1", "content": "42"},
            {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "a b"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "No."}, {"type": "refusal", "refusal": "I can't."}]},
            {"role": "assistant", "content": "Spoken.", "audio": {"id": "audio_1"}, "refusal": "no"},
            {"role": "assistant", "content": null, "function_call": {"name": "old", "arguments": "{}"}},
            {"role": "function", "name": "old", "content": "1"},
            {"role": "assistant", "content": ""},
            {"role": "user", "content": ""}
        ]
    })
    .to_string();

    let body: Value = serde_json::from_str(&received(&stage, &request).await).unwrap();

    let expected = as_sent_on(&request);
    let messages = expected["messages"].as_array().unwrap();
    for (index, message) in messages.iter().enumerate() {
        assert_eq!(
            &without_nulls(&body["messages"][index]),
            &without_nulls(message)
        );
    }
    assert_eq!(body["messages"].as_array().unwrap().len(), messages.len());

    let bare = r#"{"model":"test-model","messages":[{"role":"user","content":[{"type":"image_url","image_url":"https://example.org/a.png"}]}]}"#;
    let body: Value = serde_json::from_str(&received(&stage, bare).await).unwrap();
    assert_eq!(
        body["messages"][0]["content"],
        json!([{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]),
        "an address alone, as older clients send it"
    );
}

/// A message without members that are null: they mean the same as none.
fn without_nulls(message: &Value) -> Value {
    let mut message = message.clone();
    message
        .as_object_mut()
        .expect("a message is an object")
        .retain(|_, value| !value.is_null());
    message
}

async fn null_is_the_same_as_nothing(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let request = json!({
        "model": "test-model",
        "messages": [{"role": "user", "content": "hi", "name": null}],
        "stream": null, "stream_options": null, "n": null, "stop": null, "tools": null, "tool_choice": null,
        "temperature": null, "seed": null, "response_format": null, "max_tokens": null, "logprobs": null,
        "reasoning_effort": null, "parallel_tool_calls": null, "user": null
    })
    .to_string();

    let body: Value = serde_json::from_str(&received(&stage, &request).await).unwrap();

    let mut body = without_nulls(&body);
    body["messages"][0] = without_nulls(&body["messages"][0]);
    assert_eq!(
        body,
        json!({
            "model": "test-model",
            "messages": [{"role": "user", "content": "hi"}],
            "stream": true,
            "stream_options": {"include_usage": true}
        })
    );
}

async fn clients_own_headers_stay_here(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("UPSTREAM_API_KEY", "upstream-key")]).await;
    stage.upstream.queue(canned::stream_text(&["Hello"]));
    let request = Request::chat(canned::ask(false))
        .bearer("clients-own-key")
        .header("Cookie", "clients=own")
        .header("OpenAI-Organization", "clients-own")
        .header("X-Stainless-Lang", "clients-own")
        .header("Idempotency-Key", "clients-own");

    assert_eq!(stage.instance.exchange(&request).await.status, 200);

    let chat = stage.upstream.chat(0).await;
    assert_eq!(
        chat.head.header("authorization"),
        Some("Bearer upstream-key")
    );
    for (name, value) in &chat.head.headers {
        assert!(!value.contains("clients"), "{name}: {value}");
    }
}
