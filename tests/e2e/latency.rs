//! Nothing is held back on the way: no token waits for the next, or for an acknowledgement.
//!
//! These tests measure time, so the test runner gives them the machine for themselves.

use std::time::{Duration, Instant};

use llm2api_test_support::{Deployment, Request, Script, Signal};

use crate::{canned, stage::Stage};

both_deployments! {
    no_token_waits_for_an_acknowledgement,
}

/// Tokens, each of which is written when the one before has arrived.
const TOKENS: usize = 50;

async fn no_token_waits_for_an_acknowledgement(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let arrived: Vec<Signal> = (0..TOKENS).map(|_| Signal::new()).collect();
    let script = arrived
        .iter()
        .enumerate()
        .fold(
            Script::stream().event(canned::role(0)),
            |script, (number, signal)| {
                script
                    .event(canned::text(&format!("token {number}.")))
                    .wait_for(signal)
            },
        )
        .event(canned::finish(0, "stop"))
        .done();
    stage.upstream.queue(script);
    let mut client = stage.instance.client().await;
    client.send(&Request::chat(canned::ask(true))).await;
    client.head().await;
    let begun = Instant::now();
    for (number, signal) in arrived.iter().enumerate() {
        client.body_until(&format!("token {number}.")).await;
        signal.open();
    }
    client.body_until("data: [DONE]\n\n").await;
    // Where Nagle's algorithm waits for delayed acknowledgements each token takes 40 ms, on each of the ways.
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(20) * 50, "{took:?}");
}
