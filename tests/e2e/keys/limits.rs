//! Limits hold exactly, and are told as OpenAI tells them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use llm2api_test_support::{Answer, Deployment, Ending, Llm2Api, Request, Script, Signal, within};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Made, operate};
use crate::{
    canned,
    stage::{MODEL, Stage},
    upstream_errors::verdict,
};

both_deployments! {
    of_two_hundred_clients_exactly_as_many_are_answered_as_allowed,
    tokens_of_two_hundred_clients_are_never_more_than_allowed,
    limits_are_told_in_headers,
    a_spent_budget_is_not_worth_a_retry,
    a_stream_that_breaks_is_settled_with_what_it_used,
    a_client_that_leaves_is_settled_with_what_it_used,
    a_refused_chat_reserves_nothing,
    what_was_counted_survives_an_orderly_stop,
    what_was_counted_survives_a_kill_but_for_seconds,
}

/// How much of what was counted may be lost, and a moment in which it is written.
const MAY_BE_LOST: Duration = Duration::from_millis(5_500);

/// Clients at once.
const CLIENTS: usize = 200;

/// Has so many clients ask the same at once, and tells what each was answered.
async fn at_once(instance: &Arc<Llm2Api>, key: &Made, body: &str) -> Vec<Answer> {
    let mut clients = JoinSet::new();
    let begin = Signal::new();
    for _ in 0..CLIENTS {
        let request = Request::chat(body.to_owned()).bearer(&key.value);
        let (instance, begin) = (Arc::clone(instance), begin.clone());
        clients.spawn(async move {
            let mut client = instance.client().await;
            begin.opened().await;
            client.exchange(&request).await
        });
    }
    begin.open();
    clients.join_all().await
}

fn limited() -> (u16, Value) {
    (
        429,
        json!(["rate_limit_error", null, "rate_limit_exceeded"]),
    )
}

async fn of_two_hundred_clients_exactly_as_many_are_answered_as_allowed(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage
        .upstream
        .answer(MODEL, canned::stream_text(&["Hello"]));
    let instance = Arc::new(stage.instance);
    let key = Made::with(&instance, json!({"requests_per_minute": 70})).await;
    let answers = at_once(&instance, &key, &canned::ask(true)).await;
    let (answered, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(answered.len(), 70);
    for answer in refused {
        assert_eq!(verdict(answer), limited());
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=61).contains(&wait), "{wait}");
    }
    assert_eq!(stage.upstream.chats().len(), 70);
    let shown = key.shown(&instance).await;
    assert_eq!(
        (&shown["requests"], &shown["output_tokens"]),
        (&json!(70), &json!(140))
    );
}

/// A request that may cost exactly what the upstream says that it did: 11 tokens read, 2 written.
fn exact() -> String {
    json!({
        "model": MODEL, "stream": true, "max_completion_tokens": 2,
        "messages": [{"role": "user", "content": "Say hello now ok"}],
    })
    .to_string()
}

async fn tokens_of_two_hundred_clients_are_never_more_than_allowed(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage
        .upstream
        .answer(MODEL, canned::stream_text(&["Hello"]));
    let instance = Arc::new(stage.instance);
    let key = Made::with(&instance, json!({"tokens_per_day": 13 * 50 + 12})).await;
    let answers = at_once(&instance, &key, &exact()).await;
    let answered = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(answered, 50);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(verdict(answer), limited());
        assert!(answer.header("retry-after").is_some());
    }
    let shown = key.shown(&instance).await;
    assert_eq!(
        (
            &shown["input_tokens"],
            &shown["output_tokens"],
            &shown["tokens_today"]
        ),
        (&json!(550), &json!(100), &json!(650))
    );
}

async fn limits_are_told_in_headers(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage
        .upstream
        .answer(MODEL, canned::stream_text(&["Hello"]));
    let settings = json!({"requests_per_minute": 2, "tokens_total": 1000});
    let key = Made::with(&stage.instance, settings).await;
    let told = |answer: &Answer| {
        [
            "limit-requests",
            "remaining-requests",
            "limit-tokens",
            "remaining-tokens",
        ]
        .map(|name| {
            answer
                .header(&format!("x-ratelimit-{name}"))
                .map(str::to_owned)
        })
        .map(Option::unwrap_or_default)
    };
    let first = key.chat(&stage.instance, exact()).await;
    assert_eq!(told(&first), ["2", "1", "1000", "987"]);
    let reset = first.header("x-ratelimit-reset-requests").unwrap();
    assert!(["1m0s", "1m1s"].contains(&reset), "{reset}");
    assert_eq!(first.header("x-ratelimit-reset-tokens"), None);
    let whole = exact().replace("true", "false");
    let second = key.chat(&stage.instance, whole).await;
    assert_eq!(told(&second), ["2", "0", "1000", "974"]);
    let third = key.chat(&stage.instance, exact()).await;
    assert_eq!(
        (third.status, told(&third)),
        (429, ["2", "0", "1000", "974"].map(str::to_owned))
    );

    let free = Made::with(&stage.instance, json!({})).await;
    let answer = free.chat(&stage.instance, exact()).await;
    assert_eq!(answer.status, 200);
    let has_any = answer
        .head
        .headers
        .iter()
        .any(|(name, _)| name.starts_with("x-ratelimit-"));
    assert!(!has_any, "{:?}", answer.head);
}

async fn a_spent_budget_is_not_worth_a_retry(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage
        .upstream
        .answer(MODEL, canned::stream_text(&["Hello"]));
    let key = Made::with(&stage.instance, json!({"tokens_total": 20})).await;
    assert_eq!(key.chat(&stage.instance, exact()).await.status, 200);
    let spent = key.chat(&stage.instance, exact()).await;
    let expected = json!(["insufficient_quota", null, "insufficient_quota"]);
    assert_eq!(verdict(&spent), (429, expected));
    assert_eq!(
        (spent.header("x-should-retry"), spent.header("retry-after")),
        (Some("false"), None)
    );
    let path = format!("/keys/{}", key.id);
    operate(
        &stage.instance,
        "PATCH",
        &path,
        Some(json!({"tokens_total": 40})),
    )
    .await;
    assert_eq!(key.chat(&stage.instance, exact()).await.status, 200);
}

/// What a key has used and reserved, as soon as that is `tokens`; what is reserved shows in what the next chat may have.
async fn uses(instance: &Llm2Api, key: &Made, tokens: [i64; 2]) {
    let settled = async {
        loop {
            let shown = key.shown(instance).await;
            let used = ["input_tokens", "output_tokens"].map(|name| shown[name].as_i64().unwrap());
            if used == tokens {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    within("the chat to be settled", settled).await;
}

async fn a_stream_that_breaks_is_settled_with_what_it_used(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let script = Script::stream()
        .event(canned::role(0))
        .event(canned::text("twelve bytes"))
        .reset();
    stage.upstream.queue(script);
    let key = Made::with(&stage.instance, json!({"tokens_total": 100})).await;
    let answer = key.chat(&stage.instance, exact()).await;
    assert_eq!(answer.status, 200);
    canned::cut(&answer.body);
    uses(&stage.instance, &key, [11, 3]).await;
    stage.upstream.queue(canned::stream_text(&["Hello"]));
    let next = key.chat(&stage.instance, exact()).await;
    assert_eq!(next.header("x-ratelimit-remaining-tokens"), Some("73"));
}

async fn a_client_that_leaves_is_settled_with_what_it_used(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let script = Script::stream()
        .event(canned::role(0))
        .event(canned::text("twelve bytes"))
        .stall();
    stage.upstream.queue(script);
    let key = Made::with(&stage.instance, json!({"tokens_total": 100})).await;
    let mut client = stage.instance.client().await;
    client
        .send(&Request::chat(exact()).bearer(&key.value))
        .await;
    assert_eq!(client.head().await.0, 200);
    client.body_until("twelve bytes").await;
    client.leave();
    assert_ne!(stage.upstream.chat(0).await.ended().await.1, Ending::Script);
    uses(&stage.instance, &key, [11, 3]).await;
    stage.upstream.queue(canned::stream_text(&["Hello"]));
    let next = key.chat(&stage.instance, exact()).await;
    assert_eq!(next.header("x-ratelimit-remaining-tokens"), Some("73"));
}

async fn a_refused_chat_reserves_nothing(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage.upstream.queue(Script::json(
        400,
        r#"{"error":{"message":"no","type":"invalid_request_error"}}"#,
    ));
    let key = Made::with(&stage.instance, json!({"tokens_total": 100})).await;
    assert_eq!(key.chat(&stage.instance, exact()).await.status, 400);
    stage.upstream.queue(canned::stream_text(&["Hello"]));
    let next = key.chat(&stage.instance, exact()).await;
    assert_eq!(next.header("x-ratelimit-remaining-tokens"), Some("87"));
}

async fn what_was_counted_survives_an_orderly_stop(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("DRAIN_DELAY", "0")]).await;
    stage
        .upstream
        .answer(MODEL, canned::stream_text(&["Hello"]));
    let instance = stage.instance;
    let settings = json!({"requests_per_minute": 3, "tokens_total": 1000});
    let key = Made::with(&instance, settings).await;
    for _ in 0..2 {
        assert_eq!(key.chat(&instance, exact()).await.status, 200);
    }
    let before = key.shown(&instance).await;
    let instance = instance.stop().await.start_again().await;
    assert_eq!(key.shown(&instance).await, before);
    assert_eq!(key.chat(&instance, exact()).await.status, 200);
    assert_eq!(verdict(&key.chat(&instance, exact()).await), limited());
}

async fn what_was_counted_survives_a_kill_but_for_seconds(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage
        .upstream
        .answer(MODEL, canned::stream_text(&["Hello"]));
    let instance = stage.instance;
    let key = Made::with(&instance, json!({"tokens_total": 1_000_000_000})).await;
    assert_eq!(key.chat(&instance, exact()).await.status, 200);
    let begin = Instant::now();
    let mut chats: i64 = 1;
    while begin.elapsed() < MAY_BE_LOST {
        assert_eq!(key.chat(&instance, exact()).await.status, 200);
        chats += 1;
    }
    let instance = instance.kill().await.start_again().await;
    let shown = key.shown(&instance).await;
    let counted = shown["requests"].as_i64().unwrap();
    assert!((1..=chats).contains(&counted), "{counted} of {chats}");
    // A chat that was under way when it was stored had not used anything yet.
    let output = shown["output_tokens"].as_i64().unwrap();
    assert!((2..=2 * counted).contains(&output), "{output} of {counted}");
}
