//! Who is let in.

use http::Method;
use llm2api_gateway::config::Config;
use llm2api_proto::{
    ContractError,
    v1::{CheckAccessRequest, ErrorReason},
};

use crate::{
    fake_core::{FakeCore, answer},
    gateway::{TestGateway, chat_request, config, request},
};

#[tokio::test]
async fn the_core_is_asked_with_key_address_and_route() {
    let core = FakeCore::default();
    core.has_models(&["a/b"]);
    let gateway = TestGateway::start(core.service()).await;
    let headers = [
        ("authorization", "bearer sk-1"),
        ("x-api-key", "sk-1"),
        ("x-real-ip", "1.2.3.4"),
    ];
    let reply = gateway
        .send(request(Method::HEAD, "/v1/models/a/b", &headers, ""))
        .await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        core.checks(),
        [CheckAccessRequest {
            key: "sk-1".to_owned(),
            client_address: "127.0.0.1".to_owned(),
            address_untrusted: true,
            route: "GET /v1/models/{id}".to_owned(),
        }]
    );
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_client_is_whom_it_names() {
    let core = FakeCore::default();
    let config = Config {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..config()
    };
    let gateway = TestGateway::with(config, core.service()).await;
    let headers = [("x-forwarded-for", "1.1.1.1, 192.0.2.7, 127.0.0.9")];
    gateway
        .send(request(Method::GET, "/v1/models", &headers, ""))
        .await;
    let check = core.checks().remove(0);
    assert_eq!(
        (check.client_address.as_str(), check.address_untrusted),
        ("192.0.2.7", false)
    );
}

#[tokio::test]
async fn a_refusal_comes_before_the_body_is_looked_at() {
    let core = FakeCore::default();
    core.refuses(ContractError::new(
        ErrorReason::InvalidApiKey,
        "Set API_KEY.",
    ));
    let config = Config {
        max_body_bytes: 10,
        ..config()
    };
    let gateway = TestGateway::with(config, core.service()).await;
    for request in [
        chat_request(&"x".repeat(100)),
        request(Method::POST, "/v1/chat/completions", &[], "x"),
        request(Method::GET, "/v1/models", &[], ""),
        request(Method::GET, "/v1/models/m", &[], ""),
    ] {
        let reply = gateway.send(request).await;
        assert_eq!(reply.error(), (401, Some("invalid_api_key".to_owned())));
        assert!(reply.text().contains("Set API_KEY."));
    }
}

#[tokio::test]
async fn an_answer_of_the_core_holds_for_a_moment_and_a_refusal_does_not() {
    let core = FakeCore::default();
    let gateway = TestGateway::start(core.service()).await;
    let with_key = |key| request(Method::GET, "/v1/models", &[("x-api-key", key)], "");
    gateway.send(with_key("a")).await;
    gateway.send(with_key("a")).await;
    assert_eq!(core.checks().len(), 1);
    gateway.send(with_key("b")).await;
    assert_eq!(core.checks().len(), 2);
    core.refuses(ContractError::new(ErrorReason::InvalidApiKey, "no"));
    gateway.send(with_key("c")).await;
    gateway.send(with_key("c")).await;
    assert_eq!(core.checks().len(), 4);
}

#[tokio::test]
async fn two_different_keys_are_refused() {
    let core = FakeCore::default();
    core.sends(answer("a"));
    let gateway = TestGateway::start(core.service()).await;
    let headers = [("authorization", "Bearer a"), ("x-api-key", "b")];
    let reply = gateway
        .send(request(Method::GET, "/v1/models", &headers, ""))
        .await;
    assert_eq!(reply.error(), (401, Some("invalid_api_key".to_owned())));
}

#[tokio::test]
async fn open_routes_and_unknown_paths_need_no_key() {
    let core = FakeCore::default();
    core.refuses(ContractError::new(ErrorReason::InvalidApiKey, "no"));
    let gateway = TestGateway::start(core.service()).await;
    for (path, status) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/openapi.json", 200),
        ("/x", 404),
    ] {
        assert_eq!(gateway.get(path).await.status.as_u16(), status, "{path}");
    }
    assert!(core.checks().is_empty());
}
