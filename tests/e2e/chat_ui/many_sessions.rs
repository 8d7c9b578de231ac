//! Many sessions behind one endpoint: the dead, the limited and the failing cost nobody an answer.

use std::{collections::BTreeMap, sync::Arc};

use llm2api_test_support::{
    Deployment, ScriptedChatUi,
    scripted_chat_ui::{Family, Reply, Session, Setup},
    within,
};
use tokio::{sync::Semaphore, task::JoinSet};

use super::{FAMILIES, Stage, text};
use crate::{
    canned,
    stage::{MODEL, instance},
};

both_deployments! {
    a_thousand_chats_are_answered_evenly_by_the_healthy_sessions,
    nine_dead_sessions_before_the_live_one_cost_no_answer,
}

/// Chats that are under way at once.
const AT_ONCE: usize = 100;

fn cookie(number: usize) -> String {
    format!("{number:08x}-1111-4222-8333-444455556666")
}

/// A chat-ui with login, and an instance with ten sessions there, of which these are known.
async fn ten_sessions(deployment: Deployment, family: Family, known: &[usize]) -> Stage {
    let cookies: Vec<String> = (0..10)
        .map(|number| format!("\"{}\"", cookie(number)))
        .collect();
    let setup = Setup {
        has_login: true,
        ..Setup::new(family, MODEL)
    };
    let instance = instance(deployment).setting("COOKIE_CONCURRENCY", "100");
    let keys = format!("cookies = [{}]", cookies.join(", "));
    let site = ScriptedChatUi::start(setup).await;
    for &number in known {
        site.session(&cookie(number), Session::Valid);
    }
    Stage::at(site, instance, &keys).await
}

async fn a_thousand_chats_are_answered_evenly_by_the_healthy_sessions(deployment: Deployment) {
    let (dead, limited, failing) = ([2, 5, 8], 1, 4);
    let stage = ten_sessions(deployment, Family::New, &[0, 1, 3, 4, 6, 7, 9]).await;
    // One alone: two would show that the instance counts by address.
    let slow_down = Reply::started().error("429 slow down", Some(429));
    stage.site.answer_session(&cookie(limited), slow_down);
    let dies = Reply::started().keep_alive().close();
    stage.site.answer_session(&cookie(failing), dies);

    let stage = Arc::new(stage);
    chats(&stage, 200).await;
    let refusals = dead.map(|number| stage.site.refusals(&cookie(number)));
    let early = by_session(&stage);
    chats(&stage, 800).await;

    for (number, refusals) in dead.into_iter().zip(refusals) {
        assert_eq!(stage.site.refusals(&cookie(number)), refusals, "{number}");
    }
    let counts = by_session(&stage);
    let limited = cookie(limited);
    assert_eq!(counts[&limited], early[&limited], "it is left alone");
    let healthy: Vec<usize> = [0, 3, 6, 7, 9].map(|number| counts[&cookie(number)]).into();
    assert_eq!(healthy.iter().sum::<usize>(), 1000, "each is answered once");
    let (least, most) = (healthy.iter().min().unwrap(), healthy.iter().max().unwrap());
    assert!(*most * 10 <= *least * 11, "{counts:?}");
    stage.site.has_deleted(counts.values().sum()).await;
}

async fn nine_dead_sessions_before_the_live_one_cost_no_answer(deployment: Deployment) {
    for family in FAMILIES {
        let stage = ten_sessions(deployment, family, &[9]).await;
        let answer = stage.say_hello(false).await;
        assert_eq!(text(&answer), "Hello", "{family:?}");
        let answer = stage.say_hello(false).await;
        assert_eq!(answer.json()["x_llm2api"].get("attempts"), None);
    }
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
