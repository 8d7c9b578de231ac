//! `/status`, `/status/stream`, `/traces` and `/metrics`: what the core tells, as JSON and text.

use std::collections::HashMap;

use http::Method;
use llm2api_proto::{
    ContractError,
    v1::{
        AuthorizationState, CookieFigures, ErrorReason, Figures, GetMetricsRequest,
        GetStatusRequest, GetTraceRequest, GetTraceResponse, KeyFigures, ListTracesRequest,
        ListTracesResponse, ModelFigures, Percentiles, SearchState, Span, Status, StatusView,
        TimelinePoint, Tokens, Trace, UpstreamFigures, WatchStatusRequest, Windows,
    },
};
use prost_types::Timestamp;
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    fake_core::{FakeCore, time},
    gateway::{RawConnection, TestGateway, in_time, request},
};

fn half_past(seconds: i64) -> Timestamp {
    Timestamp {
        seconds,
        nanos: 500_000_000,
    }
}

fn figures() -> Status {
    let minute = Figures {
        requests: 10,
        errors: 2,
        cancelled: 1,
        rejected: 1,
        latency_seconds: Some(Percentiles {
            p50: 0.5,
            p95: 1.5,
            p99: 2.5,
        }),
        first_token_seconds: None,
        tokens: Some(Tokens {
            input: 30,
            output: 20,
            estimated: 5,
        }),
        errors_by_code: HashMap::from([("upstream_error".to_owned(), 2)]),
    };
    let windows = Some(Windows {
        minute: Some(minute.clone()),
        ..Windows::default()
    });
    Status {
        started_at: Some(time(1_700_000_000)),
        uptime_seconds: 3.25,
        version: "1.2.3".to_owned(),
        authorization: Some(AuthorizationState {
            state: "valid".to_owned(),
            reason: String::new(),
            expires_at: Some(time(1_800_000_000)),
            has_authority: true,
        }),
        in_flight: 4,
        windows: windows.clone(),
        models: vec![ModelFigures {
            id: "m".to_owned(),
            windows: windows.clone(),
        }],
        upstreams: vec![UpstreamFigures {
            name: "vllm".to_owned(),
            kind: "openai".to_owned(),
            state: "failing".to_owned(),
            reason: "It answered with 500.".to_owned(),
            in_flight: 1,
            ..UpstreamFigures::default()
        }],
        cookies: vec![CookieFigures {
            id: "ck_1".to_owned(),
            upstream: "chat".to_owned(),
            state: "cooling".to_owned(),
            reason: "rate_limit".to_owned(),
            cooldown_until: Some(half_past(1_700_000_020)),
            ..CookieFigures::default()
        }],
        keys: vec![KeyFigures {
            id: "key_1".to_owned(),
            label: "team".to_owned(),
            windows: None,
        }],
        telemetry_dropped: 7,
        timeline: vec![TimelinePoint {
            begins_at: Some(half_past(1_700_000_000)),
            seconds: 1.0,
            figures: Some(minute),
        }],
        search: Some(SearchState {
            instances: vec!["search.example".to_owned()],
            is_default: true,
        }),
    }
}

fn figures_as_json() -> serde_json::Value {
    let none = json!({
        "requests": 0, "errors": 0, "cancelled": 0, "rejected": 0,
        "latency_seconds": null, "first_token_seconds": null,
        "tokens": {"input": 0, "output": 0, "estimated": 0}, "errors_by_code": {},
    });
    let minute = json!({
        "requests": 10, "errors": 2, "cancelled": 1, "rejected": 1,
        "latency_seconds": {"p50": 0.5, "p95": 1.5, "p99": 2.5}, "first_token_seconds": null,
        "tokens": {"input": 30, "output": 20, "estimated": 5}, "errors_by_code": {"upstream_error": 2},
    });
    let windows = |minute: &serde_json::Value| json!({"minute": minute, "hour": none, "day": none, "month": none, "total": none});
    json!({
        "object": "status", "started_at": 1_700_000_000, "uptime_seconds": 3.25, "version": "1.2.3",
        "authorization": {"state": "valid", "reason": null, "expires_at": 1_800_000_000, "has_authority": true},
        "in_flight": 4, "windows": windows(&minute),
        "models": [{"id": "m", "windows": windows(&minute)}],
        "upstreams": [{
            "name": "vllm", "kind": "openai", "state": "failing", "reason": "It answered with 500.",
            "in_flight": 1, "windows": windows(&none),
        }],
        "cookies": [{
            "id": "ck_1", "upstream": "chat", "label": null, "preview": null, "state": "cooling", "reason": "rate_limit",
            "last_error": null, "cooldown_until": 1_700_000_021, "in_flight": 0, "windows": windows(&none),
        }],
        "keys": [{"id": "key_1", "label": "team", "windows": windows(&none)}],
        "telemetry_dropped": 7,
        "timeline": [{"begins_at": 1_700_000_000.5, "seconds": 1.0, "figures": minute}],
        "search": {"instances": ["search.example"], "is_default": true},
    })
}

#[tokio::test]
async fn the_figures_are_told_as_the_core_has_them() {
    let core = FakeCore::default();
    core.has_figures(figures(), None);
    let gateway = TestGateway::start(core.service()).await;
    let reply = gateway.get("/status").await;
    assert_eq!(
        (reply.status.as_u16(), reply.json()),
        (200, figures_as_json())
    );
    let view = |request: GetStatusRequest| request.view.unwrap();
    assert_eq!(view(core.asked()), StatusView::default());
    gateway.get("/status?timeline=hour&limit=20").await;
    assert_eq!(
        view(core.asked()),
        StatusView {
            list_limit: 20,
            timeline: "hour".to_owned(),
        }
    );
    for (query, param) in [("limit=0", "limit"), ("limit=x", "limit"), ("top=1", "top")] {
        for path in ["/status", "/status/stream"] {
            let reply = gateway.get(&format!("{path}?{query}")).await;
            assert_eq!(reply.status, 400, "{path}?{query}");
            assert_eq!(reply.json()["error"]["param"], param);
        }
    }
    assert!(core.was_not_asked());
}

#[tokio::test]
async fn what_is_not_known_of_the_figures_is_null() {
    let core = FakeCore::default();
    let gateway = TestGateway::start(core.service()).await;
    let json = gateway.get("/status").await.json();
    assert_eq!(
        (&json["authorization"], &json["started_at"], &json["models"]),
        (&json!(null), &json!(null), &json!([]))
    );
}

async fn watched(gateway: &TestGateway) -> RawConnection {
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream
        .write_all(b"GET /status/stream?timeline=minute HTTP/1.1\r\nhost: gateway\r\n\r\n")
        .await
        .unwrap();
    let mut connection = RawConnection {
        stream,
        seen: String::new(),
    };
    connection.sees("\n\n\r\n").await;
    connection
}

#[tokio::test]
async fn the_figures_are_streamed_as_events_until_the_client_leaves() {
    let core = FakeCore::default();
    core.has_figures(figures(), None);
    let gateway = TestGateway::start(core.service()).await;
    let connection = watched(&gateway).await;
    assert!(connection.seen.contains("content-type: text/event-stream"));
    let (_, event) = connection.seen.split_once("data: ").unwrap();
    let (event, _) = event.split_once("\n\n").unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(event).unwrap(),
        figures_as_json()
    );
    assert_eq!(
        core.asked::<WatchStatusRequest>(),
        WatchStatusRequest {
            view: Some(StatusView {
                list_limit: 0,
                timeline: "minute".to_owned(),
            }),
            interval: None,
        }
    );
    drop(connection);
    in_time(core.is_watched_no_more()).await;
}

#[tokio::test]
async fn a_stream_of_figures_tells_why_it_ends() {
    let core = FakeCore::default();
    let end = ContractError::new(ErrorReason::ShuttingDown, "Later.");
    core.has_figures(figures(), Some(end.into()));
    let gateway = TestGateway::start(core.service()).await;
    let reply = gateway.get("/status/stream").await;
    let (_, last) = reply.text().trim_end().rsplit_once("data: ").unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(last).unwrap()["error"]["code"],
        "shutting_down"
    );
}

#[tokio::test]
async fn who_watches_does_not_delay_the_end_of_the_process() {
    let core = FakeCore::default();
    core.has_figures(figures(), None);
    let gateway = TestGateway::start(core.service()).await;
    let mut connection = watched(&gateway).await;
    gateway.stopping.refusing.cancel();
    connection.sees("\r\n0\r\n\r\n").await;
    gateway.stopping.running.close();
    in_time(gateway.stopping.running.wait()).await;
}

#[tokio::test]
async fn traces_are_listed_and_told_with_their_spans() {
    let core = FakeCore::default();
    let trace = Trace {
        id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
        started_at: Some(half_past(1_700_000_000)),
        duration_seconds: 1.25,
        status: "error".to_owned(),
        error_code: "upstream_error".to_owned(),
        model: "m".to_owned(),
        upstream: "vllm".to_owned(),
        attempts: 2,
        first_token_seconds: Some(0.5),
        input_tokens: Some(0),
        output_tokens: None,
    };
    let bare = Trace {
        id: "00000000000000000000000000000001".to_owned(),
        status: "rejected".to_owned(),
        ..Trace::default()
    };
    let span = Span {
        id: "00f067aa0ba902b7".to_owned(),
        parent_id: "00f067aa0ba902b8".to_owned(),
        name: "chat m".to_owned(),
        kind: "client".to_owned(),
        service: "llm2api".to_owned(),
        started_at: Some(half_past(1_700_000_000)),
        duration_seconds: 1.0,
        status: "error".to_owned(),
        status_message: String::new(),
        attributes_json: r#"{"error.type":"500","llm2api.attempt.number":2}"#.to_owned(),
    };
    core.has_traces(
        ListTracesResponse {
            traces: vec![trace.clone(), bare],
            next_page_token: "x".to_owned(),
        },
        GetTraceResponse {
            trace: Some(trace),
            spans: vec![span, Span::default()],
        },
    );
    let gateway = TestGateway::start(core.service()).await;
    let query = "limit=2&after=a&status=error&model=meta%2Fm&min_seconds=0.5";
    let reply = gateway.get(&format!("/traces?{query}")).await;
    let trace = json!({
        "id": "4bf92f3577b34da6a3ce929d0e0e4736", "object": "trace", "started_at": 1_700_000_000.5, "duration_seconds": 1.25,
        "status": "error", "error_code": "upstream_error", "model": "m", "upstream": "vllm", "attempts": 2,
        "first_token_seconds": 0.5, "input_tokens": 0, "output_tokens": null,
    });
    assert_eq!(
        reply.json(),
        json!({
            "object": "list", "has_more": true, "last_id": "00000000000000000000000000000001",
            "data": [trace, {
                "id": "00000000000000000000000000000001", "object": "trace", "started_at": null, "duration_seconds": 0.0,
                "status": "rejected", "error_code": null, "model": null, "upstream": null, "attempts": 0,
                "first_token_seconds": null, "input_tokens": null, "output_tokens": null,
            }],
        })
    );
    assert_eq!(
        core.asked::<ListTracesRequest>(),
        ListTracesRequest {
            page_size: 2,
            page_token: "a".to_owned(),
            status: "error".to_owned(),
            model: "meta/m".to_owned(),
            min_seconds: 0.5,
        }
    );

    let reply = gateway
        .get("/traces/4bf92f3577b34da6a3ce929d0e0e4736")
        .await;
    let mut whole = trace;
    whole["spans"] = json!([{
        "id": "00f067aa0ba902b7", "parent_id": "00f067aa0ba902b8", "name": "chat m", "kind": "client", "service": "llm2api",
        "started_at": 1_700_000_000.5, "duration_seconds": 1.0, "status": "error", "status_message": null,
        "attributes": {"error.type": "500", "llm2api.attempt.number": 2},
    }, {
        "id": "", "parent_id": null, "name": "", "kind": "", "service": "", "started_at": null, "duration_seconds": 0.0,
        "status": "", "status_message": null, "attributes": {},
    }]);
    assert_eq!(reply.json(), whole);
    assert_eq!(
        core.asked::<GetTraceRequest>().id,
        "4bf92f3577b34da6a3ce929d0e0e4736"
    );
}

#[tokio::test]
async fn a_question_for_traces_that_makes_no_sense_is_refused() {
    let core = FakeCore::default();
    let gateway = TestGateway::start(core.service()).await;
    for (query, param) in [
        ("limit=1001", "limit"),
        ("min_seconds=-1", "min_seconds"),
        ("min_seconds=NaN", "min_seconds"),
        ("state=ok", "state"),
    ] {
        let reply = gateway.get(&format!("/traces?{query}")).await;
        assert_eq!(reply.status, 400, "{query}");
        assert_eq!(reply.json()["error"]["param"], param);
    }
    assert!(core.was_not_asked());
    let not_kept = ContractError::new(ErrorReason::TraceNotFound, "It is not kept.");
    core.refuses_administration(not_kept);
    let reply = gateway.get("/traces/1").await;
    assert_eq!(reply.error(), (404, Some("trace_not_found".to_owned())));
}

#[tokio::test]
async fn metrics_are_the_cores_and_the_gateways() {
    let core = FakeCore::default();
    core.has_metrics("# TYPE llm2api_attempts_total counter\nllm2api_attempts_total 1\n");
    let gateway = TestGateway::start(core.service()).await;
    let reply = gateway.get("/metrics").await;
    assert_eq!(
        (reply.header("content-type"), reply.text()),
        (
            Some("text/plain; version=0.0.4; charset=utf-8"),
            "# TYPE llm2api_attempts_total counter\n\
             llm2api_attempts_total 1\n\
             # HELP http_server_active_requests HTTP requests that are being answered.\n\
             # TYPE http_server_active_requests gauge\n\
             http_server_active_requests 1\n\
             # HELP http_server_request_duration_seconds Duration of HTTP requests, to the end of their answers.\n\
             # TYPE http_server_request_duration_seconds histogram\n"
        )
    );
    assert_eq!(core.asked::<GetMetricsRequest>(), GetMetricsRequest {});
}

#[tokio::test]
async fn the_core_is_asked_whether_monitoring_is_allowed_and_other_origins_are_kept_out() {
    let core = FakeCore::default();
    let gateway = TestGateway::start(core.service()).await;
    for (path, route) in [
        ("/status", "GET /status"),
        ("/status/stream", "GET /status/stream"),
        ("/traces", "GET /traces"),
        ("/traces/1", "GET /traces/{id}"),
        ("/metrics", "GET /metrics"),
    ] {
        core.refuses(ContractError::new(ErrorReason::InvalidApiKey, "No."));
        let reply = gateway.get(path).await;
        assert_eq!(reply.error(), (401, Some("invalid_api_key".to_owned())));
        assert_eq!(core.checks().last().unwrap().route, route);
        let asked_before = core.checks().len();
        let origin = [("origin", "https://elsewhere.example")];
        let reply = gateway.send(request(Method::GET, path, &origin, "")).await;
        assert_eq!(reply.status, 403, "{path}");
        assert_eq!(core.checks().len(), asked_before);
    }
    assert!(core.was_not_asked());
}
