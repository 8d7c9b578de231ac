//! Who is let in.

use llm2api_test_support::{Deployment, Request, llm2api::ADMIN_KEY};
use serde_json::json;

use crate::{canned, stage::Stage, upstream_errors::verdict};

both_deployments! {
    a_key_is_needed_where_keys_are_set,
    a_key_may_come_in_either_header,
    two_different_keys_are_none,
    access_is_decided_before_the_body_is_read,
    without_keys_this_machine_is_let_in,
    a_forwarded_request_of_unknown_origin_is_kept_out,
    a_trusted_proxy_tells_who_the_client_is,
    off_opens_to_all,
}

fn models() -> Request {
    Request::get("/v1/models")
}

async fn a_key_is_needed_where_keys_are_set(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("API_KEY", "first,second")]).await;
    stage
        .upstream
        .answer("test-model", canned::stream_text(&["Hello"]));
    for key in ["first", "second", ADMIN_KEY] {
        for request in [models(), Request::chat(canned::ask(true))] {
            let answer = stage.instance.exchange(&request.bearer(key)).await;
            assert_eq!(answer.status, 200, "{key}");
        }
    }
    for key in ["", "firs", "first,second", "FIRST"] {
        for request in [models(), Request::chat(canned::ask(true))] {
            let answer = stage.instance.exchange(&request.bearer(key)).await;
            assert_eq!(
                verdict(&answer),
                (
                    401,
                    json!(["invalid_request_error", null, "invalid_api_key"])
                ),
                "{key:?}"
            );
        }
    }
    let answer = stage.instance.exchange(&models()).await;
    assert_eq!(
        verdict(&answer),
        (
            401,
            json!(["invalid_request_error", null, "invalid_api_key"])
        )
    );
    let basic = models().header("Authorization", "Basic Zmlyc3Q6");
    assert_eq!(stage.instance.exchange(&basic).await.status, 401);
}

async fn a_key_may_come_in_either_header(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("API_KEY", "secret")]).await;
    for request in [
        models().header("Authorization", "Bearer secret"),
        models().header("authorization", "bearer secret"),
        models().header("X-Api-Key", "secret"),
        models()
            .header("X-Api-Key", "secret")
            .header("Authorization", "Bearer secret"),
    ] {
        assert_eq!(stage.instance.exchange(&request).await.status, 200);
    }
}

async fn two_different_keys_are_none(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("API_KEY", "secret,other")]).await;
    let request = models()
        .header("X-Api-Key", "other")
        .header("Authorization", "Bearer secret");
    assert_eq!(stage.instance.exchange(&request).await.status, 401);
}

async fn access_is_decided_before_the_body_is_read(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("API_KEY", "secret"), ("MAX_BODY", "1KiB")]).await;
    for request in [
        Request::chat("{"),
        Request::chat("x".repeat(5000)),
        Request::new("POST", "/v1/chat/completions").body("x"),
    ] {
        assert_eq!(stage.instance.exchange(&request).await.status, 401);
    }
    // Only the head is sent: the answer does not wait for the body.
    let mut client = stage.instance.client().await;
    client
        .send_bytes(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n",
        )
        .await;
    assert_eq!(client.head().await.0, 401);
}

async fn without_keys_this_machine_is_let_in(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    for request in [models(), models().bearer("sk-anything")] {
        assert_eq!(stage.instance.exchange(&request).await.status, 200);
    }
}

async fn a_forwarded_request_of_unknown_origin_is_kept_out(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    for (name, value) in [
        ("X-Forwarded-For", "10.0.0.1"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("Forwarded", "for=10.0.0.1"),
        ("X-Real-IP", "10.0.0.1"),
    ] {
        let request = models().header(name, value);
        let answer = stage.instance.exchange(&request).await;
        assert_eq!(
            verdict(&answer),
            (
                401,
                json!(["invalid_request_error", null, "invalid_api_key"])
            ),
            "{name}: {value}"
        );
        let message = answer.json()["error"]["message"].to_string();
        assert!(
            message.contains("API_KEY") || message.contains("TRUSTED_PROXIES"),
            "{message}"
        );
    }
}

async fn a_trusted_proxy_tells_who_the_client_is(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("TRUSTED_PROXIES", "127.0.0.1,10.9.0.0/16")]).await;
    for (forwarded, status) in [
        ("10.0.0.5", 200),
        ("192.168.1.7", 200),
        ("8.8.8.8", 401),
        ("10.0.0.5, 8.8.8.8", 401),
        ("8.8.8.8, 10.0.0.5", 200),
        ("8.8.8.8, 10.9.1.1", 401),
        ("fd00::1", 200),
        ("2001:4860:4860::8888", 401),
    ] {
        let request = models().header("X-Forwarded-For", forwarded);
        let answer = stage.instance.exchange(&request).await;
        assert_eq!(answer.status, status, "{forwarded}");
    }
}

async fn off_opens_to_all(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("API_KEY", "off")]).await;
    for request in [
        models(),
        models().bearer("anything"),
        models().header("X-Forwarded-For", "8.8.8.8"),
    ] {
        assert_eq!(stage.instance.exchange(&request).await.status, 200);
    }
}
