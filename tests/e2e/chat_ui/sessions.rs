//! What lets us in at a chat-ui, and how it is seen that it doesn't any more.

use llm2api_test_support::{
    Deployment, ScriptedChatUi,
    scripted_chat_ui::{Family, Session, Setup},
    within,
};
use serde_json::{Value, json};

use super::{FAMILIES, Stage, text};
use crate::{
    stage::{MODEL, instance},
    upstream_errors::verdict,
};

both_deployments! {
    a_session_lets_us_in,
    a_session_that_is_no_more_is_not_the_clients_fault,
    a_session_that_the_server_drops_is_lost,
    a_dead_session_says_why_before_anybody_asks,
    a_session_that_is_accepted_again_comes_back_by_itself,
    the_origin_is_the_one_that_the_server_believes_in,
    no_cookie_is_seen_anywhere,
}

const COOKIE: &str = "0f9c2d6e-1111-4222-8333-444455556666";

fn with_login(family: Family) -> Setup {
    Setup {
        has_login: true,
        ..Setup::new(family, MODEL)
    }
}

async fn a_session_lets_us_in(deployment: Deployment) {
    for family in FAMILIES {
        for (cookie_name, given) in [
            ("hf-chat", COOKIE.to_owned()),
            ("hf-chat", format!("hf-chat={COOKIE}; token=t")),
            ("session", format!("Cookie: token=t; session={COOKIE}")),
            ("session", COOKIE.to_owned()),
        ] {
            let setup = Setup {
                cookie_name: cookie_name.to_owned(),
                ..with_login(family)
            };
            let keys = format!("cookies = [\"{given}\"]\ncookie_name = \"{cookie_name}\"");
            let site = ScriptedChatUi::start(setup).await;
            site.session(COOKIE, Session::Valid);
            let stage = Stage::at(site, instance(deployment), &keys).await;
            assert_eq!(text(&stage.say_hello(false).await), "Hello", "{given}");
            assert_eq!(stage.site.conversations()[0].cookie, COOKIE);
            stage.site.has_deleted(1).await;
        }
    }
}

async fn a_session_that_is_no_more_is_not_the_clients_fault(deployment: Deployment) {
    for family in FAMILIES {
        for has_automatic_login in [false, true] {
            for session in [Session::Expired, Session::Banned] {
                let setup = Setup {
                    has_automatic_login,
                    ..with_login(family)
                };
                let keys = format!("cookies = [\"{COOKIE}\"]");
                let stage = Stage::with(deployment, setup, &keys).await;
                stage.site.session(COOKIE, session);
                assert_eq!(
                    verdict(&stage.say_hello(true).await),
                    (
                        503,
                        json!(["service_unavailable_error", null, "no_valid_cookie"])
                    ),
                    "{family:?} {has_automatic_login} {session:?}"
                );
            }
        }
    }
}

async fn a_session_that_the_server_drops_is_lost(deployment: Deployment) {
    let keys = format!("cookies = [\"{COOKIE}\"]");
    let stage = Stage::with(deployment, with_login(Family::New), &keys).await;
    stage.site.session(COOKIE, Session::Dropped);
    assert_eq!(
        verdict(&stage.say_hello(true).await),
        (
            503,
            json!(["service_unavailable_error", null, "no_valid_cookie"])
        )
    );
}

async fn a_dead_session_says_why_before_anybody_asks(deployment: Deployment) {
    for (session, reason) in [
        (Session::Expired, "expired"),
        (Session::Dropped, "expired"),
        (Session::Banned, "blocked"),
    ] {
        let keys = format!("cookies = [\"{COOKIE}\"]");
        let site = ScriptedChatUi::start(with_login(Family::New)).await;
        site.session(COOKIE, session);
        let stage = Stage::at(site, instance(deployment), &keys).await;
        let is_dead = |cookies: &[Value]| cookies[0]["state"] == "invalid";
        stage.cookies_are("dead", is_dead).await;
        assert_eq!(stage.cookies().await[0]["reason"], reason, "{session:?}");
    }
}

async fn a_session_that_is_accepted_again_comes_back_by_itself(deployment: Deployment) {
    for family in FAMILIES {
        for session in [Session::Expired, Session::Dropped, Session::Banned] {
            let keys = format!("cookies = [\"{COOKIE}\"]");
            let instance = instance(deployment).setting("COOKIE_CHECK_INTERVAL", "100ms");
            let stage = Stage::start(instance, with_login(family), &keys).await;
            stage.site.session(COOKIE, session);
            assert_eq!(stage.say_hello(true).await.status, 503);

            stage.site.session(COOKIE, Session::Valid);

            // A question for the session tells it long before a chat would be tried.
            let answered = async { while stage.say_hello(false).await.status != 200 {} };
            within("an answer", answered).await;
        }
    }
}

async fn the_origin_is_the_one_that_the_server_believes_in(deployment: Deployment) {
    for family in FAMILIES {
        let setup = || Setup {
            public_host: Some("chat.example.org".to_owned()),
            ..Setup::new(family, MODEL)
        };
        let stage = Stage::with(deployment, setup(), "").await;
        let answer = stage.say_hello(true).await;
        assert_eq!(
            verdict(&answer),
            (502, json!(["server_error", null, "upstream_misconfigured"]))
        );
        let message = answer.json()["error"]["message"].to_string();
        assert!(message.contains("set the upstream's `origin`"), "{message}");
        stage.site.has_deleted(1).await;

        let keys = "origin = \"https://chat.example.org\"";
        let stage = Stage::with(deployment, setup(), keys).await;
        assert_eq!(text(&stage.say_hello(false).await), "Hello");
    }
}

async fn no_cookie_is_seen_anywhere(deployment: Deployment) {
    let keys = format!("cookies = [\"hf-chat={COOKIE}; token=secret-token-of-mine\"]");
    let stage = Stage::with(deployment, with_login(Family::New), &keys).await;
    for session in [Session::Valid, Session::Expired] {
        stage.site.session(COOKIE, session);
        let answer = stage.say_hello(true).await;
        for secret in [COOKIE, "secret-token-of-mine"] {
            assert!(!String::from_utf8_lossy(&answer.body).contains(secret));
            assert!(!stage.instance.log().contains(secret));
        }
    }
}
