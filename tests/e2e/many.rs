//! Thousands of clients at once, and thousands that leave.
//!
//! These tests need most of the machine's sockets, so the test runner gives them the machine for themselves.

use std::{sync::Arc, time::Duration};

use llm2api_test_support::{
    Deployment, Ending, RawClient, Request, Script, Signal, open_files, within,
};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{canned, stage::Stage};

both_deployments! {
    ten_thousand_clients_that_leave_harm_no_other,
    five_thousand_streams_at_once_hold,
}

/// Clients that leave.
const LEAVING: usize = 10_000;

/// Clients that stay meanwhile.
const STEADY: usize = 20;

/// Streams held at once.
const HELD: usize = 5_000;

/// Clients that are on their way to their first token at once: the machine has two processors.
const AT_ONCE: usize = 100;

async fn ten_thousand_clients_that_leave_harm_no_other(deployment: Deployment) {
    open_files::allow(8_192);
    let stage = Arc::new(Stage::new(deployment).await);
    let storm_over = Signal::new();
    let tokens: Vec<String> = (0..1_000).map(|number| format!("t{number} ")).collect();
    let steady = tokens
        .iter()
        .take(900)
        .fold(Script::stream().event(canned::role(0)), |script, token| {
            script
                .event(canned::text(token))
                .pause(Duration::from_millis(10))
        })
        .wait_for(&storm_over);
    let steady = tokens
        .iter()
        .skip(900)
        .fold(steady, |script, token| script.event(canned::text(token)))
        .event(canned::finish(0, "stop"))
        .done();
    let mut steady_clients = JoinSet::new();
    for number in 0..STEADY {
        stage.upstream.queue(steady.clone());
        let mut client = stage.instance.client().await;
        client.send(&Request::chat(canned::ask(true))).await;
        stage.upstream.has_chats(number + 1).await;
        steady_clients.spawn(async move {
            assert_eq!(client.head().await.0, 200);
            client.body().await
        });
    }

    stage.upstream.answer(
        "test-model",
        Script::stream()
            .event(canned::role(0))
            .event(canned::text("first"))
            .stall(),
    );
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut storm = JoinSet::new();
    for number in 0..LEAVING {
        let place = Arc::clone(&places).acquire_owned().await;
        let stage = Arc::clone(&stage);
        storm.spawn(async move {
            let mut client = stage.instance.client().await;
            client.send(&Request::chat(canned::ask(true))).await;
            assert_eq!(client.head().await.0, 200);
            client.body_until(r#""content":"first""#).await;
            match number % 2 {
                0 => client.leave(),
                _ => client.reset(),
            }
            drop(place);
        });
        while let Some(left) = storm.try_join_next() {
            left.unwrap();
        }
    }
    while let Some(left) = storm.join_next().await {
        left.unwrap();
    }
    storm_over.open();

    let expected = tokens.concat();
    while let Some(stream) = steady_clients.join_next().await {
        let choices = canned::choices(&stream.unwrap());
        assert!(
            canned::content(&choices, 0) == expected,
            "a steady stream lost tokens"
        );
        assert_eq!(canned::finish_reasons(&choices), [(0, "stop".to_owned())]);
    }
    let chats = stage.upstream.chats();
    assert_eq!(
        chats.len(),
        STEADY + LEAVING,
        "each client is asked for once"
    );
    for chat in &chats[STEADY..] {
        assert_ne!(chat.ended().await.1, Ending::Script);
    }
    stage.upstream.queue(canned::stream_text(&["Hello"]));
    assert_eq!(stage.instance.chat(canned::ask(true)).await.status, 200);
}

async fn five_thousand_streams_at_once_hold(deployment: Deployment) {
    open_files::allow(2 * HELD as u64 + 1_000);
    let stage = Arc::new(Stage::new(deployment).await);
    let all_here = Signal::new();
    stage.upstream.answer(
        "test-model",
        Script::stream()
            .event(canned::role(0))
            .event(canned::text("first "))
            .wait_for(&all_here)
            .event(canned::text("second"))
            .event(canned::finish(0, "stop"))
            .done(),
    );
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut opening = JoinSet::new();
    for _ in 0..HELD {
        let place = Arc::clone(&places).acquire_owned().await;
        let stage = Arc::clone(&stage);
        opening.spawn(async move {
            let mut client = stage.instance.client().await;
            client.send(&Request::chat(canned::ask(true))).await;
            assert_eq!(client.head().await.0, 200);
            let begun = client.body_until(r#""content":"first ""#).await;
            drop(place);
            (client, begun)
        });
    }
    let mut held: Vec<(RawClient, String)> = Vec::with_capacity(HELD);
    while let Some(opened) = opening.join_next().await {
        held.push(opened.unwrap());
    }
    assert_eq!(stage.upstream.chats().len(), HELD);
    all_here.open();

    let mut rest = JoinSet::new();
    for (mut client, begun) in held {
        rest.spawn(async move { [begun.as_bytes(), &client.body().await].concat() });
    }
    let mut first: Option<Vec<u8>> = None;
    let finish = async {
        while let Some(stream) = rest.join_next().await {
            let stream = stream.unwrap();
            let first = first.get_or_insert_with(|| {
                let choices = canned::choices(&stream);
                assert_eq!(canned::content(&choices, 0), "first second");
                stream.clone()
            });
            assert!(
                *first == stream,
                "one stream differs from the others: {}",
                String::from_utf8_lossy(&stream)
            );
        }
    };
    within("all streams to end", finish).await;
}
