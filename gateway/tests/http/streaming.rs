//! Streamed answers, to the byte.

use std::time::Duration;

use llm2api_proto::{
    ContractError,
    v1::{ChatStart, ErrorReason, chat_event::Event},
};

use crate::{
    fake_core::{FakeCore, answer, finish, message, start, text, usage},
    gateway::{TestGateway, config},
};

const STREAM: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}"#;
const STREAM_WITH_USAGE: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true,"stream_options":{"include_usage":true}}"#;

#[tokio::test]
async fn a_stream_is_a_chunk_for_each_event_and_done() {
    let core = FakeCore::default();
    core.sends(vec![
        message(vec![start(), text("He")]),
        message(vec![text("llo 😀\n"), finish()]),
        message(vec![usage()]),
    ]);
    let gateway = TestGateway::start(core.service()).await;
    let reply = gateway.chat(STREAM).await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.header("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
    assert_eq!(reply.header("cache-control"), Some("no-cache"));
    assert_eq!(reply.header("x-accel-buffering"), Some("no"));
    assert_eq!(reply.header("content-length"), None);
    let head = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","system_fingerprint":null,"choices":[{"index":0,"delta":"#;
    let expected = [
        r#"{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}"#,
        r#"{"content":"He"},"logprobs":null,"finish_reason":null}]}"#,
        r#"{"content":"llo 😀\n"},"logprobs":null,"finish_reason":null}]}"#,
        r#"{},"logprobs":null,"finish_reason":"stop"}]}"#,
    ]
    .map(|rest| format!("{head}{rest}\n\n"))
    .concat()
        + "data: [DONE]\n\n";
    assert_eq!(reply.text(), expected);
}

#[tokio::test]
async fn usage_comes_in_a_chunk_of_its_own_where_it_is_asked_for() {
    let core = FakeCore::default();
    core.sends(answer("hi"));
    let gateway = TestGateway::start(core.service()).await;
    let reply = gateway.chat(STREAM_WITH_USAGE).await;
    let events: Vec<_> = reply.text().split("\n\n").collect();
    assert_eq!(events.len(), 6);
    for event in &events[..3] {
        assert!(event.ends_with(r#"}],"usage":null}"#), "{event}");
    }
    assert!(
        events[3].ends_with(
            r#""choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#
        ),
        "{}",
        events[3]
    );
    assert_eq!(events[4], "data: [DONE]");
}

#[tokio::test]
async fn a_failure_before_the_first_event_is_a_status() {
    let core = FakeCore::default();
    core.fails(ContractError::new(
        ErrorReason::ModelNotFound,
        "no such model",
    ));
    let gateway = TestGateway::start(core.service()).await;
    let reply = gateway.chat(STREAM).await;
    assert_eq!(reply.error(), (404, Some("model_not_found".to_owned())));
    assert_eq!(reply.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_failure_in_mid_stream_ends_it_with_an_error_and_without_done() {
    let core = FakeCore::default();
    let failure = ContractError::new(ErrorReason::UpstreamError, "the upstream broke off");
    core.sends(vec![
        message(vec![start(), text("He")]),
        Err(failure.into()),
    ]);
    let gateway = TestGateway::start(core.service()).await;
    let reply = gateway.chat(STREAM).await;
    assert_eq!(reply.status, 200);
    assert!(
        reply.text().ends_with(
            "\n\ndata: {\"error\":{\"message\":\"the upstream broke off\",\"type\":\"server_error\",\"param\":null,\"code\":\"upstream_error\"}}\n\n"
        ),
        "{}",
        reply.text()
    );
    assert!(!reply.text().contains("[DONE]"));
}

#[tokio::test]
async fn what_is_known_of_the_answer_stands_in_the_head_and_in_the_last_chunk() {
    let core = FakeCore::default();
    let start = Event::Start(ChatStart {
        id: "x".to_owned(),
        model: "small".to_owned(),
        upstream_model: "org/small-1".to_owned(),
        fallback_from: "big".to_owned(),
        attempt_count: 2,
        service_tier: "default".to_owned(),
        system_fingerprint: "fp_1".to_owned(),
        ..ChatStart::default()
    });
    core.sends(vec![message(vec![start, text("a"), finish(), usage()])]);
    let gateway = TestGateway::start(core.service()).await;
    let reply = gateway.chat(STREAM).await;
    assert_eq!(reply.header("x-llm2api-fallback"), Some("big"));
    assert_eq!(
        reply.header("x-llm2api-upstream-model"),
        Some("org/small-1")
    );
    let last = reply.text().split("\n\n").nth(2).unwrap();
    assert_eq!(
        last,
        r#"data: {"id":"x","object":"chat.completion.chunk","created":0,"model":"small","service_tier":"default","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"x_llm2api":{"fallback_from":"big","upstream_model":"org/small-1","attempts":2}}"#
    );
}

#[tokio::test]
async fn silence_before_the_first_event_commits_the_head_and_is_filled() {
    let core = FakeCore::default();
    let live = core.live(true);
    let config = llm2api_gateway::config::Config {
        keepalive: Duration::from_millis(20),
        ..config()
    };
    let gateway = TestGateway::with(config, core.service()).await;
    let mut connection = gateway.raw_chat(STREAM).await;
    connection
        .sees(": keep-alive\n\n\r\nE\r\n: keep-alive\n\n")
        .await;
    assert!(connection.seen.starts_with("HTTP/1.1 200 OK\r\n"));
    live.send(message(vec![start(), text("late"), finish(), usage()]))
        .await;
    drop(live);
    connection.sees("data: [DONE]\n\n").await;
    assert!(connection.seen.contains(r#"{"content":"late"}"#));
}

#[tokio::test]
async fn silence_in_mid_stream_is_filled() {
    let core = FakeCore::default();
    let live = core.live(false);
    let config = llm2api_gateway::config::Config {
        keepalive: Duration::from_millis(20),
        ..config()
    };
    let gateway = TestGateway::with(config, core.service()).await;
    live.send(message(vec![start(), text("a")])).await;
    let mut connection = gateway.raw_chat(STREAM).await;
    connection.sees(": keep-alive\n\n").await;
    assert!(connection.seen.contains(r#"{"content":"a"}"#));
}

#[tokio::test]
async fn a_failure_after_the_head_comes_in_the_stream() {
    let core = FakeCore::default();
    let live = core.live(true);
    let config = llm2api_gateway::config::Config {
        keepalive: Duration::from_millis(20),
        ..config()
    };
    let gateway = TestGateway::with(config, core.service()).await;
    let mut connection = gateway.raw_chat(STREAM).await;
    connection.sees(": keep-alive\n\n").await;
    let failure = ContractError::new(ErrorReason::FirstTokenTimeout, "nothing came");
    live.send(Err(failure.into())).await;
    connection
        .sees("\"code\":\"first_token_timeout\"}}\n\n")
        .await;
    connection.sees("\r\n0\r\n\r\n").await;
    assert!(!connection.seen.contains("[DONE]"));
}

#[tokio::test]
async fn a_chunk_goes_out_when_it_comes_and_not_later() {
    let core = FakeCore::default();
    let live = core.live(false);
    let gateway = TestGateway::start(core.service()).await;
    live.send(message(vec![start(), text("0")])).await;
    let mut connection = gateway.raw_chat(STREAM).await;
    for number in 1..100 {
        connection
            .sees(&format!(r#"{{"content":"{}"}}"#, number - 1))
            .await;
        live.send(message(vec![text(&number.to_string())])).await;
    }
}
