//! Probes, and how a gateway stops.

use serde_json::json;

use crate::{
    fake_core::{FakeCore, message, start, text},
    gateway::{TestGateway, config},
};

const STREAM: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}"#;
const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;

#[tokio::test]
async fn readiness_follows_the_core_and_liveness_does_not() {
    let core = FakeCore::default();
    let gateway = TestGateway::start(core.service()).await;
    let table = [
        (
            false,
            false,
            200,
            200,
            json!({ "status": "ok", "upstreams": "ok", "store": "ok", "authorization": "ok" }),
        ),
        (
            false,
            true,
            200,
            503,
            json!({ "status": "ok", "upstreams": "degraded", "store": "ok", "authorization": "ok" }),
        ),
        (
            true,
            true,
            503,
            503,
            json!({ "status": "starting", "upstreams": "degraded", "store": "ok", "authorization": "ok" }),
        ),
    ];
    for (is_down, upstreams_down, shallow, deep, body) in table {
        core.goes_down(is_down, upstreams_down);
        let reply = gateway.get("/readyz").await;
        assert_eq!(
            (reply.status.as_u16(), reply.json()),
            (shallow, body.clone())
        );
        let reply = gateway.get("/readyz?deep=1").await;
        assert_eq!((reply.status.as_u16(), reply.json()), (deep, body));
        assert_eq!(
            gateway.get("/healthz").await.json(),
            json!({ "status": "ok" })
        );
    }
}

#[tokio::test]
async fn a_store_that_fails_is_told_and_refuses_nobody() {
    let core = FakeCore::default();
    let gateway = TestGateway::start(core.service()).await;
    core.loses_its_store();
    for path in ["/readyz", "/readyz?deep=1"] {
        let reply = gateway.get(path).await;
        assert_eq!(
            (reply.status.as_u16(), reply.json()),
            (
                200,
                json!({ "status": "ok", "upstreams": "ok", "store": "degraded", "authorization": "ok" })
            )
        );
    }
}

#[tokio::test]
async fn without_authorization_it_is_ready_and_answers_nobody() {
    let core = FakeCore::default();
    let gateway = TestGateway::start(core.service()).await;
    core.loses_its_authorization();
    for (path, status) in [("/readyz", 200), ("/readyz?deep=1", 503)] {
        let reply = gateway.get(path).await;
        assert_eq!(
            (reply.status.as_u16(), reply.json()),
            (
                status,
                json!({ "status": "ok", "upstreams": "ok", "store": "ok", "authorization": "degraded" })
            )
        );
    }
}

#[tokio::test]
async fn a_draining_gateway_is_not_ready_and_still_serves() {
    let gateway = TestGateway::start(FakeCore::default().service()).await;
    gateway.stopping.draining.cancel();
    let reply = gateway.get("/readyz").await;
    assert_eq!(reply.status, 503);
    assert_eq!(
        reply.json(),
        json!({ "status": "draining", "upstreams": "ok", "store": "ok", "authorization": "ok" })
    );
    assert_eq!(gateway.get("/v1/models").await.status, 200);
}

#[tokio::test]
async fn new_requests_are_refused_while_running_ones_go_on() {
    let core = FakeCore::default();
    let live = core.live(false);
    live.send(message(vec![start(), text("a")])).await;
    let gateway = TestGateway::start(core.service()).await;
    let mut running = gateway.raw_chat(STREAM).await;
    running.sees(r#"{"content":"a"}"#).await;
    gateway.stopping.refusing.cancel();

    for path in ["/v1/models", "/openapi.json", "/nothing"] {
        let reply = gateway.get(path).await;
        assert_eq!(reply.error(), (503, Some("shutting_down".to_owned())));
        assert_eq!(reply.header("connection"), Some("close"));
    }
    assert_eq!(gateway.get("/healthz").await.status, 200);

    live.send(message(vec![text("b")])).await;
    running.sees(r#"{"content":"b"}"#).await;
    drop(live);
    running.sees("data: [DONE]\n\n").await;
}

#[tokio::test]
async fn told_to_end_running_answers_end_with_an_error_and_the_gateway_ends() {
    let core = FakeCore::default();
    let streamed = core.live(false);
    streamed.send(message(vec![start(), text("a")])).await;
    let gateway = TestGateway::with(config(), core.service()).await;
    let mut stream = gateway.raw_chat(STREAM).await;
    stream.sees(r#"{"content":"a"}"#).await;
    let mut held = core.live(true);
    let mut whole = gateway.raw_chat(CHAT).await;
    held.asked().await;
    let idle = tokio::net::TcpStream::connect(gateway.address)
        .await
        .unwrap();

    gateway.stopping.ending.cancel();
    stream.ends().await;
    assert!(
        stream.seen.contains(r#""code":"shutting_down"}}"#),
        "{}",
        stream.seen
    );
    assert!(!stream.seen.contains("[DONE]"));
    whole.ends().await;
    assert!(whole.seen.starts_with("HTTP/1.1 503"), "{}", whole.seen);
    gateway.ended().await;
    drop(idle);
}
