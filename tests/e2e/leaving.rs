//! A client that goes away ends the upstream's work at once, wherever the answer is and however the client goes.
//!
//! These tests measure time, so the test runner gives them the machine for themselves.

use std::time::{Duration, Instant};

use llm2api_test_support::{Deployment, Ending, RawClient, Request, Script};

use crate::{canned, stage::Stage};

both_deployments! {
    leaving_before_the_head_ends_the_upstream_request,
    leaving_before_the_first_token_ends_the_upstream_request,
    leaving_in_the_middle_ends_the_upstream_request,
    leaving_a_busy_stream_ends_the_upstream_request,
    leaving_after_comments_ends_the_upstream_request,
    a_connection_that_was_left_is_not_used_again,
}

/// How soon the upstream sees that nobody waits any more.
const SOON: Duration = Duration::from_millis(100);

type Leave = fn(RawClient);

/// The ways to leave.
const WAYS: [(&str, Leave); 2] = [("FIN", RawClient::leave), ("RST", RawClient::reset)];

/// Asks, lets the client come to its point of leaving, leaves, and checks when the upstream saw it.
async fn leaves(
    stage: &Stage,
    script: &Script,
    stream: bool,
    come_to_the_point: impl AsyncFn(&mut RawClient),
) {
    for (way, leave) in WAYS {
        let number = stage.upstream.chats().len();
        stage.upstream.queue(script.clone());
        let mut client = stage.instance.client().await;
        client.send(&Request::chat(canned::ask(stream))).await;
        let chat = stage.upstream.chat(number).await;
        come_to_the_point(&mut client).await;

        let left_at = Instant::now();
        leave(client);

        let (ended_at, ending) = chat.ended().await;
        let took = ended_at.saturating_duration_since(left_at);
        assert!(
            took <= SOON,
            "{way}, stream {stream}: the upstream was let go after {took:?}"
        );
        assert_ne!(ending, Ending::Script, "{way}, stream {stream}");
        assert_eq!(
            stage.upstream.chats().len(),
            number + 1,
            "{way}: no further attempt"
        );
    }
}

async fn leaving_before_the_head_ends_the_upstream_request(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    for stream in [true, false] {
        leaves(&stage, &Script::silence(), stream, async |_| {}).await;
    }
}

async fn leaving_before_the_first_token_ends_the_upstream_request(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let script = Script::stream().event(canned::role(0)).stall();
    for stream in [true, false] {
        leaves(&stage, &script, stream, async |_| {}).await;
    }
}

async fn leaving_in_the_middle_ends_the_upstream_request(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let script = Script::stream()
        .event(canned::role(0))
        .event(canned::text("Hello"))
        .stall();
    leaves(&stage, &script, true, async |client| {
        client.head().await;
        client.body_until("Hello").await;
    })
    .await;
    leaves(&stage, &script, false, async |_| {}).await;
}

async fn leaving_a_busy_stream_ends_the_upstream_request(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let script = (0..100_000).fold(Script::stream(), |script, _| {
        script
            .event(canned::text("tick"))
            .pause(Duration::from_millis(5))
    });
    leaves(&stage, &script, true, async |client| {
        client.head().await;
        client.body_until("tick").await;
    })
    .await;
}

async fn leaving_after_comments_ends_the_upstream_request(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("KEEPALIVE", "50ms")]).await;
    leaves(&stage, &Script::silence(), true, async |client| {
        client.head().await;
        client.body_until(": keep-alive\n\n").await;
    })
    .await;
}

async fn a_connection_that_was_left_is_not_used_again(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let left = Script::stream().event(canned::text("left")).stall();
    leaves(&stage, &left, true, async |client| {
        client.head().await;
        client.body_until("left").await;
    })
    .await;
    stage.upstream.queue(canned::stream_text(&["Hello"]));
    let answer = stage.instance.chat(canned::ask(true)).await;
    assert_eq!(canned::content(&canned::choices(&answer.body), 0), "Hello");
}
