//! Text, streamed and whole.

use llm2api_test_support::{Deployment, Request, Script, Signal};
use serde_json::json;

use crate::{canned, stage::Stage};

both_deployments! {
    a_text_streams_as_openai_writes_it,
    each_token_arrives_before_the_next_is_written,
    a_text_comes_whole_where_no_stream_is_asked_for,
    an_upstream_that_sends_byte_by_byte_changes_nothing,
    characters_beyond_ascii_arrive_whole,
    usage_is_streamed_where_it_is_asked_for,
    the_upstream_is_always_asked_for_a_stream_and_for_usage,
    a_connection_serves_one_answer_after_another,
}

async fn a_text_streams_as_openai_writes_it(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage.upstream.queue(canned::stream_text(&["Hel", "lo"]));

    let answer = stage.instance.chat(canned::ask(true)).await;

    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    assert_eq!(answer.header("content-length"), None);
    let head = r#"data: {"id":"chatcmpl-up","object":"chat.completion.chunk","created":1700000000,"model":"test-model","system_fingerprint":null,"choices":[{"index":0,"#;
    let expected: String = [
        r#""delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}"#,
        r#""delta":{"content":"Hel"},"logprobs":null,"finish_reason":null}]}"#,
        r#""delta":{"content":"lo"},"logprobs":null,"finish_reason":null}]}"#,
        r#""delta":{},"logprobs":null,"finish_reason":"stop"}]}"#,
    ]
    .iter()
    .map(|rest| format!("{head}{rest}\n\n"))
    .collect();
    assert_eq!(answer.text(), expected + "data: [DONE]\n\n");
}

async fn each_token_arrives_before_the_next_is_written(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let (second, rest) = (Signal::new(), Signal::new());
    stage.upstream.queue(
        Script::stream()
            .event(canned::role(0))
            .event(canned::text("one"))
            .wait_for(&second)
            .event(canned::text("two"))
            .wait_for(&rest)
            .event(canned::finish(0, "stop"))
            .done(),
    );
    let mut client = stage.instance.client().await;
    client.send(&Request::chat(canned::ask(true))).await;
    client.head().await;
    client.body_until(r#""content":"one""#).await;
    second.open();
    client.body_until(r#""content":"two""#).await;
    rest.open();
    client.body_until("data: [DONE]\n\n").await;
}

async fn a_text_comes_whole_where_no_stream_is_asked_for(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage.upstream.queue(canned::stream_text(&["Hel", "lo"]));

    let answer = stage.instance.chat(canned::ask(false)).await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        answer.json(),
        json!({
            "id": "chatcmpl-up",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": "test-model",
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": null, "annotations": []},
                "logprobs": null,
                "finish_reason": "stop"
            }],
            "usage": {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13},
            "system_fingerprint": null
        })
    );
}

async fn an_upstream_that_sends_byte_by_byte_changes_nothing(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let chunks = canned::text_chunks(&["你好，", "世界 🌍", " – naïve"]);
    stage.upstream.queue(canned::stream(&chunks));
    let whole = stage.instance.chat(canned::ask(true)).await;

    stage
        .upstream
        .queue(Script::stream().byte_by_byte(canned::body(&chunks)));
    let trickled = stage.instance.chat(canned::ask(true)).await;

    assert_eq!(trickled.text(), whole.text());
    assert_eq!(
        canned::content(&canned::choices(&trickled.body), 0),
        "你好，世界 🌍 – naïve"
    );
}

async fn characters_beyond_ascii_arrive_whole(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let texts = [
        "床前明月光，疑是地上霜。",
        "👩‍👩‍👧‍👦🏳️‍🌈",
        "\u{10ffff}\u{0}\u{7f}\u{2028}\"\\/",
        "Ĝis la revido",
    ];
    stage
        .upstream
        .answer("test-model", canned::stream_text(&texts));

    let streamed = stage.instance.chat(canned::ask(true)).await;
    let whole = stage.instance.chat(canned::ask(false)).await;

    let choices = canned::choices(&streamed.body);
    let pieces: Vec<_> = choices
        .iter()
        .filter_map(|choice| choice["delta"]["content"].as_str())
        .filter(|content| !content.is_empty())
        .collect();
    assert_eq!(pieces, texts);
    assert_eq!(
        whole.json()["choices"][0]["message"]["content"],
        texts.concat()
    );
}

async fn usage_is_streamed_where_it_is_asked_for(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage.upstream.queue(canned::stream_text(&["Hello"]));
    let mut request: serde_json::Value = serde_json::from_str(&canned::ask(true)).unwrap();
    request["stream_options"] = json!({"include_usage": true});

    let answer = stage.instance.chat(request.to_string()).await;

    let (chunks, done) = llm2api_test_support::sse::chunks(&answer.body);
    assert!(done);
    let (usage, others) = chunks.split_last().unwrap();
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"].to_string(), sorted(canned::USAGE));
    for chunk in others {
        assert_eq!(chunk.get("usage"), Some(&json!(null)), "{chunk}");
    }
}

async fn the_upstream_is_always_asked_for_a_stream_and_for_usage(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage
        .upstream
        .answer("test-model", canned::stream_text(&["Hello"]));
    for stream in [true, false] {
        assert_eq!(stage.instance.chat(canned::ask(stream)).await.status, 200);
    }
    for number in 0..2 {
        let chat = stage.upstream.chat(number).await;
        assert_eq!(
            chat.json(),
            json!({
                "model": "test-model",
                "messages": [{"role": "user", "content": "Say hello."}],
                "stream": true,
                "stream_options": {"include_usage": true}
            })
        );
        assert_eq!(chat.path, "/v1/chat/completions");
        assert_eq!(chat.head.header("content-type"), Some("application/json"));
    }
}

async fn a_connection_serves_one_answer_after_another(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage
        .upstream
        .answer("test-model", canned::stream_text(&["Hello"]));
    let mut client = stage.instance.client().await;
    for stream in [true, false, true] {
        let answer = client.exchange(&Request::chat(canned::ask(stream))).await;
        assert_eq!(answer.status, 200);
    }
}

/// JSON text as serde_json writes it, its keys in order.
fn sorted(text: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(text).unwrap();
    value.to_string()
}
