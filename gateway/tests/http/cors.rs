//! Pages of other origins.

use http::Method;
use llm2api_gateway::config::{Config, CorsOrigins};
use llm2api_proto::{ContractError, v1::ErrorReason};

use crate::{
    fake_core::FakeCore,
    gateway::{TestGateway, config, request},
};

const PREFLIGHT: &[(&str, &str)] = &[
    ("origin", "https://chat.example"),
    ("access-control-request-method", "POST"),
    (
        "access-control-request-headers",
        "authorization,x-stainless-os",
    ),
];

#[tokio::test]
async fn a_preflight_is_answered_without_a_key() {
    let core = FakeCore::default();
    core.refuses(ContractError::new(ErrorReason::InvalidApiKey, "no"));
    let gateway = TestGateway::start(core.service()).await;
    let reply = gateway
        .send(request(
            Method::OPTIONS,
            "/v1/chat/completions",
            PREFLIGHT,
            "",
        ))
        .await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    assert_eq!(
        reply.header("access-control-allow-headers"),
        Some("authorization,x-stainless-os")
    );
    assert_eq!(
        reply.header("access-control-allow-methods"),
        Some("GET,POST")
    );
}

#[tokio::test]
async fn an_answer_may_be_read_by_pages_of_allowed_origins_failures_too() {
    let core = FakeCore::default();
    core.refuses(ContractError::new(ErrorReason::InvalidApiKey, "no"));
    let gateway = TestGateway::start(core.service()).await;
    let reply = gateway
        .send(request(Method::GET, "/v1/models", PREFLIGHT, ""))
        .await;
    assert_eq!(reply.status, 401);
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    let exposed = reply.header("access-control-expose-headers").unwrap();
    for name in ["x-request-id", "retry-after", "x-llm2api-usage"] {
        assert!(exposed.contains(name), "{exposed}");
    }
}

#[tokio::test]
async fn a_list_of_origins_leaves_others_out() {
    let origins = CorsOrigins::List(vec!["https://chat.example".to_owned()]);
    let config = Config {
        cors_origins: origins,
        ..config()
    };
    let gateway = TestGateway::with(config, FakeCore::default().service()).await;
    for (origin, allowed) in [
        ("https://chat.example", Some("https://chat.example")),
        ("https://other.example", None),
    ] {
        let reply = gateway
            .send(request(
                Method::GET,
                "/v1/models",
                &[("origin", origin)],
                "",
            ))
            .await;
        assert_eq!(reply.header("access-control-allow-origin"), allowed);
    }
}

#[tokio::test]
async fn open_routes_are_not_for_pages_of_other_origins() {
    let gateway = TestGateway::start(FakeCore::default().service()).await;
    for path in ["/readyz", "/openapi.json"] {
        let reply = gateway
            .send(request(Method::GET, path, PREFLIGHT, ""))
            .await;
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
}
