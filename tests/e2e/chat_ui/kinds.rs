//! An upstream whose kind nobody told.

use llm2api_test_support::{
    Deployment, Script, ScriptedChatUi, ScriptedUpstream,
    scripted_chat_ui::{Session, Setup},
};

use super::{FAMILIES, text};
use crate::{
    canned,
    stage::{MODEL, instance},
};

both_deployments! {
    a_chat_ui_is_known_by_its_answers,
    an_openai_server_is_known_too,
    a_server_that_fails_at_the_question_is_asked_the_usual_way,
}

const COOKIE: &str = "0f9c2d6e-1111-4222-8333-444455556666";

async fn a_chat_ui_is_known_by_its_answers(deployment: Deployment) {
    for family in FAMILIES {
        for has_automatic_login in [false, true] {
            let site = ScriptedChatUi::start(Setup {
                has_login: true,
                has_automatic_login,
                ..Setup::new(family, MODEL)
            })
            .await;
            site.session(COOKIE, Session::Valid);
            let file = format!(
                "[[upstreams]]\nname = \"chat\"\nurl = \"{}\"\ncookies = [\"{COOKIE}\"]\n",
                site.url()
            );
            let instance = instance(deployment).file(&file).start().await;
            let answer = instance.chat(canned::ask(false)).await;
            assert_eq!(text(&answer), "Hello", "{family:?} {has_automatic_login}");
            site.has_deleted(1).await;
        }
    }
}

async fn an_openai_server_is_known_too(deployment: Deployment) {
    let upstream = ScriptedUpstream::start(&[MODEL]).await;
    upstream.answer(MODEL, canned::stream_text(&["Hello"]));
    let url = upstream.url();
    let instance = instance(deployment)
        .setting("UPSTREAM_URL", url.strip_suffix("/v1").unwrap())
        .start()
        .await;
    let answer = instance.chat(canned::ask(false)).await;
    assert_eq!(text(&answer), "Hello");
    let path = "/conversation/000000000000000000000000/stop-generating";
    let asked = upstream.other_requests();
    let questions = asked.iter().filter(|request| request.path == path).count();
    assert_eq!(questions, 1, "it is asked once");
}

async fn a_server_that_fails_at_the_question_is_asked_the_usual_way(deployment: Deployment) {
    let endless = Script::stream().event("{}").stall();
    for answer in [Script::json(503, "{}"), Script::reset_at_once(), endless] {
        let upstream = ScriptedUpstream::start(&[MODEL]).await;
        upstream.answer(MODEL, canned::stream_text(&["Hello"]));
        upstream.answer_others(answer.clone());
        let url = upstream.url();
        let instance = instance(deployment)
            .setting("UPSTREAM_URL", url.strip_suffix("/v1").unwrap())
            .start()
            .await;
        let said = instance.chat(canned::ask(false)).await;
        assert_eq!(text(&said), "Hello", "{answer:?}");
    }
}
