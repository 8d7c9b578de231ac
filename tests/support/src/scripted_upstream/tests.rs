use std::io;

use super::*;
use crate::{RawClient, Request, Signal, http1::Reader};

const BODY: &str = r#"{"model":"m"}"#;

async fn asked(upstream: &ScriptedUpstream) -> RawClient {
    let mut client = RawClient::connect(upstream.address()).await;
    client.send(&Request::chat(BODY)).await;
    client
}

#[tokio::test]
async fn a_script_is_played_byte_by_byte() {
    let upstream = ScriptedUpstream::start(&[]).await;
    upstream.answer(
        "m",
        Script::stream()
            .header("X-Test", "1")
            .byte_by_byte("data: 1\n\n")
            .done(),
    );
    let mut client = asked(&upstream).await;
    let (status, head) = client.head().await;
    assert_eq!((status, head.header("x-test")), (200, Some("1")));
    assert_eq!(client.body().await, "data: 1\n\ndata: [DONE]\n\n");

    let chat = upstream.chat(0).await;
    assert_eq!(
        (chat.method.as_str(), chat.path.as_str(), chat.text()),
        ("POST", "/v1/chat/completions", BODY)
    );
    assert_eq!(chat.ended().await.1, Ending::Script);
}

#[tokio::test]
async fn a_queued_script_is_used_once_and_a_connection_again() {
    let upstream = ScriptedUpstream::start(&[]).await;
    upstream.answer("m", Script::json(200, "standing"));
    upstream.queue(Script::json(500, "queued"));
    let mut client = RawClient::connect(upstream.address()).await;
    let first = client.exchange(&Request::chat(BODY)).await;
    let second = client.exchange(&Request::chat(BODY)).await;
    assert_eq!(
        [(first.status, first.text()), (second.status, second.text())],
        [(500, "queued"), (200, "standing")]
    );
    assert_eq!(upstream.chat(1).await.connection, 0);
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let upstream = ScriptedUpstream::start(&[]).await;
    let signal = Signal::new();
    upstream.answer("m", Script::stream().event("1").wait_for(&signal).reset());
    let mut client = asked(&upstream).await;
    client.head().await;
    client.body_until("data: 1\n\n").await;
    signal.open();
    let (read, _write) = client.into_stream().into_split();
    let error = crate::within("the reset", Reader::new(read).closed()).await;
    assert_eq!(
        error.expect_err("it was reset").kind(),
        io::ErrorKind::ConnectionReset
    );
}

#[tokio::test]
async fn a_peer_that_leaves_is_seen_to_leave() {
    let upstream = ScriptedUpstream::start(&[]).await;
    upstream.answer("m", Script::silence());
    let client = asked(&upstream).await;
    upstream.has_chats(1).await;
    client.leave();
    assert_eq!(upstream.chat(0).await.ended().await.1, Ending::Closed);

    let client = asked(&upstream).await;
    upstream.has_chats(2).await;
    client.reset();
    assert_eq!(upstream.chat(1).await.ended().await.1, Ending::Reset);
    upstream.has_connections_at_most(0).await;
}
