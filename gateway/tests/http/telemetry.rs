//! Spans of requests and of the calls within them, and metrics of requests.

use std::sync::Arc;

use http::Method;
use llm2api_gateway::{Telemetry, config::Config};
use llm2api_proto::{ContractError, Sampler, SpanSink, v1::ErrorReason};
use opentelemetry::trace::{SpanId, SpanKind, Status, TraceId};
use opentelemetry_sdk::trace::SpanData;
use tokio::sync::mpsc;

use crate::{
    fake_core::{FakeCore, answer, finish, message, start, text},
    gateway::{Reply, TestGateway, chat_request, config, in_time, request},
};

const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const STREAMED: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}"#;
const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

/// Takes spans, one request's at a time.
struct Sink(mpsc::Sender<Vec<SpanData>>);

impl SpanSink for Sink {
    fn take(&self, spans: Vec<SpanData>) {
        self.0.try_send(spans).unwrap();
    }
}

/// What came to a sink.
struct Spans(mpsc::Receiver<Vec<SpanData>>);

impl Spans {
    async fn next(&mut self) -> Vec<SpanData> {
        in_time(self.0.recv()).await.unwrap()
    }

    fn is_empty(&mut self) -> bool {
        self.0.try_recv().is_err()
    }
}

fn sink() -> (Arc<dyn SpanSink>, Spans) {
    let (sender, spans) = mpsc::channel(16);
    (Arc::new(Sink(sender)), Spans(spans))
}

async fn exporting(core: &FakeCore, config: Config) -> (TestGateway, Spans) {
    let (exporter, spans) = sink();
    let telemetry = Telemetry::new(Sampler::AlwaysOn, true, Some(exporter), None);
    let gateway = TestGateway::telling(telemetry, config, core.service()).await;
    (gateway, spans)
}

async fn monitored(core: &FakeCore) -> (TestGateway, Spans) {
    let (monitor, spans) = sink();
    let telemetry = Telemetry::new(Sampler::AlwaysOn, true, None, Some(monitor));
    let gateway = TestGateway::telling(telemetry, config(), core.service()).await;
    (gateway, spans)
}

async fn chat_as(gateway: &TestGateway, body: &str, headers: &[(&str, &str)]) -> Reply {
    let mut chat = chat_request(body);
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().unwrap();
        chat.headers_mut().insert(name, value.parse().unwrap());
    }
    gateway.send(chat).await
}

/// The attributes, each as `name=value`, sorted.
fn attributes(span: &SpanData) -> Vec<String> {
    let mut attributes: Vec<_> = span
        .attributes
        .iter()
        .map(|attribute| format!("{}={}", attribute.key, attribute.value))
        .collect();
    attributes.sort_unstable();
    attributes
}

/// The one of them that has this name.
fn attribute(span: &SpanData, name: &str) -> Option<String> {
    let attribute = span
        .attributes
        .iter()
        .find(|attribute| attribute.key.as_str() == name)?;
    Some(attribute.value.to_string())
}

#[tokio::test]
async fn a_chats_spans_continue_the_clients_trace_and_the_core_is_told_of_them() {
    let core = FakeCore::default();
    core.sends(answer("a"));
    let (gateway, mut spans) = exporting(&core, config()).await;
    let reply = chat_as(
        &gateway,
        CHAT,
        &[
            ("traceparent", CALLER),
            ("tracestate", "vendor=1"),
            ("x-request-id", "mine-1"),
            ("user-agent", "test/1"),
        ],
    )
    .await;
    let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
    assert_eq!(reply.header("x-trace-id"), Some(trace_id));
    let spans = spans.next().await;
    let [call, request] = spans.as_slice() else {
        panic!("{spans:?}");
    };

    assert_eq!(
        (request.name.as_ref(), &request.span_kind, &request.status),
        (
            "POST /v1/chat/completions",
            &SpanKind::Server,
            &Status::Unset
        )
    );
    assert_eq!(
        request.span_context.trace_id(),
        TraceId::from_hex(trace_id).unwrap()
    );
    assert_eq!(
        (request.parent_span_id, request.parent_span_is_remote),
        (SpanId::from_hex("00f067aa0ba902b7").unwrap(), true)
    );
    assert_eq!(
        attributes(request),
        [
            "client.address=127.0.0.1",
            "http.request.method=POST",
            "http.response.status_code=200",
            "http.route=/v1/chat/completions",
            "llm2api.request.id=mine-1",
            "network.protocol.version=1.1",
            "url.path=/v1/chat/completions",
            "url.scheme=http",
            "user_agent.original=test/1",
        ]
    );

    assert_eq!(
        (call.name.as_ref(), &call.span_kind, &call.status),
        (
            "llm2api.v1.ChatService/Chat",
            &SpanKind::Client,
            &Status::Unset
        )
    );
    assert_eq!(
        (call.parent_span_id, call.parent_span_is_remote),
        (request.span_context.span_id(), false)
    );
    assert_eq!(
        attributes(call),
        [
            "llm2api.request.id=mine-1",
            "rpc.method=llm2api.v1.ChatService/Chat",
            "rpc.status_code=OK",
            "rpc.system.name=grpc",
            "server.address=in-process",
        ]
    );
    assert!(request.start_time <= call.start_time && call.end_time <= request.end_time);

    let (metadata, _) = &core.chats()[0];
    let told = format!("00-{trace_id}-{}-01", call.span_context.span_id());
    assert_eq!(metadata.get("traceparent").unwrap(), &told);
    assert_eq!(metadata.get("tracestate").unwrap(), "vendor=1");
}

#[tokio::test]
async fn without_an_exporter_the_core_is_told_that_nothing_is_sampled() {
    let core = FakeCore::default();
    core.sends(answer("a"));
    let (gateway, _spans) = monitored(&core).await;
    let sampled = CALLER.replace("-00", "-01");
    let headers = [("traceparent", sampled.as_str())];
    let reply = chat_as(&gateway, CHAT, &headers).await;
    assert_eq!(reply.header("x-trace-id"), None);
    let (metadata, _) = &core.chats()[0];
    let told = metadata.get("traceparent").unwrap().to_str().unwrap();
    assert!(told.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    assert!(told.ends_with("-00"), "{told}");
    assert_eq!(metadata.get("tracestate"), None);
}

#[tokio::test]
async fn the_operators_sampler_decides_and_not_the_caller() {
    let core = FakeCore::default();
    core.sends(answer("a"));
    let (exporter, mut spans) = sink();
    let telemetry = Telemetry::new(Sampler::AlwaysOff, true, Some(exporter), None);
    let gateway = TestGateway::telling(telemetry, config(), core.service()).await;
    let sampled = CALLER.replace("-00", "-01");
    chat_as(&gateway, CHAT, &[("traceparent", sampled.as_str())]).await;
    gateway.stopping.running.close();
    in_time(gateway.stopping.running.wait()).await;
    assert!(spans.is_empty());
}

#[tokio::test]
async fn a_streams_spans_end_with_its_last_byte() {
    let core = FakeCore::default();
    let live = core.live(false);
    let (gateway, mut spans) = exporting(&core, config()).await;
    let mut client = gateway.raw_chat(STREAMED).await;
    live.send(message(vec![start(), text("a")])).await;
    client.sees("\"a\"").await;
    assert!(spans.is_empty());
    live.send(message(vec![finish()])).await;
    drop(live);
    client.sees("[DONE]").await;
    let spans = spans.next().await;
    assert_eq!(spans.len(), 2);
    assert_eq!(
        attribute(&spans[1], "http.response.status_code").as_deref(),
        Some("200")
    );
}

#[tokio::test]
async fn a_client_that_leaves_is_no_error() {
    let core = FakeCore::default();
    let mut live = core.live(false);
    let (gateway, mut spans) = exporting(&core, config()).await;
    let mut client = gateway.raw_chat(STREAMED).await;
    live.send(message(vec![start(), text("a")])).await;
    client.sees("\"a\"").await;
    drop(client);
    in_time(live.dropped()).await;
    let spans = spans.next().await;
    for span in &spans {
        assert_eq!(span.status, Status::Unset);
        assert_eq!(attribute(span, "error.type"), None);
    }
    assert_eq!(
        attribute(&spans[0], "rpc.status_code").as_deref(),
        Some("CANCELLED")
    );
    let metrics = gateway.get("/metrics").await;
    assert!(
        metrics.text().contains(
            r#"_count{http_request_method="POST",url_scheme="http",http_route="/v1/chat/completions",http_response_status_code="200"} 1"#
        ),
        "{}",
        metrics.text()
    );
}

#[tokio::test]
async fn a_failure_is_told_wherever_it_comes() {
    let core = FakeCore::default();
    let failure = || ContractError::new(ErrorReason::UpstreamError, "No.");
    core.fails(failure());
    core.sends(vec![
        message(vec![start(), text("a")]),
        Err(failure().into()),
    ]);
    core.fails(ContractError::new(ErrorReason::ModelNotFound, "No."));
    let (gateway, mut spans) = exporting(&core, config()).await;
    let told = |spans: &[SpanData]| {
        spans
            .iter()
            .map(|span| {
                let is_error = matches!(span.status, Status::Error { .. });
                let status = attribute(span, "http.response.status_code")
                    .or(attribute(span, "rpc.status_code"))
                    .unwrap();
                (status, is_error, attribute(span, "error.type"))
            })
            .collect::<Vec<_>>()
    };
    let expected = |status: &str, error: Option<&str>| {
        (status.to_owned(), error.is_some(), error.map(str::to_owned))
    };

    gateway.chat(CHAT).await;
    assert_eq!(
        told(&spans.next().await),
        [
            expected("UNAVAILABLE", Some("UNAVAILABLE")),
            expected("502", Some("upstream_error"))
        ]
    );
    gateway.chat(STREAMED).await;
    assert_eq!(
        told(&spans.next().await),
        [
            expected("UNAVAILABLE", Some("UNAVAILABLE")),
            expected("200", Some("upstream_error"))
        ]
    );
    gateway.chat(CHAT).await;
    assert_eq!(
        told(&spans.next().await),
        [
            expected("NOT_FOUND", Some("NOT_FOUND")),
            expected("404", None)
        ]
    );
    gateway.chat("{").await;
    assert_eq!(told(&spans.next().await), [expected("400", None)]);
}

#[tokio::test]
async fn the_monitor_gets_the_spans_of_kept_and_of_failed_chats_only() {
    let core = FakeCore::default();
    core.sends(answer("a"));
    core.sends(answer("a"));
    let (gateway, mut spans) = monitored(&core).await;
    assert_eq!(gateway.chat(CHAT).await.header("x-trace-id"), None);
    gateway.chat("{").await;
    core.refuses(ContractError::new(ErrorReason::InvalidApiKey, "No."));
    gateway.get("/v1/models").await;
    core.admits();
    core.keeps_traces();
    let reply = gateway.chat(CHAT).await;
    let kept = spans.next().await;
    assert_eq!(kept.len(), 2);
    assert_eq!(
        reply.header("x-trace-id"),
        Some(kept[0].span_context.trace_id().to_string().as_str())
    );
    core.fails(ContractError::new(ErrorReason::UpstreamError, "No."));
    gateway.chat(CHAT).await;
    assert_eq!(spans.next().await.len(), 2);
    assert!(spans.is_empty());
}

#[tokio::test]
async fn only_what_clients_use_has_spans_and_none_tells_the_prefix_or_a_query() {
    let core = FakeCore::default();
    core.has_models(&["meta/m"]);
    core.sends(answer("a"));
    let config = Config {
        api_path: Some("s3cret/x".to_owned()),
        ..config()
    };
    let (gateway, mut spans) = exporting(&core, config).await;
    for path in [
        "/healthz",
        "/s3cret/x/openapi.json",
        "/s3cret/x/cookies",
        "/s3cret/x/v1/nothing",
        "/v1/models",
    ] {
        let reply = gateway.get(path).await;
        assert_eq!(reply.header("x-trace-id"), None, "{path}");
    }
    gateway.get("/s3cret/x/v1/models/meta/m?key=sk-1").await;
    let chat = request(
        Method::POST,
        "/s3cret/x/v1/chat/completions?key=sk-1",
        &[
            ("content-type", "application/json"),
            ("origin", "https://chat.example"),
            ("authorization", "Bearer sk-1"),
        ],
        CHAT,
    );
    gateway.send(chat).await;
    let models = spans.next().await;
    assert_eq!(models.len(), 1);
    assert_eq!(models[0].name, "GET /v1/models/{id}");
    assert_eq!(
        attribute(&models[0], "url.path").as_deref(),
        Some("/v1/models/meta/m")
    );
    let chat = spans.next().await;
    assert_eq!(chat[1].name, "POST /v1/chat/completions");
    let all = format!("{models:?}{chat:?}");
    assert!(!all.contains("s3cret") && !all.contains("sk-1"), "{all}");
    assert!(spans.is_empty());
}

#[tokio::test]
async fn metrics_tell_every_request_once() {
    let core = FakeCore::default();
    core.has_metrics("# TYPE a counter\na 1");
    core.sends(answer("a"));
    core.sends(answer("a"));
    core.fails(ContractError::new(ErrorReason::UpstreamError, "No."));
    let gateway = TestGateway::start(core.service()).await;
    gateway.chat(CHAT).await;
    let of_a_page = [
        ("content-type", "application/json"),
        ("origin", "https://chat.example"),
    ];
    let path = "/v1/chat/completions";
    gateway
        .send(request(Method::POST, path, &of_a_page, CHAT))
        .await;
    gateway.chat(CHAT).await;
    gateway.get("/v1/models/a").await;
    gateway.get("/nothing").await;
    gateway
        .send(request(Method::POST, "/v1/models", &[], ""))
        .await;
    let reply = gateway.get("/metrics").await;
    let counts: Vec<_> = reply
        .text()
        .lines()
        .filter(|line| {
            line.starts_with("a ")
                || line.starts_with("http_server_active")
                || line.contains("_count{")
        })
        .map(|line| {
            line.replace("http_server_request_duration_seconds_count", "")
                .replace("http_", "")
                .replace(r#"url_scheme="http","#, "")
        })
        .collect();
    assert_eq!(
        counts,
        [
            "a 1",
            "server_active_requests 1",
            r#"{request_method="GET",response_status_code="404"} 1"#,
            r#"{request_method="GET",route="/v1/models/{id}",response_status_code="404"} 1"#,
            r#"{request_method="POST",route="/v1/chat/completions",response_status_code="200"} 2"#,
            r#"{request_method="POST",route="/v1/chat/completions",response_status_code="502",error_type="upstream_error"} 1"#,
            r#"{request_method="POST",route="/v1/models",response_status_code="405"} 1"#,
        ]
    );
}
