//! Many sessions behind one endpoint: the dead, the limited and the failing cost nobody an answer.

use std::{collections::BTreeMap, sync::Arc};

use llm2api_test_support::{
    Deployment, ScriptedChatUi,
    llm2api::Starting,
    scripted_chat_ui::{Family, Reply, Session, Setup},
    within,
};
use tokio::{sync::Semaphore, task::JoinSet};

use super::{FAMILIES, Stage, text};
use crate::{
    canned,
    stage::{MODEL, instance},
    upstream_errors::verdict,
};

both_deployments! {
    a_thousand_chats_are_answered_evenly_by_the_healthy_sessions,
    sessions_with_two_chats_each_share_a_thousand_evenly,
    nine_dead_sessions_before_the_live_one_cost_no_answer,
    sessions_that_are_limited_together_cool_all_where_nobody_is_let_in,
}

/// Chats that are under way at once.
const AT_ONCE: usize = 100;

fn cookie(number: usize) -> String {
    format!("{number:08x}-1111-4222-8333-444455556666")
}

/// A chat-ui with login, and an instance with ten sessions there, which have all been accepted.
async fn ten_sessions(instance: Starting, family: Family) -> Stage {
    let cookies: Vec<String> = (0..10)
        .map(|number| format!("\"{}\"", cookie(number)))
        .collect();
    let setup = Setup {
        has_login: true,
        ..Setup::new(family, MODEL)
    };
    let keys = format!("cookies = [{}]", cookies.join(", "));
    let site = ScriptedChatUi::start(setup).await;
    for number in 0..10 {
        site.session(&cookie(number), Session::Valid);
    }
    let stage = Stage::at(site, instance, &keys).await;
    stage
        .cookies_are("valid", |all| {
            all.iter().all(|cookie| cookie["state"] == "valid")
        })
        .await;
    stage
}

async fn a_thousand_chats_are_answered_evenly_by_the_healthy_sessions(deployment: Deployment) {
    let instance = instance(deployment).setting("COOKIE_CONCURRENCY", "100");
    let too_fast = Reply::started().error("429 slow down", Some(429));
    share_a_thousand_chats(instance, |site, number| {
        site.answer_session(&cookie(number), too_fast.clone());
    })
    .await;
}

async fn sessions_with_two_chats_each_share_a_thousand_evenly(deployment: Deployment) {
    let instance = instance(deployment).setting("LEASE_WAIT", "30s");
    share_a_thousand_chats(instance, |site, number| {
        site.limit_session(&cookie(number), 0);
    })
    .await;
}

/// Of ten sessions three have died, two are limited in this way, and one dies before its first token.
async fn share_a_thousand_chats(instance: Starting, limit: impl Fn(&ScriptedChatUi, usize)) {
    let (dead, limited, failing) = ([2, 5, 8], [1, 7], 4);
    let stage = ten_sessions(instance, Family::New).await;
    let probes = dead.map(|number| stage.site.probes(&cookie(number)));
    for number in dead {
        stage.site.session(&cookie(number), Session::Expired);
    }
    for number in limited {
        limit(&stage.site, number);
    }
    let dies = Reply::started().keep_alive().close();
    stage.site.answer_session(&cookie(failing), dies);

    let stage = Arc::new(stage);
    chats(&stage, 200).await;
    let refusals = dead.map(|number| stage.site.refusals(&cookie(number)));
    let early = by_session(&stage);
    chats(&stage, 800).await;

    let counts = by_session(&stage);
    for (at, number) in dead.into_iter().enumerate() {
        let cookie = cookie(number);
        assert_eq!(stage.site.refusals(&cookie), refusals[at], "{cookie}");
        assert_eq!(stage.site.probes(&cookie), probes[at] + 1, "checked once");
    }
    for number in limited {
        let cookie = cookie(number);
        assert_eq!(counts[&cookie], early[&cookie], "{cookie} is left alone");
    }
    let healthy: Vec<usize> = [0, 3, 6, 9].map(|number| counts[&cookie(number)]).into();
    assert_eq!(healthy.iter().sum::<usize>(), 1000, "each is answered once");
    let (least, most) = (healthy.iter().min().unwrap(), healthy.iter().max().unwrap());
    assert!(*most * 10 <= *least * 11, "{counts:?}");
    stage.site.has_deleted(counts.values().sum()).await;
    let mut states: Vec<String> = Vec::new();
    for cookie in stage.cookies().await {
        states.push(cookie["state"].as_str().unwrap().to_owned());
    }
    states.sort_unstable();
    let expected = [["cooling"; 2].as_slice(), &["invalid"; 3], &["valid"; 5]].concat();
    assert_eq!(states, expected);
}

async fn nine_dead_sessions_before_the_live_one_cost_no_answer(deployment: Deployment) {
    for family in FAMILIES {
        let stage = ten_sessions(instance(deployment), family).await;
        for number in 0..9 {
            stage.site.session(&cookie(number), Session::Expired);
        }
        let answer = stage.say_hello(false).await;
        assert_eq!(text(&answer), "Hello", "{family:?}");
        assert_eq!(answer.json()["x_llm2api"]["attempts"], 10, "{family:?}");
        let answer = stage.say_hello(false).await;
        assert_eq!(answer.json()["x_llm2api"].get("attempts"), None);
    }
}

async fn sessions_that_are_limited_together_cool_all_where_nobody_is_let_in(
    deployment: Deployment,
) {
    let stage = ten_sessions(instance(deployment), Family::New).await;
    for number in 0..10 {
        stage.site.limit_session(&cookie(number), 0);
    }
    for _ in 0..2 {
        let (status, error) = verdict(&stage.say_hello(true).await);
        assert_eq!((status, &error[2]), (429, &"rate_limit_exceeded".into()));
    }
    assert_eq!(by_session(&stage).len(), 2, "the others were not asked");
}

/// Sends so many chats, and checks that each is answered.
async fn chats(stage: &Arc<Stage>, count: usize) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for number in 0..count {
        let (stage, places) = (Arc::clone(stage), Arc::clone(&places));
        running.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            let stream = number % 2 == 0;
            let answer = stage.say_hello(stream).await;
            if stream {
                let choices = canned::choices(&answer.body);
                assert_eq!(canned::content(&choices, 0), "Hello");
            } else {
                assert_eq!(text(&answer), "Hello");
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

/// How many conversations each session made.
fn by_session(stage: &Stage) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for conversation in stage.site.conversations() {
        *counts.entry(conversation.cookie).or_default() += 1;
    }
    counts
}
