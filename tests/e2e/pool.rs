//! Many keys behind one endpoint: the dead, the limited and the failing cost nobody an answer.

use std::{collections::BTreeMap, sync::Arc};

use llm2api_test_support::{Deployment, Request, Script, within};
use serde_json::json;
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    canned,
    stage::{MODEL, Stage},
    upstream_errors::verdict,
};

both_deployments! {
    a_thousand_chats_are_answered_evenly_by_the_healthy_keys,
    nine_dead_keys_before_the_live_one_cost_no_answer,
    a_limited_pool_tells_when_to_come_back,
    a_key_that_is_accepted_again_comes_back_by_itself,
    what_clients_do_changes_no_state,
    a_request_waits_for_a_busy_key,
}

/// Chats that are under way at once.
const AT_ONCE: usize = 100;

fn keys(count: usize) -> String {
    let keys: Vec<String> = (0..count).map(key).collect();
    keys.join("||")
}

fn key(number: usize) -> String {
    format!("sk-key-{number}")
}

/// How many requests came with each key.
fn by_key(requests: &[Arc<llm2api_test_support::RecordedRequest>]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in requests {
        let key = request.bearer_key().expect("each has a key");
        *counts.entry(key).or_default() += 1;
    }
    counts
}

/// Sends so many chats, and checks that each is answered.
async fn chats(stage: &Arc<Stage>, count: usize) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for number in 0..count {
        let (stage, places) = (Arc::clone(stage), Arc::clone(&places));
        running.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            let answer = stage.instance.chat(canned::ask(number % 2 == 0)).await;
            if number % 2 == 0 {
                let choices = canned::choices(&answer.body);
                assert_eq!(canned::content(&choices, 0), "Hello");
            } else {
                assert_eq!(answer.json()["choices"][0]["message"]["content"], "Hello");
            }
        });
    }
    let all = async {
        while let Some(answered) = running.join_next().await {
            answered.unwrap();
        }
    };
    within("all chats to be answered", all).await;
}

async fn a_thousand_chats_are_answered_evenly_by_the_healthy_keys(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("COOKIES", &keys(10))]).await;
    let (dead, limited, failing) = ([2, 5, 8], [1, 7], 4);
    stage
        .upstream
        .answer(MODEL, canned::stream_text(&["Hel", "lo"]));
    for number in dead {
        stage.upstream.refuse_key(&key(number));
    }
    for number in limited {
        let script = Script::json(429, r#"{"error":{"message":"slow down"}}"#);
        stage
            .upstream
            .answer_key(&key(number), script.header("Retry-After", "600"));
    }
    let dies = Script::stream().event(canned::role(0)).close();
    stage.upstream.answer_key(&key(failing), dies);

    let stage = Arc::new(stage);
    chats(&stage, 200).await;
    let early = by_key(&stage.upstream.chats());
    chats(&stage, 800).await;
    let counts = by_key(&stage.upstream.chats());

    for number in dead.into_iter().chain(limited) {
        let key = key(number);
        assert_eq!(counts[&key], early[&key], "{key} is left alone");
    }
    let healthy: Vec<usize> = [0, 3, 6, 9].map(|number| counts[&key(number)]).into();
    assert_eq!(healthy.iter().sum::<usize>(), 1000, "each is answered once");
    let (least, most) = (healthy.iter().min().unwrap(), healthy.iter().max().unwrap());
    assert!(*most * 10 <= *least * 11, "{counts:?}");
    let checks = by_key(
        &stage
            .upstream
            .other_requests()
            .into_iter()
            .filter(|request| request.bearer_key().is_some())
            .collect::<Vec<_>>(),
    );
    for number in dead {
        assert_eq!(checks[&key(number)], 1, "{checks:?}");
    }
}

async fn nine_dead_keys_before_the_live_one_cost_no_answer(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("COOKIES", &keys(10)), ("LOG", "debug")]).await;
    for number in 0..9 {
        stage.upstream.refuse_key(&key(number));
    }
    stage
        .upstream
        .answer(MODEL, canned::stream_text(&["Hello"]));
    let answer = stage.instance.chat(canned::ask(false)).await;
    assert_eq!(answer.json()["x_llm2api"], json!({"attempts": 10}));
    let answer = stage.instance.chat(canned::ask(false)).await;
    assert_eq!(answer.json()["x_llm2api"], json!(null));
    assert!(
        !stage.instance.log().contains("sk-key"),
        "the log holds no key"
    );
}

async fn a_limited_pool_tells_when_to_come_back(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("COOKIES", &keys(2))]).await;
    stage
        .upstream
        .answer(MODEL, canned::stream_text(&["Hello"]));
    for seconds in ["4", "3"] {
        let script = Script::json(429, r#"{"error":{"message":"slow down"}}"#);
        stage.upstream.queue(script.header("Retry-After", seconds));
    }
    let asked = std::time::Instant::now();
    let answer = stage.instance.chat(canned::ask(true)).await;
    assert_eq!(answer.header("retry-after"), Some("3"));
    assert_eq!(
        verdict(&answer),
        (
            429,
            json!(["rate_limit_error", null, "rate_limit_exceeded"])
        )
    );
    let back = async { while stage.instance.chat(canned::ask(true)).await.status != 200 {} };
    within("the first key to be back", back).await;
    assert!(
        asked.elapsed().as_secs_f64() >= 2.9,
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(
        stage.upstream.chats().len(),
        3,
        "nobody was asked meanwhile"
    );
}

async fn a_key_that_is_accepted_again_comes_back_by_itself(deployment: Deployment) {
    let settings = [("COOKIES", "sk-key-0"), ("COOKIE_CHECK_INTERVAL", "100ms")];
    let stage = Stage::with(deployment, &settings).await;
    stage
        .upstream
        .answer(MODEL, canned::stream_text(&["Hello"]));
    stage.upstream.refuse_key("sk-key-0");
    for _ in 0..3 {
        let answer = stage.instance.chat(canned::ask(true)).await;
        assert_eq!(
            verdict(&answer),
            (
                503,
                json!(["service_unavailable_error", null, "no_valid_key"])
            )
        );
    }
    assert_eq!(stage.upstream.chats().len(), 1, "it serves nobody");
    stage.upstream.accept_key("sk-key-0");
    let back = async { while stage.instance.chat(canned::ask(true)).await.status != 200 {} };
    within("the key to be back", back).await;
    assert_eq!(stage.upstream.chats().len(), 2);
}

async fn what_clients_do_changes_no_state(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("COOKIES", &keys(3))]).await;
    let refusal = json!({"error": {"message": "too long", "type": "invalid_request_error", "param": "messages", "code": null}});
    stage
        .upstream
        .answer(MODEL, Script::json(400, refusal.to_string()));
    let mut client = stage.instance.client().await;
    for _ in 0..1000 {
        let answer = client.exchange(&Request::chat(canned::ask(true))).await;
        assert_eq!(answer.status, 400);
    }
    stage.upstream.answer(MODEL, Script::silence());
    for number in 0..200 {
        let mut client = stage.instance.client().await;
        client.send(&Request::chat(canned::ask(true))).await;
        stage.upstream.has_chats(1000 + number + 1).await;
        client.leave();
    }
    stage
        .upstream
        .answer(MODEL, canned::stream_text(&["Hello"]));
    let before = stage.upstream.chats().len();
    for _ in 0..3 {
        assert_eq!(stage.instance.chat(canned::ask(true)).await.status, 200);
    }
    assert_eq!(
        by_key(&stage.upstream.chats()[before..]).len(),
        3,
        "all three answer"
    );
    let log = stage.instance.log();
    for state in [
        "credential refused",
        "credential cools down",
        "upstream keeps failing",
    ] {
        assert!(!log.contains(state), "{state}");
    }
}

async fn a_request_waits_for_a_busy_key(deployment: Deployment) {
    let settings = [
        ("COOKIES", "sk-key-0"),
        ("COOKIE_CONCURRENCY", "1"),
        ("LEASE_WAIT", "20s"),
    ];
    let stage = Arc::new(Stage::with(deployment, &settings).await);
    stage
        .upstream
        .answer(MODEL, canned::stream_text(&["Hel", "lo"]));
    chats(&stage, 20).await;
    assert_eq!(stage.upstream.chats().len(), 20);
}
