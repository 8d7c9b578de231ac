//! When an upstream is asked again, and when never.

use std::{net::SocketAddr, time::Duration};

use llm2api_test_support::{Deployment, Ending, Request, Script, ScriptedUpstream, Signal};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

use crate::{
    canned,
    stage::{Stage, instance},
    upstream_errors::verdict,
};

both_deployments! {
    an_upstream_that_resets_is_asked_again,
    a_failure_before_the_first_token_is_invisible,
    an_answer_that_is_not_streamed_may_fail_at_any_time,
    attempts_are_counted,
    a_slow_first_token_is_asked_for_once,
    silence_in_the_middle_ends_the_stream,
    an_answer_cut_in_the_middle_never_looks_complete,
    a_request_that_is_not_streamed_has_a_clock_of_its_own,
    an_upstream_that_does_not_listen_is_a_bad_gateway,
    an_upstream_that_accepts_no_connection_is_timed,
    a_connection_closed_while_idle_costs_nothing,
    silence_is_filled_with_comments,
    an_error_after_a_comment_comes_in_the_stream,
}

async fn an_upstream_that_resets_is_asked_again(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    for stream in [true, false] {
        let before = stage.upstream.chats().len();
        stage.upstream.queue(Script::reset_at_once());
        stage.upstream.queue(canned::stream_text(&["Hello"]));
        let answer = stage.instance.chat(canned::ask(stream)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(stage.upstream.chats().len(), before + 2);
        if !stream {
            assert_eq!(answer.json()["x_llm2api"], json!({"attempts": 2}));
            assert_eq!(answer.json()["choices"][0]["message"]["content"], "Hello");
        }
    }
}

async fn a_failure_before_the_first_token_is_invisible(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    for failure in [
        Script::json(500, "{}"),
        Script::json(529, "{}"),
        Script::json(408, "{}"),
        Script::stream().event(canned::role(0)).close(),
        Script::stream().event(canned::role(0)).reset(),
        Script::stream()
            .event(canned::role(0))
            .event(r#"{"error":{"message":"overloaded","type":"server_error"}}"#),
        Script::stream().event(canned::role(0)).done(),
    ] {
        stage.upstream.queue(failure.clone());
        stage.upstream.queue(canned::stream_text(&["Hello"]));
        let answer = stage.instance.chat(canned::ask(true)).await;
        let choices = canned::choices(&answer.body);
        assert_eq!(canned::content(&choices, 0), "Hello", "{failure:?}");
        assert_eq!(
            canned::member(&choices, 0, "role"),
            "assistant",
            "{failure:?}"
        );
    }
}

async fn an_answer_that_is_not_streamed_may_fail_at_any_time(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage.upstream.queue(
        Script::stream()
            .event(canned::role(0))
            .event(canned::text("Hel"))
            .close(),
    );
    stage.upstream.queue(canned::stream_text(&["Hello"]));
    let answer = stage.instance.chat(canned::ask(false)).await;
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "Hello");
    assert_eq!(stage.upstream.chats().len(), 2);
}

async fn attempts_are_counted(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("RETRY_ATTEMPTS", "2")]).await;
    stage.upstream.answer("test-model", Script::json(500, "{}"));
    let answer = stage.instance.chat(canned::ask(true)).await;
    assert_eq!(answer.status, 502);
    assert_eq!(stage.upstream.chats().len(), 2);
}

async fn a_slow_first_token_is_asked_for_once(deployment: Deployment) {
    for script in [
        Script::silence(),
        Script::stream().event(canned::role(0)).stall(),
    ] {
        for stream in [true, false] {
            let stage = Stage::with(deployment, &[("FIRST_TOKEN_TIMEOUT", "300ms")]).await;
            stage.upstream.answer("test-model", script.clone());
            let answer = stage.instance.chat(canned::ask(stream)).await;
            assert_eq!(
                verdict(&answer),
                (504, json!(["server_error", null, "first_token_timeout"]))
            );
            assert_eq!(stage.upstream.chats().len(), 1);
            let (_, ending) = stage.upstream.chat(0).await.ended().await;
            assert_ne!(ending, Ending::Script);
        }
    }
}

async fn silence_in_the_middle_ends_the_stream(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("IDLE_TIMEOUT", "300ms")]).await;
    stage.upstream.answer(
        "test-model",
        Script::stream()
            .event(canned::role(0))
            .event(canned::text("Hel"))
            .stall(),
    );
    let answer = stage.instance.chat(canned::ask(true)).await;
    let (choices, error) = canned::cut(&answer.body);
    assert_eq!(canned::content(&choices, 0), "Hel");
    assert_eq!(error["code"], "idle_timeout");
    assert_eq!(stage.upstream.chats().len(), 1);

    let answer = stage.instance.chat(canned::ask(false)).await;
    assert_eq!(
        verdict(&answer),
        (504, json!(["server_error", null, "idle_timeout"]))
    );
    assert_eq!(stage.upstream.chats().len(), 2);
}

async fn an_answer_cut_in_the_middle_never_looks_complete(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    type Cut = fn(Script) -> Script;
    let cuts: [(&str, Cut); 5] = [
        ("closed within a chunk", |script| script.close()),
        ("reset", |script| script.reset()),
        ("ended without a finish", |script| script),
        ("an error event", |script| {
            script.event(r#"{"error":{"message":"overloaded","type":"server_error"}}"#)
        }),
        ("garbage", |script| script.event("{\"id\":")),
    ];
    for (number, (way, cut)) in cuts.into_iter().enumerate() {
        let seen = Signal::new();
        stage.upstream.queue(cut(Script::stream()
            .event(canned::role(0))
            .event(canned::text("Hel"))
            .event(canned::text("lo"))
            .wait_for(&seen)));
        let mut client = stage.instance.client().await;
        client.send(&Request::chat(canned::ask(true))).await;
        assert_eq!(client.head().await.0, 200);
        let mut stream = client.body_until(r#""content":"lo""#).await.into_bytes();
        seen.open();
        stream.extend_from_slice(&client.body().await);

        let (choices, error) = canned::cut(&stream);
        assert_eq!(canned::content(&choices, 0), "Hello", "{way}");
        assert_eq!(canned::finish_reasons(&choices), [], "{way}");
        assert_eq!(
            json!([error["type"], error["param"], error["code"]]),
            json!(["server_error", null, "upstream_error"]),
            "{way}"
        );
        assert_eq!(stage.upstream.chats().len(), number + 1, "{way}");
    }
}

async fn a_request_that_is_not_streamed_has_a_clock_of_its_own(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("REQUEST_TIMEOUT", "300ms")]).await;
    stage.upstream.answer(
        "test-model",
        Script::stream().event(canned::text("Hel")).stall(),
    );
    let answer = stage.instance.chat(canned::ask(false)).await;
    assert_eq!(
        verdict(&answer),
        (504, json!(["server_error", null, "request_timeout"]))
    );
    assert_eq!(stage.upstream.chats().len(), 1);
}

async fn an_upstream_that_does_not_listen_is_a_bad_gateway(deployment: Deployment) {
    let gone = ScriptedUpstream::start(&[]).await.url();
    let instance = instance(deployment)
        .setting("UPSTREAM_URL", &gone)
        .start()
        .await;
    let answer = instance.chat(canned::ask(true)).await;
    let (status, parts) = verdict(&answer);
    assert!(
        (status == 502 && parts[2] == "upstream_error")
            || (status == 503 && parts[2] == "upstream_unavailable"),
        "{status} {parts}"
    );
}

async fn an_upstream_that_accepts_no_connection_is_timed(deployment: Deployment) {
    let full = FullListener::start().await;
    let instance = instance(deployment)
        .setting("UPSTREAM_URL", &format!("http://{}", full.address))
        .setting("CONNECT_TIMEOUT", "200ms")
        .setting("RETRY_ATTEMPTS", "2")
        .start()
        .await;
    let answer = instance.chat(canned::ask(true)).await;
    assert_eq!(
        verdict(&answer),
        (504, json!(["server_error", null, "connect_timeout"]))
    );
}

/// A listener whose queue of connections to accept is full: further ones are left without an answer.
struct FullListener {
    address: SocketAddr,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl FullListener {
    async fn start() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        let patience = Duration::from_millis(200);
        while let Ok(stream) = timeout(patience, TcpStream::connect(address)).await {
            queued.push(stream.unwrap());
        }
        Self {
            address,
            _listener: listener,
            _queued: queued,
        }
    }
}

async fn a_connection_closed_while_idle_costs_nothing(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("RETRY_ATTEMPTS", "1")]).await;
    for _ in 0..3 {
        // The answer is whole, and the connection is closed after it.
        let body = canned::body(&canned::text_chunks(&["Hello"]));
        stage
            .upstream
            .queue(Script::answer(200, "text/event-stream", body).close());
        let answer = stage.instance.chat(canned::ask(false)).await;
        assert_eq!(answer.status, 200);
        stage.upstream.has_connections_at_most(1).await;
    }
}

async fn silence_is_filled_with_comments(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("KEEPALIVE", "50ms")]).await;
    let (first, second) = (Signal::new(), Signal::new());
    stage.upstream.queue(
        Script::stream()
            .wait_for(&first)
            .event(canned::role(0))
            .event(canned::text("Hel"))
            .wait_for(&second)
            .event(canned::text("lo"))
            .event(canned::finish(0, "stop"))
            .done(),
    );
    let mut client = stage.instance.client().await;
    client.send(&Request::chat(canned::ask(true))).await;
    assert_eq!(client.head().await.0, 200);
    let mut stream = client.body_until(": keep-alive\n\n: keep-alive\n\n").await;
    first.open();
    stream += &client.body_until(r#""content":"Hel""#).await;
    stream += &client.body_until(": keep-alive\n\n: keep-alive\n\n").await;
    second.open();
    stream += std::str::from_utf8(&client.body().await).unwrap();
    assert_eq!(
        canned::content(&canned::choices(stream.as_bytes()), 0),
        "Hello"
    );
}

async fn an_error_after_a_comment_comes_in_the_stream(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("KEEPALIVE", "50ms")]).await;
    let told = Signal::new();
    stage.upstream.queue(
        Script::stream()
            .wait_for(&told)
            .event(r#"{"error":{"message":"overloaded","type":"server_error"}}"#),
    );
    stage.upstream.answer("test-model", Script::json(500, "{}"));
    let mut client = stage.instance.client().await;
    client.send(&Request::chat(canned::ask(true))).await;
    assert_eq!(client.head().await.0, 200);
    let mut stream = client.body_until(": keep-alive\n\n").await;
    told.open();
    stream += std::str::from_utf8(&client.body().await).unwrap();
    let (choices, error) = canned::cut(stream.as_bytes());
    assert_eq!(choices, Vec::<serde_json::Value>::new());
    assert_eq!(error["code"], "upstream_error");
}
