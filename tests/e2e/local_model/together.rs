//! Several clients of one model, and those of other upstreams meanwhile.
//!
//! These tests measure time, so the test runner gives them the machine for themselves.

use std::time::{Duration, Instant};

use llm2api_test_support::{Deployment, Llm2Api, RawClient, Request, ScriptedUpstream, within};
use serde_json::json;
use tokio::task::JoinSet;

use super::{ask, started, with_model};
use crate::{canned, stage::MODEL, upstream_errors::verdict};

both_deployments! {
    four_clients_at_once_all_see_tokens_flow,
    a_client_that_leaves_makes_room,
    a_full_queue_says_when_to_come_again,
    requests_to_another_upstream_keep_their_latency,
}

/// Answers that move at once.
const AT_ONCE: usize = 4;

/// Requests that wait beside them.
const QUEUED: usize = 16;

/// A request whose answer goes on to its bound: what was said becomes ever likelier.
fn long(max_tokens: u32) -> Request {
    Request::chat(ask(
        "Write a very long story about the sea and all that lives in it.",
        json!({"stream": true, "max_tokens": max_tokens, "frequency_penalty": -2}),
    ))
}

/// A client whose long answer has begun.
async fn begun(instance: &Llm2Api, max_tokens: u32) -> RawClient {
    let mut client = instance.client().await;
    client.send(&long(max_tokens)).await;
    assert_eq!(client.head().await.0, 200);
    client.body_until(r#""content":""#).await;
    client
}

async fn four_clients_at_once_all_see_tokens_flow(deployment: Deployment) {
    let instance = started(deployment).await;
    begun(&instance, 1).await;
    let mut clients = JoinSet::new();
    for _ in 0..AT_ONCE {
        let mut client = instance.client().await;
        client.send(&long(60)).await;
        clients.spawn(async move {
            assert_eq!(client.head().await.0, 200);
            let mut times = Vec::new();
            while let Some((piece, at)) = client.piece().await {
                if String::from_utf8_lossy(&piece).contains(r#""content":""#) {
                    times.push(at);
                }
            }
            times
        });
    }
    let times = within("four answers", clients.join_all()).await;
    let first_end = times.iter().filter_map(|times| times.last()).min().unwrap();
    for times in &times {
        assert!(times.len() > 10, "{times:?}");
        assert!(times[1] < *first_end, "one waited for another's end");
    }
}

async fn a_client_that_leaves_makes_room(deployment: Deployment) {
    let instance = started(deployment).await;
    let leaving = begun(&instance, 4_000).await;
    let mut staying = JoinSet::new();
    for _ in 1..AT_ONCE {
        let mut client = begun(&instance, 4_000).await;
        staying.spawn(async move { client.body().await });
    }
    let mut waiting = instance.client().await;
    waiting.send(&long(4_000)).await;
    leaving.leave();
    waiting.head().await;
    waiting.body_until(r#""content":""#).await;
    assert!(staying.try_join_next().is_none(), "it waited for an end");
}

async fn a_full_queue_says_when_to_come_again(deployment: Deployment) {
    let instance = started(deployment).await;
    let mut clients = JoinSet::new();
    for _ in 0..AT_ONCE + QUEUED + 5 {
        let mut client = instance.client().await;
        client.send(&long(4_000)).await;
        // A refusal comes whole; an answer not before the test ends.
        clients.spawn(async move { client.answer(false).await });
    }
    for _ in 0..5 {
        let refused = within("a refusal", clients.join_next()).await;
        let refused = refused.unwrap().unwrap();
        assert_eq!(
            verdict(&refused),
            (
                429,
                json!(["rate_limit_error", null, "server_is_overloaded"])
            )
        );
        let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=120).contains(&seconds), "{seconds}");
    }
    assert!(clients.try_join_next().is_none(), "one refusal too many");

    // Busy is not limited: as soon as there is room it answers again.
    clients.shutdown().await;
    let short = || ask("hi", json!({"max_tokens": 1}));
    within("room for another", async {
        while instance.chat(short()).await.status != 200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A model on both processors delays others by what the system needs to change threads; on a worker it would by whole answers.
const UNDISTURBED: Duration = Duration::from_millis(150);

async fn requests_to_another_upstream_keep_their_latency(deployment: Deployment) {
    let upstream = ScriptedUpstream::start(&[MODEL]).await;
    upstream.answer(MODEL, canned::stream_text(&["Hello"]));
    let instance = with_model(deployment)
        .setting("UPSTREAM_URL", &upstream.url())
        .start()
        .await;
    begun(&instance, 1).await;
    let mut local = JoinSet::new();
    for _ in 0..AT_ONCE {
        let mut client = begun(&instance, 4_000).await;
        local.spawn(async move { client.body().await });
    }
    let mut client = instance.client().await;
    let mut latencies = Vec::new();
    for _ in 0..41 {
        let sent = Instant::now();
        let answer = client.exchange(&Request::chat(canned::ask(true))).await;
        latencies.push(sent.elapsed());
        assert_eq!(canned::content(&canned::choices(&answer.body), 0), "Hello");
    }
    assert!(
        local.try_join_next().is_none(),
        "the model had nothing to do"
    );
    latencies.sort();
    assert!(latencies[20] < UNDISTURBED, "{latencies:?}");
}
