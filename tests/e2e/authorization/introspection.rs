//! `POST /auth/introspect`, as RFC 7662 has it.

use llm2api_test_support::{Answer, Deployment, Llm2Api, Request};
use serde_json::json;

use super::Authority;
use crate::{stage::instance, upstream_errors::verdict};

both_deployments! {
    a_code_is_told_in_full_and_all_else_is_not_active,
    what_is_no_question_is_an_error_as_everywhere,
}

const FORM: &str = "application/x-www-form-urlencoded";

fn question(body: &str) -> Request {
    Request::new("POST", "/auth/introspect")
        .header("Content-Type", FORM)
        .body(body.to_owned())
}

async fn ask(instance: &Llm2Api, token: &str) -> Answer {
    instance
        .administer(question(&format!("token={token}")))
        .await
}

async fn a_code_is_told_in_full_and_all_else_is_not_active(deployment: Deployment) {
    let authority = Authority {
        instance: instance(deployment).start().await,
    };
    let order = json!({
        "subject": "Büro Berlin", "lifetime": "3600s",
        "limits": {"requestsPerMinute": 60, "models": {"names": ["gpt-4o"]}, "webSearch": false},
    });
    let issued = authority.issue(order).await;
    let instance = &authority.instance;
    let answer = ask(instance, &issued.code).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let mut told = answer.json();
    let dates = ["iat", "nbf", "exp"].map(|name| told[name].take().as_i64().unwrap());
    assert_eq!((dates[1] - dates[0], dates[2] - dates[1]), (0, 3600));
    let issuer = told["iss"].take();
    assert!(issuer.as_str().unwrap().starts_with("llm2api:"), "{issuer}");
    assert_eq!(
        told,
        json!({
            "active": true, "iss": null, "sub": "Büro Berlin", "aud": "llm2api", "jti": issued.id,
            "iat": null, "nbf": null, "exp": null,
            "llm2api_limits": {"requests_per_minute": 60, "models": ["gpt-4o"], "web_search": false},
        })
    );

    let other = Authority::start().await;
    let foreign = other.issue(json!({"subject": "elsewhere"})).await;
    authority.revoke(&issued, false).await;
    let early = json!({"subject": "early", "notBefore": "2099-01-01T00:00:00Z"});
    let early = authority.issue(early).await;
    for token in [
        &issued.code,
        &foreign.code,
        &early.code,
        "opaque",
        "a.b.c",
        "%00",
    ] {
        let answer = ask(instance, token).await;
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({"active": false})),
            "{token}"
        );
    }
    assert!(!instance.log().contains(&issued.code));
}

async fn what_is_no_question_is_an_error_as_everywhere(deployment: Deployment) {
    let instance = instance(deployment).start().await;
    let as_json = Request::post_json("/auth/introspect", r#"{"token":"x"}"#);
    for (request, status, told) in [
        (
            question(""),
            400,
            json!([
                "invalid_request_error",
                "token",
                "missing_required_parameter"
            ]),
        ),
        (
            question("token=a&token=b"),
            400,
            json!(["invalid_request_error", "token", "invalid_value"]),
        ),
        (
            as_json,
            415,
            json!(["invalid_request_error", null, "unsupported_media_type"]),
        ),
    ] {
        let answer = instance.administer(request).await;
        assert_eq!(verdict(&answer), (status, told));
    }
    for (key, status) in [(None, 401), (Some("wrong"), 401)] {
        let request = match key {
            Some(key) => question("token=a").bearer(key),
            None => question("token=a"),
        };
        assert_eq!(instance.exchange(&request).await.status, status, "{key:?}");
    }
}
