//! Paths: what is where, and what is said where nothing is.

use http::Method;
use llm2api_gateway::config::Config;
use llm2api_proto::v1::Status;

use crate::{
    fake_core::{FakeCore, answer},
    gateway::{TestGateway, config, request},
};

#[tokio::test]
async fn an_unknown_path_is_told_where_the_api_is() {
    let gateway = TestGateway::start(FakeCore::default().service()).await;
    for path in [
        "/chat/completions",
        "/v1",
        "/v1/",
        "/v1/chat/completions/",
        "/v1/embeddings",
        "/web/v1",
        "/web/v1/embeddings",
    ] {
        let reply = gateway.get(path).await;
        assert_eq!(
            reply.error(),
            (404, Some("unknown_url".to_owned())),
            "{path}"
        );
        assert!(reply.text().contains("/v1/chat/completions"));
        assert!(reply.header("x-request-id").is_some());
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let gateway = TestGateway::start(FakeCore::default().service()).await;
    for (method, path, allow) in [
        (Method::GET, "/v1/chat/completions", "POST"),
        (Method::DELETE, "/v1/models/m", "GET,HEAD"),
        (Method::POST, "/v1/models", "GET,HEAD"),
        (Method::POST, "/openapi.json", "GET,HEAD"),
        (Method::POST, "/healthz", "GET,HEAD"),
    ] {
        let reply = gateway.send(request(method, path, &[], "")).await;
        assert_eq!(
            reply.error(),
            (405, Some("method_not_supported".to_owned())),
            "{path}"
        );
        assert_eq!(reply.header("allow"), Some(allow), "{path}");
    }
}

#[tokio::test]
async fn with_a_prefix_everything_but_the_probes_lives_under_it() {
    let core = FakeCore::default();
    core.sends(answer("hi"));
    let config = Config {
        api_path: Some("s3cret/x".to_owned()),
        ..config()
    };
    let gateway = TestGateway::with(config, core.service()).await;
    let chat = request(
        Method::POST,
        "/s3cret/x/v1/chat/completions",
        &[("content-type", "application/json")],
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#,
    );
    assert_eq!(gateway.send(chat).await.status, 200);
    assert_eq!(core.checks()[0].route, "POST /v1/chat/completions");
    assert_eq!(gateway.get("/s3cret/x/openapi.json").await.status, 200);
    assert_eq!(gateway.get("/healthz").await.status, 200);
    assert_eq!(gateway.get("/readyz").await.status, 200);

    let root = gateway.get("/s3cret/x").await;
    assert_eq!(
        (root.status.as_u16(), root.header("location")),
        (308, Some("/s3cret/x/"))
    );
    for path in [
        "/",
        "/v1/models",
        "/openapi.json",
        "/s3cret",
        "/s3cret/x/healthz",
        "/s3cret/xy",
    ] {
        let reply = gateway.get(path).await;
        assert_eq!(
            reply.error(),
            (404, Some("unknown_url".to_owned())),
            "{path}"
        );
        assert!(
            !reply.text().contains("/v1") && !reply.text().contains("s3cret"),
            "{}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn every_documented_route_is_there() {
    let core = FakeCore::default();
    core.has_models(&["m"]);
    // Otherwise it is streamed for ever.
    core.has_figures(Status::default(), Some(tonic::Status::cancelled("")));
    let gateway = TestGateway::start(core.service()).await;
    let document = gateway.get("/openapi.json").await.json();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let reply = gateway
                .send(request(method, &path.replace("{id}", "m"), &[], ""))
                .await;
            assert!(![404, 405].contains(&reply.status.as_u16()), "{path}");
        }
    }
}

#[tokio::test]
async fn headers_may_have_as_many_bytes_as_openai_lets_them_have() {
    let gateway = TestGateway::start(FakeCore::default().service()).await;
    let long = "a".repeat(60_000);
    let reply = gateway
        .send(request(Method::GET, "/v1/models", &[("x-long", &long)], ""))
        .await;
    assert_eq!(reply.status, 200);
}
