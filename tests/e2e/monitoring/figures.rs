//! Figures, as whoever sent the chats has counted them.

use std::time::Duration;

use llm2api_test_support::{Deployment, Llm2Api, Request, Script, ScriptedUpstream};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{shown, status_when};
use crate::{
    canned,
    stage::{MODEL, instance},
};

both_deployments! {
    figures_equal_what_was_sent_and_survive_a_restart,
    a_killed_process_has_forgotten_five_seconds_at_most,
}

/// Chats that are answered at once.
const ANSWERED: u64 = 200;
/// Chats at an upstream that fails.
const FAILED: u64 = 10;
/// Chats whose answer breaks off.
const BROKEN: u64 = 15;
/// Chats that ask for what nobody has.
const REJECTED: u64 = 12;
/// Chats whose client leaves.
const CANCELLED: u64 = 14;
/// Attempts that a request has.
const ATTEMPTS: u64 = 2;

/// Sends a chat and reads its answer, or what there is of it.
async fn chat(instance: &Llm2Api, model: &str, is_streamed: bool) -> u16 {
    let request = Request::chat(canned::ask_model(model, is_streamed));
    let mut client = instance.client().await;
    client.send(&request).await;
    let (status, _) = client.head().await;
    client.body().await;
    status
}

/// What `requests`, `errors`, `rejected` and `cancelled` say.
fn counts(figures: &Value) -> [u64; 4] {
    ["requests", "errors", "rejected", "cancelled"]
        .map(|name| figures[name].as_u64().expect("a number"))
}

fn named<'a>(list: &'a Value, key: &str, name: &str) -> &'a Value {
    let mut entries = list.as_array().expect("a list").iter();
    entries
        .find(|entry| entry[key] == name)
        .unwrap_or_else(|| panic!("{name} is listed: {list}"))
}

async fn figures_equal_what_was_sent_and_survive_a_restart(deployment: Deployment) {
    let upstream = ScriptedUpstream::start(&[MODEL, "fails", "breaks", "stalls"]).await;
    upstream.answer(MODEL, canned::stream_text(&["Hel", "lo"]));
    upstream.answer("fails", Script::json(500, r#"{"error":{"message":"no"}}"#));
    let begun = || {
        Script::stream()
            .event(canned::role(0))
            .event(canned::text("Hel"))
    };
    upstream.answer("breaks", begun().close());
    upstream.answer("stalls", begun().stall());
    let file = format!(
        "[[upstreams]]\nname = \"one\"\nurl = \"{}\"\nbreaker = \"off\"\n",
        upstream.url()
    );
    let instance = instance(deployment)
        .file(&file)
        .setting("RETRY_ATTEMPTS", &ATTEMPTS.to_string())
        .start()
        .await;

    let instance = std::sync::Arc::new(instance);
    let mut running = JoinSet::new();
    let mut send = |model: &'static str, count: u64, is_streamed: Option<bool>, expected: u16| {
        for number in 0..count {
            let instance = std::sync::Arc::clone(&instance);
            let is_streamed = is_streamed.unwrap_or(number % 2 == 0);
            running.spawn(async move {
                assert_eq!(chat(&instance, model, is_streamed).await, expected);
            });
        }
    };
    send(MODEL, ANSWERED, None, 200);
    send("fails", FAILED, None, 502);
    send("breaks", BROKEN, Some(true), 200);
    send("nobodys", REJECTED, None, 404);
    for _ in 0..CANCELLED {
        let instance = std::sync::Arc::clone(&instance);
        running.spawn(async move {
            let mut client = instance.client().await;
            let request = Request::chat(canned::ask_model("stalls", true));
            client.send(&request).await;
            client.head().await;
            client.body_until("Hel").await;
            client.leave();
        });
    }
    running.join_all().await;

    let requests = ANSWERED + FAILED + BROKEN + REJECTED + CANCELLED;
    let expected = [requests, FAILED + BROKEN, REJECTED, CANCELLED];
    let is_over = |status: &Value| {
        status["in_flight"] == 0 && status["windows"]["total"]["requests"] == requests
    };
    let status = status_when(&instance, "all chats to be counted", is_over).await;
    check(&status, expected);
    for window in ["minute", "hour", "day", "month"] {
        assert_eq!(counts(&status["windows"][window]), expected, "{window}");
    }
    let timeline = shown(&instance, "/status?timeline=hour").await;
    let points = timeline["timeline"].as_array().expect("points");
    let in_points: u64 = points
        .iter()
        .map(|point| counts(&point["figures"])[0])
        .sum();
    assert_eq!((points.len(), in_points), (60, requests));

    let instance = std::sync::Arc::into_inner(instance).expect("nobody else has it");
    let instance = instance.stop().await.start_again().await;
    check(&shown(&instance, "/status").await, expected);
}

/// Checks the figures of all chats, of the models, the upstream, its credential and the key.
fn check(status: &Value, expected: [u64; 4]) {
    let total = &status["windows"]["total"];
    assert_eq!(counts(total), expected);
    assert_eq!(
        total["errors_by_code"],
        json!({"upstream_error": FAILED + BROKEN})
    );
    let model = |name| counts(&named(&status["models"], "id", name)["windows"]["total"]);
    assert_eq!(model(MODEL), [ANSWERED, 0, 0, 0]);
    assert_eq!(model("fails"), [FAILED, FAILED, 0, 0]);
    assert_eq!(model("breaks"), [BROKEN, BROKEN, 0, 0]);
    assert_eq!(model("stalls"), [CANCELLED, 0, 0, CANCELLED]);
    assert_eq!(model("_other"), [REJECTED, 0, REJECTED, 0]);

    // Each failed chat was tried as often as it may be.
    let attempts = ANSWERED + ATTEMPTS * FAILED + BROKEN + CANCELLED;
    let of_attempts = [attempts, ATTEMPTS * FAILED + BROKEN, 0, CANCELLED];
    let upstream = named(&status["upstreams"], "name", "one");
    assert_eq!(counts(&upstream["windows"]["total"]), of_attempts);
    let cookies = status["cookies"].as_array().expect("a list");
    assert_eq!(cookies.len(), 1);
    assert_eq!(counts(&cookies[0]["windows"]["total"]), of_attempts);
    let key = named(&status["keys"], "id", "anonymous");
    assert_eq!(counts(&key["windows"]["total"]), expected);

    let tokens = &named(&status["models"], "id", MODEL)["windows"]["total"]["tokens"];
    assert_eq!(
        *tokens,
        json!({"input": 11 * ANSWERED, "output": 2 * ANSWERED, "estimated": 0})
    );
}

async fn a_killed_process_has_forgotten_five_seconds_at_most(deployment: Deployment) {
    let upstream = ScriptedUpstream::start(&[MODEL, "slow"]).await;
    upstream.answer(MODEL, canned::stream_text(&["Hello"]));
    let slow = Script::stream()
        .event(canned::role(0))
        .event(canned::text("Hel"))
        .pause(Duration::from_secs(5))
        .event(canned::finish(0, "stop"))
        .done();
    upstream.answer("slow", slow);
    let instance = instance(deployment)
        .setting("UPSTREAM_URL", &upstream.url())
        .start()
        .await;
    for _ in 0..30 {
        assert_eq!(chat(&instance, MODEL, false).await, 200);
    }
    assert_eq!(chat(&instance, "slow", true).await, 200);

    let instance = instance.kill().await.start_again().await;
    let status = shown(&instance, "/status").await;
    let total = counts(&status["windows"]["total"]);
    assert!((30..=31).contains(&total[0]), "{total:?}");
}
