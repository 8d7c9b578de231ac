//! Failures, each as an HTTP status and OpenAI's error object.

use std::time::Duration;

use http::Method;
use llm2api_gateway::config::Config;
use llm2api_proto::{ContractError, PassedOn, v1::ErrorReason};
use tonic::Status;

use crate::{
    fake_core::FakeCore,
    gateway::{TestGateway, chat_request, config, request},
};

const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;

/// The answer to a chat that fails like this.
async fn answer_to(status: impl Into<Status>) -> crate::gateway::Reply {
    let core = FakeCore::default();
    core.fails(status);
    TestGateway::start(core.service()).await.chat(CHAT).await
}

#[tokio::test]
async fn each_reason_has_its_status_type_and_code() {
    use ErrorReason as R;
    let table = [
        (R::InvalidRequest, 400, "invalid_request_error"),
        (R::MissingRequiredParameter, 400, "invalid_request_error"),
        (R::InvalidType, 400, "invalid_request_error"),
        (R::InvalidValue, 400, "invalid_request_error"),
        (R::UnsupportedParameter, 400, "invalid_request_error"),
        (R::UnsupportedValue, 400, "invalid_request_error"),
        (R::ContextLengthExceeded, 400, "invalid_request_error"),
        (R::InvalidJson, 400, "invalid_request_error"),
        (R::InvalidApiKey, 401, "invalid_request_error"),
        (R::InsufficientPermissions, 403, "invalid_request_error"),
        (R::ModelNotAllowed, 403, "invalid_request_error"),
        (R::ModelNotFound, 404, "invalid_request_error"),
        (R::UnknownUrl, 404, "invalid_request_error"),
        (R::MethodNotSupported, 405, "invalid_request_error"),
        (R::BodyTimeout, 408, "timeout_error"),
        (R::RequestTooLarge, 413, "invalid_request_error"),
        (R::UnsupportedMediaType, 415, "invalid_request_error"),
        (R::RateLimitExceeded, 429, "rate_limit_error"),
        (R::ServerIsOverloaded, 429, "rate_limit_error"),
        (R::InsufficientQuota, 429, "insufficient_quota"),
        (R::InternalError, 500, "server_error"),
        (R::UpstreamError, 502, "server_error"),
        (R::UpstreamMisconfigured, 502, "server_error"),
        (R::UpstreamUnavailable, 503, "service_unavailable_error"),
        (R::NoUpstream, 503, "service_unavailable_error"),
        (R::NoValidCookie, 503, "service_unavailable_error"),
        (R::NoValidKey, 503, "service_unavailable_error"),
        (R::CoreUnavailable, 503, "service_unavailable_error"),
        (R::ShuttingDown, 503, "service_unavailable_error"),
        (R::ConnectTimeout, 504, "server_error"),
        (R::FirstTokenTimeout, 504, "server_error"),
        (R::IdleTimeout, 504, "server_error"),
        (R::RequestTimeout, 504, "server_error"),
    ];
    for (reason, status, error_type) in table {
        let reply = answer_to(ContractError::new(reason, "why").with_param("model")).await;
        assert_eq!(reply.status.as_u16(), status, "{reason:?}");
        let code = match reason {
            R::InvalidRequest => serde_json::Value::Null,
            other => other.as_info_reason().to_ascii_lowercase().into(),
        };
        let object = serde_json::json!({
            "error": { "message": "why", "type": error_type, "param": "model", "code": code }
        });
        assert_eq!(reply.json(), object);
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert!(reply.header("x-request-id").unwrap().starts_with("req_"));
    }
}

#[tokio::test]
async fn the_time_to_wait_is_rounded_up() {
    let after = |milliseconds| {
        ContractError::new(ErrorReason::RateLimitExceeded, "wait")
            .with_retry_after(Duration::from_millis(milliseconds))
    };
    for (milliseconds, header) in [(0, "1"), (1, "1"), (1001, "2"), (120_000, "120")] {
        let reply = answer_to(after(milliseconds)).await;
        assert_eq!(reply.header("retry-after"), Some(header));
        assert_eq!(reply.header("x-should-retry"), None);
    }
    let reply = answer_to(after(120_001)).await;
    assert_eq!(reply.header("retry-after"), Some("121"));
    assert_eq!(reply.header("x-should-retry"), Some("false"));
}

#[tokio::test]
async fn a_spent_quota_is_not_worth_a_retry() {
    let error = ContractError::new(ErrorReason::InsufficientQuota, "spent")
        .with_retry_after(Duration::from_secs(1));
    let reply = answer_to(error).await;
    assert_eq!(reply.header("retry-after"), None);
    assert_eq!(reply.header("x-should-retry"), Some("false"));
}

#[tokio::test]
async fn an_upstreams_error_is_passed_on_as_it_was() {
    let error = ContractError {
        passed_on: Some(PassedOn {
            http_status: 422,
            error_type: Some("validation_error".to_owned()),
            code: Some("too_hot".to_owned()),
        }),
        ..ContractError::new(ErrorReason::InvalidRequest, "too hot").with_param("temperature")
    };
    let reply = answer_to(error).await;
    assert_eq!(reply.status, 422);
    assert_eq!(
        reply.json(),
        serde_json::json!({ "error": {
            "message": "too hot", "type": "validation_error", "param": "temperature", "code": "too_hot"
        } })
    );
}

#[tokio::test]
async fn a_core_out_of_reach_or_unwilling_is_never_a_401() {
    let config = Config {
        core_urls: vec!["http://core:50051".to_owned()],
        ..config()
    };
    for (status, setting) in [
        (Status::unavailable("connection refused"), "CORE_URL"),
        (Status::unknown("transport error"), "CORE_URL"),
        (Status::unauthenticated("who are you"), "CORE_KEY"),
        (Status::permission_denied("not you"), "CORE_KEY"),
        (
            ContractError::new(ErrorReason::InvalidApiKey, "wrong")
                .with_param("authorization")
                .into(),
            "CORE_KEY",
        ),
    ] {
        let core = FakeCore::default();
        core.fails(status);
        let gateway = TestGateway::with(config.clone(), core.service()).await;
        let reply = gateway.chat(CHAT).await;
        assert_eq!(reply.error(), (503, Some("core_unavailable".to_owned())));
        assert!(reply.text().contains(setting), "{}", reply.text());
    }
}

#[tokio::test]
async fn a_failure_in_the_same_process_is_our_own() {
    let reply = answer_to(Status::unknown("what")).await;
    assert_eq!(reply.error(), (500, Some("internal_error".to_owned())));
}

#[tokio::test]
async fn a_panic_is_an_internal_error() {
    // No answer is prepared, so the fake core panics.
    let gateway = TestGateway::start(FakeCore::default().service()).await;
    let reply = gateway.chat(CHAT).await;
    assert_eq!(reply.error(), (500, Some("internal_error".to_owned())));
    assert!(reply.header("x-request-id").is_some());
}

#[tokio::test]
async fn a_body_above_the_bound_is_refused() {
    let config = Config {
        max_body_bytes: 100,
        ..config()
    };
    let gateway = TestGateway::with(config, FakeCore::default().service()).await;
    let reply = gateway.chat(&" ".repeat(101)).await;
    assert_eq!(reply.error(), (413, Some("request_too_large".to_owned())));
}

#[tokio::test]
async fn a_body_that_is_not_declared_as_json_is_refused() {
    let gateway = TestGateway::start(FakeCore::default().service()).await;
    for headers in [
        &[][..],
        &[("content-type", "text/plain")],
        &[
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
        ],
    ] {
        let reply = gateway
            .send(request(Method::POST, "/v1/chat/completions", headers, CHAT))
            .await;
        assert_eq!(
            reply.error(),
            (415, Some("unsupported_media_type".to_owned()))
        );
    }
}

#[tokio::test]
async fn a_malformed_body_names_the_field_at_fault() {
    let gateway = TestGateway::start(FakeCore::default().service()).await;
    let reply = gateway
        .send(chat_request(r#"{"model":"m","messages":[{"role":1}]}"#))
        .await;
    assert_eq!(
        reply.json(),
        serde_json::json!({ "error": {
            "message": "Invalid type for 'messages[0].role': expected a string.",
            "type": "invalid_request_error", "param": "messages[0].role", "code": "invalid_type"
        } })
    );
}

#[tokio::test]
async fn a_client_that_sends_all_of_a_large_body_first_still_reads_the_refusal() {
    let gateway = TestGateway::with(
        Config {
            max_body_bytes: 100,
            ..config()
        },
        FakeCore::default().service(),
    )
    .await;
    let mut connection = gateway.raw_chat(&" ".repeat(64 << 20)).await;
    connection.ends().await;
    assert!(
        connection.seen.starts_with("HTTP/1.1 413 "),
        "{}",
        connection.seen
    );
    assert!(connection.seen.ends_with(r#""code":"request_too_large"}}"#));
}
