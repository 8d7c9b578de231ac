//! `/upstreams`.

use std::collections::HashMap;

use http::Method;
use llm2api_proto::v1::{
    AddUpstreamRequest, CookieCounts, DeleteUpstreamRequest, ListUpstreamsRequest,
    TestUpstreamRequest, TestUpstreamResponse, UpdateUpstreamRequest, Upstream, UpstreamSettings,
};
use prost_types::Duration;
use serde_json::{Value, json};

use crate::{
    fake_core::FakeCore,
    gateway::{Reply, TestGateway, request},
};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

fn pair(name: &str, value: &str) -> HashMap<String, String> {
    HashMap::from([(name.to_owned(), value.to_owned())])
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn settings() -> UpstreamSettings {
    UpstreamSettings {
        models: vec!["m".to_owned()],
        aliases: pair("gpt-4o", "m"),
        priority: Some(-1),
        weight: Some(2),
        cooldown: text("90"),
        breaker: text("off"),
        proxy: text("http://127.0.0.1:8080"),
        first_token_timeout: text("5m"),
        idle_timeout: text("off"),
        web_search: text("upstream"),
        propagate_trace: text("off"),
        cookie_name: text("hf-chat"),
        origin: text("https://chat.example.org"),
        headers: pair("X-Email", "me@example.org"),
    }
}

fn full() -> Upstream {
    Upstream {
        name: "chat".to_owned(),
        kind: "chat-ui".to_owned(),
        url: "https://chat.example.org/".to_owned(),
        source: "user".to_owned(),
        state: "degraded".to_owned(),
        reason: "None of its cookies can be used now.".to_owned(),
        models: vec!["m".to_owned(), "n".to_owned()],
        cookies: Some(CookieCounts {
            valid: 1,
            unchecked: 2,
            cooling: 3,
            invalid: 4,
            disabled: 5,
        }),
        settings: Some(settings()),
    }
}

fn full_json() -> Value {
    json!({
        "name": "chat", "object": "upstream", "kind": "chat-ui", "url": "https://chat.example.org/", "source": "user",
        "state": "degraded", "reason": "None of its cookies can be used now.", "models": ["m", "n"],
        "cookies": {"valid": 1, "unchecked": 2, "cooling": 3, "invalid": 4, "disabled": 5},
        "aliases": {"gpt-4o": "m"}, "priority": -1, "weight": 2, "cooldown": "90", "breaker": "off",
        "proxy": "http://127.0.0.1:8080", "first_token_timeout": "5m", "idle_timeout": "off", "web_search": "upstream", "propagate_trace": "off", "cookie_name": "hf-chat",
        "origin": "https://chat.example.org", "headers": {"X-Email": "me@example.org"},
    })
}

/// The settings as a body writes them, where numbers and truth values need no quotes.
const SETTINGS: &str = r#""models":["m"],"aliases":{"gpt-4o":"m"},"priority":-1,"weight":2,"cooldown":90,"breaker":false,"proxy":"http://127.0.0.1:8080","first_token_timeout":"5m","idle_timeout":"off","web_search":"upstream","propagate_trace":false,"cookie_name":"hf-chat","origin":"https://chat.example.org","headers":{"X-Email":"me@example.org"}"#;

async fn stage() -> (FakeCore, TestGateway) {
    let core = FakeCore::default();
    core.has_upstreams(vec![full()]);
    let gateway = TestGateway::start(core.service()).await;
    (core, gateway)
}

async fn post(gateway: &TestGateway, body: &str) -> Reply {
    gateway
        .send(request(Method::POST, "/upstreams", JSON, body))
        .await
}

#[tokio::test]
async fn the_list_has_all_fields_of_each_upstream_flat() {
    let (core, gateway) = stage().await;
    let bare = Upstream {
        name: "local".to_owned(),
        kind: "local".to_owned(),
        url: "data/models/a.gguf".to_owned(),
        source: "config".to_owned(),
        state: "ok".to_owned(),
        ..Upstream::default()
    };
    let bare_json = json!({
        "name": "local", "object": "upstream", "kind": "local", "url": "data/models/a.gguf", "source": "config",
        "state": "ok", "reason": null, "models": [],
        "cookies": {"valid": 0, "unchecked": 0, "cooling": 0, "invalid": 0, "disabled": 0},
        "aliases": {}, "priority": null, "weight": null, "cooldown": null, "breaker": null, "proxy": null,
        "first_token_timeout": null, "idle_timeout": null, "web_search": null, "propagate_trace": null, "cookie_name": null, "origin": null, "headers": {},
    });
    core.has_upstreams(vec![full(), bare]);
    let reply = gateway.get("/upstreams").await;
    assert_eq!(
        (reply.status.as_u16(), reply.json()),
        (
            200,
            json!({"object": "list", "data": [full_json(), bare_json], "has_more": false, "last_id": "local"})
        )
    );
    assert_eq!(
        core.asked::<ListUpstreamsRequest>(),
        ListUpstreamsRequest::default()
    );
}

#[tokio::test]
async fn an_upstream_is_added_with_settings_in_the_files_notation() {
    let (core, gateway) = stage().await;
    let reply = post(
        &gateway,
        &format!(
            r#"{{"name":"chat","url":"https://chat.example.org","kind":"chat-ui","cookie":"hf-chat=0f9c",{SETTINGS}}}"#
        ),
    )
    .await;
    assert_eq!((reply.status.as_u16(), reply.json()), (200, full_json()));
    assert_eq!(
        core.asked::<AddUpstreamRequest>(),
        AddUpstreamRequest {
            name: "chat".to_owned(),
            url: "https://chat.example.org".to_owned(),
            kind: "chat-ui".to_owned(),
            cookie: "hf-chat=0f9c".to_owned(),
            settings: Some(settings()),
        }
    );
}

#[tokio::test]
async fn an_address_is_enough() {
    let (core, gateway) = stage().await;
    assert_eq!(
        post(&gateway, r#"{"url":"http://127.0.0.1:8000"}"#)
            .await
            .status,
        200
    );
    assert_eq!(
        core.asked::<AddUpstreamRequest>(),
        AddUpstreamRequest {
            url: "http://127.0.0.1:8000".to_owned(),
            settings: Some(UpstreamSettings::default()),
            ..AddUpstreamRequest::default()
        }
    );
}

#[tokio::test]
async fn a_wrong_body_is_refused_by_name() {
    let (core, gateway) = stage().await;
    for (body, code, param) in [
        (r#"{"name":"a"}"#, "missing_required_parameter", "url"),
        (r#"{"url":""}"#, "missing_required_parameter", "url"),
        (r#"{"url":1}"#, "invalid_type", "url"),
        (
            r#"{"url":"http://a","api_key":"b"}"#,
            "unsupported_parameter",
            "api_key",
        ),
        (
            r#"{"url":"http://a","models":"b"}"#,
            "invalid_type",
            "models",
        ),
        (
            r#"{"url":"http://a","aliases":{"b":1}}"#,
            "invalid_type",
            "aliases.b",
        ),
        (
            r#"{"url":"http://a","priority":1.5}"#,
            "invalid_type",
            "priority",
        ),
        (
            r#"{"url":"http://a","cooldown":[]}"#,
            "invalid_type",
            "cooldown",
        ),
    ] {
        let reply = post(&gateway, body).await;
        assert_eq!(reply.error(), (400, Some(code.to_owned())), "{body}");
        assert_eq!(reply.json()["error"]["param"], param, "{body}");
    }
    assert!(core.was_not_asked());
}

#[tokio::test]
async fn an_upstream_is_changed_and_removed() {
    let (core, gateway) = stage().await;
    let reply = gateway
        .send(request(
            Method::PATCH,
            "/upstreams/chat",
            JSON,
            &format!(r#"{{"url":"https://b.example",{SETTINGS}}}"#),
        ))
        .await;
    assert_eq!((reply.status.as_u16(), reply.json()), (200, full_json()));
    assert_eq!(
        core.asked::<UpdateUpstreamRequest>(),
        UpdateUpstreamRequest {
            name: "chat".to_owned(),
            url: "https://b.example".to_owned(),
            kind: String::new(),
            settings: Some(settings()),
        }
    );
    let reply = gateway
        .send(request(
            Method::PATCH,
            "/upstreams/chat",
            JSON,
            r#"{"name":"other"}"#,
        ))
        .await;
    assert_eq!(
        reply.error(),
        (400, Some("unsupported_parameter".to_owned()))
    );
    let reply = gateway
        .send(request(Method::DELETE, "/upstreams/chat", &[], ""))
        .await;
    assert_eq!(
        (reply.status.as_u16(), reply.json()),
        (
            200,
            json!({"id": "chat", "object": "upstream", "deleted": true})
        )
    );
    assert_eq!(
        core.asked::<DeleteUpstreamRequest>(),
        DeleteUpstreamRequest {
            name: "chat".to_owned()
        }
    );
}

#[tokio::test]
async fn what_is_empty_gives_a_setting_its_default_back() {
    let (core, gateway) = stage().await;
    let reply = gateway
        .send(request(
            Method::PATCH,
            "/upstreams/chat",
            JSON,
            r#"{"models":[],"aliases":{},"headers":{},"proxy":"","idle_timeout":null}"#,
        ))
        .await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        core.asked::<UpdateUpstreamRequest>().settings,
        Some(UpstreamSettings {
            models: vec![String::new()],
            aliases: pair("", ""),
            headers: pair("", ""),
            proxy: text(""),
            ..UpstreamSettings::default()
        })
    );
}

#[tokio::test]
async fn a_test_tells_what_the_upstream_did() {
    let (core, gateway) = stage().await;
    let test = || request(Method::POST, "/upstreams/chat/test", &[], "");
    core.tests_upstreams(TestUpstreamResponse {
        ok: true,
        duration: Some(Duration {
            seconds: 1,
            nanos: 250_000_000,
        }),
        ..TestUpstreamResponse::default()
    });
    assert_eq!(
        gateway.send(test()).await.json(),
        json!({"object": "upstream.test", "ok": true, "error": null, "duration_seconds": 1.25, "upstream": full_json()})
    );
    assert_eq!(
        core.asked::<TestUpstreamRequest>(),
        TestUpstreamRequest {
            name: "chat".to_owned()
        }
    );
    core.tests_upstreams(TestUpstreamResponse {
        ok: false,
        error: "It refuses the connection.".to_owned(),
        ..TestUpstreamResponse::default()
    });
    assert_eq!(
        gateway.send(test()).await.json(),
        json!({"object": "upstream.test", "ok": false, "error": "It refuses the connection.", "duration_seconds": 0.0, "upstream": full_json()})
    );
}
