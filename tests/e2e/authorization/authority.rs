//! One instance as the authority of another.

use llm2api_test_support::{Deployment, Request, Script, Signal, within};
use serde_json::json;
use tempfile::TempDir;

use super::{Authority, comes_to, refuses_clients, serves_clients, state, upstream};
use crate::{
    canned,
    stage::{MODEL, instance},
};

both_deployments! {
    a_revoked_code_stops_clients_within_an_interval_and_no_running_stream,
    another_code_is_taken_over_without_a_restart,
    without_a_code_clients_are_refused_and_all_else_goes_on,
}

async fn a_revoked_code_stops_clients_within_an_interval_and_no_running_stream(
    deployment: Deployment,
) {
    let authority = Authority::start().await;
    let issued = authority.issue(json!({"subject": "test"})).await;
    let upstream = upstream().await;
    let subject = authority.subject(deployment, &upstream, &issued.code);
    let instance = subject.start().await;
    serves_clients(&instance).await;

    let go_on = Signal::new();
    let slow = Script::stream()
        .event(canned::role(0))
        .event(canned::text("begun"))
        .wait_for(&go_on)
        .event(canned::text("ended"))
        .event(canned::finish(0, "stop"))
        .done();
    upstream.answer(MODEL, slow);
    let mut client = instance.client().await;
    client.send(&Request::chat(canned::ask(true))).await;
    client.head().await;
    client.body_until("begun").await;

    authority.revoke(&issued, false).await;
    comes_to(&instance, ("invalid", "inactive")).await;
    refuses_clients(&instance).await;
    go_on.open();
    client.body_until("ended").await;
    let rest = client.body().await;
    assert!(rest.ends_with(b"data: [DONE]\n\n"), "{rest:?}");

    upstream.answer(MODEL, canned::stream_text(&["Hello"]));
    authority.revoke(&issued, true).await;
    comes_to(&instance, ("valid", "")).await;
    serves_clients(&instance).await;
}

async fn another_code_is_taken_over_without_a_restart(deployment: Deployment) {
    let authority = Authority::start().await;
    let first = authority.issue(json!({"subject": "first"})).await;
    let second = authority.issue(json!({"subject": "second"})).await;
    let upstream = upstream().await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("code");
    std::fs::write(&file, &first.code).unwrap();
    let instance = instance(deployment)
        .setting("UPSTREAM_URL", &upstream.url())
        .setting("AUTH_CODE_FILE", file.to_str().unwrap())
        .setting("AUTH_PUBLIC_KEY", &authority.public_key().await)
        .setting("AUTH_INTROSPECTION_URL", &authority.url())
        .setting(
            "AUTH_INTROSPECTION_KEY",
            llm2api_test_support::llm2api::ADMIN_KEY,
        )
        .setting("AUTH_CHECK_INTERVAL", "1s")
        .start()
        .await;
    serves_clients(&instance).await;
    authority.revoke(&first, false).await;
    comes_to(&instance, ("invalid", "inactive")).await;
    refuses_clients(&instance).await;

    std::fs::write(&file, &second.code).unwrap();
    instance.core_process().hang_up();
    comes_to(&instance, ("valid", "")).await;
    serves_clients(&instance).await;
}

async fn without_a_code_clients_are_refused_and_all_else_goes_on(deployment: Deployment) {
    let authority = Authority::start().await;
    let upstream = upstream().await;
    let instance = instance(deployment)
        .setting("UPSTREAM_URL", &upstream.url())
        .setting("AUTH_PUBLIC_KEY", &authority.public_key().await)
        .start()
        .await;
    assert_eq!(state(&instance).await, ("invalid".into(), "no_code".into()));
    refuses_clients(&instance).await;
    // Before the body is looked at.
    let refused = instance.chat("no JSON").await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    instance.core_process().logs("clients are refused").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_is_asked_by_a_key_that_may_and_by_no_other() {
    let authority = Authority::start().await;
    let issued = authority.issue(json!({"subject": "test"})).await;
    let upstream = upstream().await;
    for (may_ask, expected) in [
        (true, ("valid", "")),
        (false, ("invalid", "authority_unreachable")),
    ] {
        let body = json!({"label": "subject", "introspection": may_ask}).to_string();
        let made = Request::post_json("/keys", body);
        let made = authority.instance.administer(made).await.json();
        let subject = authority.subject(Deployment::Serve, &upstream, &issued.code);
        let subject = subject.setting("AUTH_INTROSPECTION_KEY", made["key"].as_str().unwrap());
        comes_to(&subject.start().await, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_must_agree_where_both_are_set() {
    let (authority, other) = (Authority::start().await, Authority::start().await);
    let issued = authority.issue(json!({"subject": "test"})).await;
    let upstream = upstream().await;
    let start = async |key: String| {
        let subject = authority.subject(Deployment::Serve, &upstream, &issued.code);
        subject.setting("AUTH_PUBLIC_KEY", &key).start().await
    };
    let agreed = start(authority.public_key().await).await;
    assert_eq!(state(&agreed).await, ("valid".into(), String::new()));
    authority.revoke(&issued, false).await;
    comes_to(&agreed, ("invalid", "inactive")).await;
    let disputed = start(other.public_key().await).await;
    let refused = ("invalid".into(), "wrong_signature".into());
    assert_eq!(state(&disputed).await, refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_good_answer_holds_while_the_authority_is_away_over_a_restart_too() {
    let authority = Authority::start().await;
    let issued = authority.issue(json!({"subject": "test"})).await;
    let upstream = upstream().await;
    let subject = authority.subject(Deployment::Serve, &upstream, &issued.code);
    let subject = subject.start().await;
    serves_clients(&subject).await;

    let away = authority.instance.kill().await;
    comes_to(&subject, ("grace", "authority_unreachable")).await;
    serves_clients(&subject).await;
    let subject = subject.kill().await.start_again().await;
    comes_to(&subject, ("grace", "authority_unreachable")).await;
    serves_clients(&subject).await;
    drop(away);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grace_ends() {
    let authority = Authority::start().await;
    let issued = authority.issue(json!({"subject": "test"})).await;
    let upstream = upstream().await;
    let subject = authority.subject(Deployment::Serve, &upstream, &issued.code);
    let subject = subject.setting("AUTH_GRACE", "2s").start().await;
    serves_clients(&subject).await;
    drop(authority);
    comes_to(&subject, ("invalid", "authority_unreachable")).await;
    refuses_clients(&subject).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_runs_out_stops_clients_by_itself() {
    let authority = Authority::start().await;
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    // Good for some seconds more, leeway included; and not checked again meanwhile.
    let begin = format_time(now - 117);
    let order = json!({"subject": "test", "lifetime": "60s", "notBefore": begin});
    let issued = authority.issue(order).await;
    let upstream = upstream().await;
    let instance = instance(Deployment::Serve)
        .setting("UPSTREAM_URL", &upstream.url())
        .setting("AUTH_CODE", &issued.code)
        .setting("AUTH_PUBLIC_KEY", &authority.public_key().await)
        .start()
        .await;
    let over = async {
        loop {
            let answer = instance.chat(canned::ask(false)).await;
            if answer.status == 403 {
                return answer;
            }
        }
    };
    let refused = within("the code to run out", over).await;
    assert_eq!(refused.json()["error"]["code"], "authorization_invalid");
    assert_eq!(state(&instance).await, ("invalid".into(), "expired".into()));
}

/// A time as protobuf's JSON has it.
fn format_time(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap();
    prost_types::Timestamp { seconds, nanos: 0 }.to_string()
}
