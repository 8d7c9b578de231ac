//! A client that goes away, or a process that ends, leaves no conversation and no generation behind.
//!
//! These tests measure time, so the test runner gives them the machine for themselves.

use std::time::{Duration, Instant};

use llm2api_test_support::{
    Deployment, RawClient, Request, Signal,
    scripted_chat_ui::{Family, Reply, Setup},
};

use super::{FAMILIES, Stage, hello, request};
use crate::stage::{MODEL, instance};

both_deployments! {
    leaving_stops_closes_and_deletes,
    leaving_before_the_first_token_stops_closes_and_deletes,
    a_conversation_made_after_nobody_waits_is_deleted,
    a_deletion_that_fails_is_tried_again,
    an_answer_does_not_wait_for_the_clean_up,
    a_process_that_ends_leaves_nothing_behind,
    a_clock_that_runs_out_stops_the_generation,
}

/// How soon the generation is told to stop when nobody waits any more.
const SOON: Duration = Duration::from_millis(100);

/// Asks, waits until the client has come to its point of leaving, leaves, and checks what the upstream was told and when.
async fn leaves(stage: &Stage, stream: bool, come_to_the_point: impl AsyncFn(&mut RawClient)) {
    for leave in [RawClient::leave, RawClient::reset] {
        let number = stage.site.conversations().len();
        let mut client = stage.instance.client().await;
        client.send(&Request::chat(request(stream, hello()))).await;
        stage
            .site
            .conversation(number, "sent a message", |one| one.message.is_some())
            .await;
        come_to_the_point(&mut client).await;

        let left_at = Instant::now();
        leave(client);

        let conversation = stage
            .site
            .conversation(number, "deleted", |one| one.deleted_at.is_some())
            .await;
        let stopped_at = conversation.stopped_at.expect("it was stopped");
        let took = stopped_at.saturating_duration_since(left_at);
        assert!(took <= SOON, "stopped after {took:?}");
        assert!(
            !conversation.was_deleted_open,
            "closed before it is deleted: {conversation:?}"
        );
        assert!(conversation.deleted_at > Some(stopped_at));
        let closed_at = conversation.closed_at.or(conversation.ended_at);
        assert!(closed_at > Some(stopped_at), "stopped before it is closed");
        assert_eq!(
            stage.site.conversations().len(),
            number + 1,
            "no further attempt"
        );
    }
}

async fn leaving_stops_closes_and_deletes(deployment: Deployment) {
    for family in FAMILIES {
        let stage = Stage::new(deployment, family).await;
        stage.site.answer(Reply::started().token("Hello").think());
        leaves(&stage, true, async |client| {
            client.head().await;
            client.body_until("Hello").await;
        })
        .await;
        leaves(&stage, false, async |_| {}).await;
    }
}

async fn leaving_before_the_first_token_stops_closes_and_deletes(deployment: Deployment) {
    for family in FAMILIES {
        let stage = Stage::new(deployment, family).await;
        for reply in [Reply::started().think(), Reply::started().hang()] {
            stage.site.answer(reply);
            for stream in [true, false] {
                leaves(&stage, stream, async |_| {}).await;
            }
        }
    }
}

async fn a_conversation_made_after_nobody_waits_is_deleted(deployment: Deployment) {
    for family in FAMILIES {
        let setup = Setup::new(family, MODEL);
        let stage = Stage::with(deployment, setup, "first_token_timeout = \"300ms\"").await;
        let made = Signal::new();
        stage.site.hold_creations(&made);
        // The clock has run out by the time of the answer.
        assert_eq!(stage.say_hello(true).await.status, 504);
        made.open();
        stage.site.has_deleted(1).await;
        let conversation = stage.site.conversations().pop().unwrap();
        assert_eq!(conversation.message, None, "nothing is asked in it");
    }
}

async fn a_deletion_that_fails_is_tried_again(deployment: Deployment) {
    let stage = Stage::new(deployment, Family::New).await;
    stage.site.fail_deletions(1);
    stage.say_hello(true).await;
    stage.site.has_deleted(1).await;
}

async fn an_answer_does_not_wait_for_the_clean_up(deployment: Deployment) {
    let stage = Stage::new(deployment, Family::New).await;
    // The title is late: the answer is complete without it.
    stage
        .site
        .answer(Reply::started().token("Hello").final_answer("Hello").hang());
    for stream in [true, false] {
        let answer = stage.say_hello(stream).await;
        assert_eq!(answer.status, 200);
        let open = stage.site.conversations().pop().unwrap();
        assert_eq!((open.closed_at, open.deleted_at), (None, None));
    }
    stage.site.has_deleted(2).await;
    let conversations = stage.site.conversations();
    assert!(conversations.iter().all(|one| one.stopped_at.is_none()));
}

async fn a_process_that_ends_leaves_nothing_behind(deployment: Deployment) {
    let setup = Setup::new(Family::New, MODEL);
    let instance = instance(deployment).setting("DRAIN_TIMEOUT", "300ms");
    let mut stage = Stage::start(instance, setup, "").await;
    stage.site.answer(Reply::started().token("Hello").think());
    let mut client = stage.instance.client().await;
    client.send(&Request::chat(request(true, hello()))).await;
    client.head().await;
    client.body_until("Hello").await;

    for process in stage.instance.processes() {
        process.interrupt();
    }
    stage.instance.ended().await;

    let conversation = stage.site.conversations().pop().unwrap();
    assert!(conversation.stopped_at.is_some(), "{conversation:?}");
    assert!(conversation.deleted_at.is_some(), "{conversation:?}");
}

async fn a_clock_that_runs_out_stops_the_generation(deployment: Deployment) {
    let setup = Setup::new(Family::New, MODEL);
    let stage = Stage::with(deployment, setup, "first_token_timeout = \"300ms\"").await;
    stage.site.answer(Reply::started().think());
    let answer = stage.say_hello(true).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]["code"]),
        (504, &"first_token_timeout".into())
    );
    stage.site.has_deleted(1).await;
    let conversation = stage.site.conversations().pop().unwrap();
    assert!(conversation.stopped_at.is_some(), "{conversation:?}");
}
