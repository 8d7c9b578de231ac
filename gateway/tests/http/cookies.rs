//! `/cookies` and `/cookie/add`.

use http::Method;
use llm2api_proto::{
    ContractError,
    v1::{
        AddCookieRequest, CheckCookieRequest, ClearCookieRequest, Cookie, DeleteCookieRequest,
        ErrorReason, ListCookiesRequest, UpdateCookieRequest,
    },
};
use prost_types::Timestamp;
use serde_json::{Value, json};

use crate::{
    fake_core::{FakeCore, time},
    gateway::{Reply, TestGateway, request},
};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// A cookie of which there is all to tell.
fn full() -> Cookie {
    Cookie {
        id: "ck_1".to_owned(),
        upstream: "chat".to_owned(),
        kind: "cookie".to_owned(),
        source: "user".to_owned(),
        label: "mine".to_owned(),
        state: "cooling".to_owned(),
        reason: "rate_limit".to_owned(),
        preview: "hf-chat=…9f2c".to_owned(),
        in_flight: 1,
        requests: 20,
        failures: 3,
        last_error: "429 from the upstream".to_owned(),
        added_at: Some(time(1_700_000_000)),
        last_checked_at: Some(time(1_700_000_001)),
        last_used_at: Some(time(1_700_000_002)),
        cooldown_until: Some(Timestamp {
            seconds: 1_700_000_003,
            nanos: 1,
        }),
    }
}

fn full_json() -> Value {
    json!({
        "id": "ck_1", "object": "cookie", "upstream": "chat", "kind": "cookie", "source": "user", "label": "mine",
        "state": "cooling", "reason": "rate_limit", "preview": "hf-chat=…9f2c", "in_flight": 1, "requests": 20, "failures": 3,
        "last_error": "429 from the upstream", "added_at": 1_700_000_000, "last_checked_at": 1_700_000_001,
        "last_used_at": 1_700_000_002, "cooldown_until": 1_700_000_004,
    })
}

/// A cookie of which there is little to tell.
fn bare() -> Cookie {
    Cookie {
        id: "ck_2".to_owned(),
        upstream: "vllm".to_owned(),
        kind: "anonymous".to_owned(),
        source: "config".to_owned(),
        state: "valid".to_owned(),
        ..Cookie::default()
    }
}

fn bare_json() -> Value {
    json!({
        "id": "ck_2", "object": "cookie", "upstream": "vllm", "kind": "anonymous", "source": "config", "label": null,
        "state": "valid", "reason": null, "preview": null, "in_flight": 0, "requests": 0, "failures": 0, "last_error": null,
        "added_at": null, "last_checked_at": null, "last_used_at": null, "cooldown_until": null,
    })
}

async fn stage() -> (FakeCore, TestGateway) {
    let core = FakeCore::default();
    core.has_cookies(vec![full(), bare()], "", true);
    let gateway = TestGateway::start(core.service()).await;
    (core, gateway)
}

async fn add(gateway: &TestGateway, body: &str) -> Reply {
    gateway
        .send(request(Method::POST, "/cookie/add", JSON, body))
        .await
}

#[tokio::test]
async fn the_list_has_all_fields_of_each_cookie() {
    let (core, gateway) = stage().await;
    let reply = gateway.get("/cookies").await;
    assert_eq!(
        (reply.status.as_u16(), reply.json()),
        (
            200,
            json!({"object": "list", "data": [full_json(), bare_json()], "has_more": false, "last_id": "ck_2"})
        )
    );
    assert_eq!(
        core.asked::<ListCookiesRequest>(),
        ListCookiesRequest::default()
    );
}

#[tokio::test]
async fn the_list_comes_in_pages_and_may_be_narrowed() {
    let (core, gateway) = stage().await;
    core.has_cookies(vec![full()], "ck_1", true);
    let reply = gateway
        .get("/cookies?limit=1&after=ck_0&upstream=chat&state=cooling")
        .await;
    let page = reply.json();
    assert_eq!(
        (&page["has_more"], &page["last_id"]),
        (&json!(true), &json!("ck_1"))
    );
    assert_eq!(
        core.asked::<ListCookiesRequest>(),
        ListCookiesRequest {
            page_size: 1,
            page_token: "ck_0".to_owned(),
            upstream: "chat".to_owned(),
            state: "cooling".to_owned(),
        }
    );
}

#[tokio::test]
async fn an_empty_list_has_no_last_id() {
    let gateway = TestGateway::start(FakeCore::default().service()).await;
    assert_eq!(
        gateway.get("/cookies").await.json(),
        json!({"object": "list", "data": [], "has_more": false, "last_id": null})
    );
}

#[tokio::test]
async fn a_wrong_query_is_refused_by_name() {
    let (core, gateway) = stage().await;
    for (query, code, param) in [
        ("limit=0", "invalid_value", "limit"),
        ("limit=1001", "invalid_value", "limit"),
        ("limit=ten", "invalid_value", "limit"),
        ("limit=", "invalid_value", "limit"),
        ("page=2", "unsupported_parameter", "page"),
    ] {
        let reply = gateway.get(&format!("/cookies?{query}")).await;
        assert_eq!(reply.error(), (400, Some(code.to_owned())), "{query}");
        assert_eq!(reply.json()["error"]["param"], param, "{query}");
    }
    assert!(core.was_not_asked());
}

#[tokio::test]
async fn a_cookie_is_added_with_what_goes_along() {
    let (core, gateway) = stage().await;
    let reply = add(
        &gateway,
        r#"{"cookie":"hf-chat=0f9c","upstream":"chat","kind":"cookie","label":"mine","user_agent":"Mozilla/5.0","proxy":"socks5h://127.0.0.1:1080"}"#,
    )
    .await;
    let mut added = full_json();
    added["created"] = json!(true);
    assert_eq!((reply.status.as_u16(), reply.json()), (200, added));
    assert_eq!(
        core.asked::<AddCookieRequest>(),
        AddCookieRequest {
            cookie: "hf-chat=0f9c".to_owned(),
            upstream: "chat".to_owned(),
            kind: "cookie".to_owned(),
            label: "mine".to_owned(),
            user_agent: "Mozilla/5.0".to_owned(),
            proxy: "socks5h://127.0.0.1:1080".to_owned(),
        }
    );
}

#[tokio::test]
async fn a_cookie_alone_is_enough_and_one_that_is_there_is_not_created() {
    let (core, gateway) = stage().await;
    core.has_cookies(vec![full()], "", false);
    let reply = add(&gateway, r#"{"cookie":"0f9c","upstream":null}"#).await;
    assert_eq!(reply.json()["created"], json!(false));
    assert_eq!(
        core.asked::<AddCookieRequest>(),
        AddCookieRequest {
            cookie: "0f9c".to_owned(),
            ..AddCookieRequest::default()
        }
    );
}

#[tokio::test]
async fn a_wrong_body_is_refused_by_name() {
    let (core, gateway) = stage().await;
    for (body, code, param) in [
        ("{}", "missing_required_parameter", json!("cookie")),
        (
            r#"{"cookie":" "}"#,
            "missing_required_parameter",
            json!("cookie"),
        ),
        (r#"{"cookie":5}"#, "invalid_type", json!("cookie")),
        (
            r#"{"cookie":"a","label":["b"]}"#,
            "invalid_type",
            json!("label"),
        ),
        (
            r#"{"cookie":"a","lable":"b"}"#,
            "unsupported_parameter",
            json!("lable"),
        ),
        (
            r#"{"cookie":"a","cookie":"b"}"#,
            "invalid_json",
            json!("cookie"),
        ),
        (
            r#"["a",null,null,null,null,null]"#,
            "invalid_json",
            json!(null),
        ),
        ("", "invalid_json", json!(null)),
    ] {
        let reply = add(&gateway, body).await;
        assert_eq!(reply.error(), (400, Some(code.to_owned())), "{body}");
        assert_eq!(reply.json()["error"]["param"], param, "{body}");
    }
    let reply = gateway
        .send(request(
            Method::POST,
            "/cookie/add",
            &[],
            r#"{"cookie":"a"}"#,
        ))
        .await;
    assert_eq!(
        reply.error(),
        (415, Some("unsupported_media_type".to_owned()))
    );
    assert!(core.was_not_asked());
}

#[tokio::test]
async fn an_unknown_field_is_answered_with_the_known_ones() {
    let (_core, gateway) = stage().await;
    let reply = add(&gateway, r#"{"cookies":["a"]}"#).await;
    assert_eq!(
        reply.json()["error"]["message"],
        "Unknown parameter: 'cookies'; expected one of cookie, upstream, kind, label, user_agent, proxy."
    );
}

#[tokio::test]
async fn why_a_cookie_is_not_added_is_the_requests_fault_or_the_upstreams() {
    let (core, gateway) = stage().await;
    for (reason, status, error_type, code, param) in [
        (
            ErrorReason::CookieInvalid,
            400,
            "invalid_request_error",
            "cookie_invalid",
            json!(null),
        ),
        (
            ErrorReason::NoUpstream,
            400,
            "invalid_request_error",
            "no_upstream",
            json!(null),
        ),
        (
            ErrorReason::UpstreamNotFound,
            400,
            "invalid_request_error",
            "invalid_value",
            json!("upstream"),
        ),
        (
            ErrorReason::UpstreamError,
            502,
            "server_error",
            "upstream_error",
            json!(null),
        ),
    ] {
        core.refuses_administration(ContractError::new(reason, "why"));
        let reply = add(&gateway, r#"{"cookie":"a"}"#).await;
        assert_eq!(
            (reply.status.as_u16(), reply.json()),
            (
                status,
                json!({"error": {"message": "why", "type": error_type, "param": param, "code": code}})
            )
        );
    }
}

#[tokio::test]
async fn a_cookie_is_changed_checked_cleared_and_removed() {
    let (core, gateway) = stage().await;
    let reply = gateway
        .send(request(
            Method::PATCH,
            "/cookies/ck_1",
            JSON,
            r#"{"disabled":true,"label":""}"#,
        ))
        .await;
    assert_eq!((reply.status.as_u16(), reply.json()), (200, full_json()));
    assert_eq!(
        core.asked::<UpdateCookieRequest>(),
        UpdateCookieRequest {
            id: "ck_1".to_owned(),
            disabled: Some(true),
            label: Some(String::new()),
        }
    );
    let id = || "ck_1".to_owned();
    let reply = gateway
        .send(request(Method::POST, "/cookies/ck_1/check", &[], ""))
        .await;
    assert_eq!((reply.status.as_u16(), reply.json()), (200, full_json()));
    assert_eq!(
        core.asked::<CheckCookieRequest>(),
        CheckCookieRequest { id: id() }
    );
    let reply = gateway
        .send(request(Method::POST, "/cookies/ck_1/clear", &[], ""))
        .await;
    assert_eq!((reply.status.as_u16(), reply.json()), (200, full_json()));
    assert_eq!(
        core.asked::<ClearCookieRequest>(),
        ClearCookieRequest { id: id() }
    );
    let reply = gateway
        .send(request(Method::DELETE, "/cookies/ck_1", &[], ""))
        .await;
    assert_eq!(
        (reply.status.as_u16(), reply.json()),
        (
            200,
            json!({"id": "ck_1", "object": "cookie", "deleted": true})
        )
    );
    assert_eq!(
        core.asked::<DeleteCookieRequest>(),
        DeleteCookieRequest { id: id() }
    );
}

#[tokio::test]
async fn a_change_takes_nothing_else() {
    let (core, gateway) = stage().await;
    for (body, code, param) in [
        (r#"{"disabled":"yes"}"#, "invalid_type", "disabled"),
        (r#"{"state":"valid"}"#, "unsupported_parameter", "state"),
    ] {
        let reply = gateway
            .send(request(Method::PATCH, "/cookies/ck_1", JSON, body))
            .await;
        assert_eq!(reply.error(), (400, Some(code.to_owned())), "{body}");
        assert_eq!(reply.json()["error"]["param"], param, "{body}");
    }
    assert!(core.was_not_asked());
}

#[tokio::test]
async fn one_that_is_not_there_and_one_of_the_configuration_are_told_apart() {
    let (core, gateway) = stage().await;
    core.refuses_administration(ContractError::new(ErrorReason::CookieNotFound, "no"));
    let delete = || request(Method::DELETE, "/cookies/ck_9", &[], "");
    let reply = gateway.send(delete()).await;
    assert_eq!(reply.error(), (404, Some("cookie_not_found".to_owned())));
    core.refuses_administration(ContractError::new(ErrorReason::ReadOnly, "no"));
    let reply = gateway.send(delete()).await;
    assert_eq!(reply.error(), (400, Some("read_only".to_owned())));
}

#[tokio::test]
async fn who_is_not_the_operator_is_refused_before_the_body_is_looked_at() {
    let (core, gateway) = stage().await;
    core.refuses(ContractError::new(
        ErrorReason::InsufficientPermissions,
        "no",
    ));
    let reply = add(&gateway, "{").await;
    assert_eq!(
        reply.error(),
        (403, Some("insufficient_permissions".to_owned()))
    );
    assert_eq!(core.checks()[0].route, "POST /cookie/add");
    assert!(core.was_not_asked());
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let (_core, gateway) = stage().await;
    let reply = gateway
        .send(request(Method::PUT, "/cookies/ck_1", &[], ""))
        .await;
    assert_eq!(
        reply.error(),
        (405, Some("method_not_supported".to_owned()))
    );
    assert_eq!(reply.header("allow"), Some("PATCH,DELETE"));
}
