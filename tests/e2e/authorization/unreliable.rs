//! Authorities that are away, or give answers that are none.

use bytes::Bytes;
use llm2api_test_support::{Deployment, Llm2Api, Script, ScriptedUpstream, within};
use serde_json::{Value, json};

use super::{call, comes_to, refuses_clients, serves_clients, upstream};
use crate::stage::instance;

const CODE: &str = "opaque-code-of-the-tests";

fn says(answer: &Value) -> Script {
    Script::json(200, answer.to_string())
}

fn good() -> Script {
    says(&json!({"active": true, "sub": "test", "aud": "llm2api", "exp": 4_000_000_000_u64}))
}

/// An instance that asks this authority every second, by a path with a query.
async fn subject(authority: &ScriptedUpstream, upstream: &ScriptedUpstream) -> Llm2Api {
    instance(Deployment::Serve)
        .setting("UPSTREAM_URL", &upstream.url())
        .setting("AUTH_CODE", CODE)
        .setting(
            "AUTH_INTROSPECTION_URL",
            &format!("http://{}/introspect?realm=x", authority.address()),
        )
        .setting("AUTH_INTROSPECTION_KEY", "key-of-the-subject")
        .setting("AUTH_CHECK_INTERVAL", "1s")
        .start()
        .await
}

async fn message(instance: &Llm2Api) -> String {
    let shown = call(instance, "GetAuthorization", json!({})).await;
    shown["authorization"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_is_asked_as_rfc_7662_says() {
    let (authority, upstream) = (ScriptedUpstream::start(&[]).await, upstream().await);
    authority.answer_others(good());
    let instance = subject(&authority, &upstream).await;
    serves_clients(&instance).await;
    let asked = &authority.other_requests()[0];
    assert_eq!(asked.path, "/introspect?realm=x");
    assert_eq!(asked.body, Bytes::from(format!("token={CODE}")));
    assert_eq!(
        asked.head.header("authorization"),
        Some("Bearer key-of-the-subject")
    );
    assert_eq!(
        asked.head.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(asked.head.header("accept"), Some("application/json"));
    for secret in [CODE, "key-of-the-subject"] {
        assert!(!instance.log().contains(secret));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_is_away_at_the_first_start_lets_nobody_in_until_it_answers() {
    let (authority, upstream) = (ScriptedUpstream::start(&[]).await, upstream().await);
    authority.answer_others(Script::reset_at_once());
    let instance = subject(&authority, &upstream).await;
    comes_to(&instance, ("invalid", "authority_unreachable")).await;
    refuses_clients(&instance).await;
    authority.answer_others(good());
    comes_to(&instance, ("valid", "")).await;
    serves_clients(&instance).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_none_is_not_believed() {
    let (authority, upstream) = (ScriptedUpstream::start(&[]).await, upstream().await);
    let elsewhere = ScriptedUpstream::start(&[]).await;
    elsewhere.answer_others(good());
    authority.answer_others(Script::json(500, "{}"));
    let instance = subject(&authority, &upstream).await;
    let active = r#"{"active":true,"aud":"llm2api","exp":4000000000}"#;
    let huge = format!("{}{active}", " ".repeat(80_000));
    let redirect = Script::answer(307, "application/json", active).header(
        "Location",
        &format!("http://{}/introspect", elsewhere.address()),
    );
    for (script, why) in [
        (Script::answer(200, "text/html", active), "not said to be JSON"),
        (Script::answer(200, "text/plain", active), "not said to be JSON"),
        (Script::json(200, huge), "more than 64 KiB"),
        (redirect, "redirects (307)"),
        (Script::json(401, active), "check AUTH_INTROSPECTION_KEY"),
        (Script::json(503, active), "failed (503)"),
        (Script::json(201, active), "failed (201)"),
        (Script::json(200, "[]"), "none of RFC 7662"),
        (says(&json!({"active": "true", "aud": "llm2api"})), "none of RFC 7662"),
        (says(&json!({"aud": "llm2api"})), "none of RFC 7662"),
        (Script::raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{\"active\":").close(), "broke off"),
    ] {
        authority.answer_others(script);
        let told = async {
            while !message(&instance).await.contains(why) {
                tokio::task::yield_now().await;
            }
        };
        within(why, told).await;
        refuses_clients(&instance).await;
    }
    assert_eq!(elsewhere.other_requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_active_code_must_be_for_us_and_good_now() {
    let (authority, upstream) = (ScriptedUpstream::start(&[]).await, upstream().await);
    authority.answer_others(good());
    let instance = subject(&authority, &upstream).await;
    for (answer, reason) in [
        (
            json!({"active": true, "exp": 4_000_000_000_u64}),
            "wrong_audience",
        ),
        (json!({"active": true, "aud": ["other"]}), "wrong_audience"),
        (
            json!({"active": true, "aud": "llm2api", "exp": 1_000}),
            "expired",
        ),
        (
            json!({"active": true, "aud": "llm2api", "nbf": 4_000_000_000_u64}),
            "not_yet_valid",
        ),
        (json!({"active": false, "aud": "llm2api"}), "inactive"),
    ] {
        authority.answer_others(says(&answer));
        comes_to(&instance, ("invalid", reason)).await;
        refuses_clients(&instance).await;
    }
    // It need not say when it ends.
    authority.answer_others(says(&json!({"active": true, "aud": ["other", "llm2api"]})));
    comes_to(&instance, ("valid", "")).await;
    serves_clients(&instance).await;
}
