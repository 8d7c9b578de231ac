//! A process that is killed with `kill -9`, and started again on its state.

use std::{collections::BTreeMap, sync::Arc};

use llm2api_test_support::{
    Deployment, Llm2Api, RawClient, Request, Signal,
    scripted_chat_ui::{Family, Reply, Session, Setup},
    within,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{FAMILIES, Stage, cookies, hello, request};
use crate::stage::{MODEL, instance};

both_deployments! {
    conversations_of_a_killed_process_are_stopped_and_deleted,
    deletions_that_failed_before_a_kill_are_made_up_for,
    acknowledged_cookies_survive_with_their_state_and_rejected_ones_never_come,
}

/// Chats that are under way when the process is killed.
const CHATS: usize = 20;

fn cookie(number: usize) -> String {
    format!("{number:08x}-5555-4666-8777-888899990000")
}

async fn conversations_of_a_killed_process_are_stopped_and_deleted(deployment: Deployment) {
    for family in FAMILIES {
        let instance = instance(deployment).setting("COOKIE_CONCURRENCY", "20");
        let stage = Stage::start(instance, Setup::new(family, MODEL), "").await;
        stage.site.answer(Reply::started().token("Hello").think());
        let mut clients: Vec<RawClient> = Vec::new();
        for number in 0..CHATS {
            let mut client = stage.instance.client().await;
            let is_streamed = number % 2 == 0;
            let request = Request::chat(request(is_streamed, hello()));
            client.send(&request).await;
            clients.push(client);
        }
        for number in 0..CHATS {
            let asked = stage
                .site
                .conversation(number, "asked", |one| one.message.is_some());
            asked.await;
        }

        let Stage { site, instance } = stage;
        let killed = instance.kill().await;
        let open = site.conversations();
        assert!(open.iter().all(|one| one.deleted_at.is_none()));
        let _again = killed.start_again().await;

        site.has_deleted(CHATS).await;
        for one in site.conversations() {
            assert!(one.stopped_at < one.deleted_at, "{one:?}");
            assert!(one.stopped_at.is_some(), "{one:?}");
        }
    }
}

async fn deletions_that_failed_before_a_kill_are_made_up_for(deployment: Deployment) {
    let stage = Stage::new(deployment, Family::New).await;
    stage.site.fail_deletions(1);
    assert_eq!(stage.say_hello(false).await.status, 200);
    within("a deletion to fail", async {
        while stage.site.failing_deletions() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let Stage { site, instance } = stage;
    let _again = instance.kill().await.start_again().await;
    site.has_deleted(1).await;
}

/// Adds a cookie, and tells what was answered.
async fn add(instance: &Llm2Api, cookie: &str) -> (u16, Value) {
    let body = json!({"cookie": cookie}).to_string();
    let answer = instance
        .administer(Request::post_json("/cookie/add", body))
        .await;
    (answer.status, answer.json())
}

/// What an administrator sees of each cookie that must not change by a kill, by id.
fn lasting(cookies: &[Value]) -> BTreeMap<String, Value> {
    let lasting = |cookie: &Value| {
        let lasting = ["preview", "label", "state", "reason", "added_at"];
        let shown = lasting.map(|name| cookie[name].clone());
        (cookie["id"].as_str().unwrap().to_owned(), json!(shown))
    };
    cookies.iter().map(lasting).collect()
}

async fn acknowledged_cookies_survive_with_their_state_and_rejected_ones_never_come(
    deployment: Deployment,
) {
    let setup = Setup {
        has_login: true,
        ..Setup::new(Family::New, MODEL)
    };
    let stage = Stage::start(instance(deployment), setup, "").await;
    for number in 0..1000 {
        // Each third is known to nobody.
        if number % 3 > 0 {
            stage.site.session(&cookie(number), Session::Valid);
        }
    }
    // One is disabled, one cools, one is dead.
    let (_, disabled) = add(&stage.instance, &cookie(1)).await;
    let path = format!("/cookies/{}", disabled["id"].as_str().unwrap());
    let change = Request::new("PATCH", &path)
        .header("Content-Type", "application/json")
        .body(r#"{"disabled":true,"label":"Jane's"}"#);
    assert_eq!(stage.instance.administer(change).await.status, 200);
    assert_eq!(add(&stage.instance, &cookie(2)).await.0, 200);
    stage.site.limit_session(&cookie(2), 0);
    assert_eq!(stage.say_hello(true).await.status, 429);
    assert_eq!(add(&stage.instance, &cookie(4)).await.0, 200);
    stage.site.session(&cookie(4), Session::Expired);
    assert_eq!(stage.say_hello(true).await.status, 429);
    let states = ["disabled", "cooling", "invalid"];
    let special = stage.cookies().await;
    let told: Vec<_> = special.iter().map(|cookie| &cookie["state"]).collect();
    assert_eq!(told, states);

    let Stage { site, instance } = stage;
    let running = Arc::new(instance);
    let enough = Signal::new();
    let mut adding = JoinSet::new();
    for worker in 0..4 {
        let (instance, enough) = (Arc::clone(&running), enough.clone());
        adding.spawn(async move {
            let mut acknowledged = Vec::new();
            for number in (5 + worker..1000).step_by(4) {
                let body = json!({"cookie": cookie(number), "label": number.to_string()});
                let request = Request::post_json("/cookie/add", body.to_string());
                let answer = tokio::select! {
                    answer = instance.administer(request) => answer,
                    () = enough.opened() => break,
                };
                let expected = if number % 3 == 0 { 400 } else { 200 };
                assert_eq!(answer.status, expected, "{:?}", answer.text());
                if answer.status == 200 {
                    acknowledged.push(answer.json());
                }
            }
            acknowledged
        });
    }
    within("many to be added", async {
        while cookies(&running).await.len() < 40 {}
    })
    .await;
    enough.open();
    let mut acknowledged = special;
    while let Some(added) = adding.join_next().await {
        acknowledged.extend(added.unwrap());
    }
    let instance = Arc::into_inner(running).expect("all have ended");
    // In the middle of those additions that nobody waits for any more.
    let again = instance.kill().await.start_again().await;

    let after = lasting(&cookies(&again).await);
    for (id, cookie) in lasting(&acknowledged) {
        assert_eq!(after.get(&id), Some(&cookie), "{id}");
    }
    for cookie in after.values() {
        let number = cookie[1].as_str().and_then(|label| label.parse().ok());
        let is_rejected = number.is_some_and(|number: usize| number.is_multiple_of(3));
        assert!(!is_rejected, "{cookie}");
    }
    drop(site);
}
