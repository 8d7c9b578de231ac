//! Traces as a collector gets them, and as the instance shows them itself.

use std::time::{Duration, Instant};

use llm2api_test_support::{
    Answer, Deployment, Request, Script, ScriptedUpstream,
    scripted_collector::{CollectedSpan, ScriptedCollector, spans_of},
    within,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    canned,
    stage::{MODEL, Stage},
};

both_deployments! {
    a_chat_is_one_tree_from_the_clients_trace_to_the_upstream,
    spans_go_by_http_where_that_is_said,
    what_is_not_sampled_is_not_exported_and_shown_all_the_same,
    a_dead_collector_hinders_nobody_and_what_is_dropped_is_counted,
    a_kept_trace_is_shown_with_the_gateways_spans,
    metrics_have_a_key_of_their_own,
}

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
/// So that spans don't wait.
const SOON: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "50");
const EXPORT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Has a request answered that is part of the caller's trace, at the second attempt.
async fn traced_chat(stage: &Stage) -> Answer {
    stage.upstream.queue(Script::json(500, "{}"));
    stage.upstream.queue(canned::stream_text(&["Hello"]));
    let request = Request::chat(canned::ask(true)).header("traceparent", CALLER);
    stage.instance.exchange(&request).await
}

/// The spans as a tree: each line a span, after its parent's and further in.
fn tree(spans: &[CollectedSpan], parent_id: &str, depth: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for span in spans.iter().filter(|span| span.parent_id == parent_id) {
        let failed = if span.is_error { " failed" } else { "" };
        lines.push(format!("{}{}{failed}", "  ".repeat(depth), span.name));
        lines.extend(tree(spans, &span.id, depth + 1));
    }
    lines
}

fn attribute<'a>(spans: &'a [CollectedSpan], name: &str, key: &str) -> Vec<&'a Value> {
    spans
        .iter()
        .filter(|span| span.name == name)
        .filter_map(|span| span.attributes.get(key))
        .collect()
}

async fn a_chat_is_one_tree_from_the_clients_trace_to_the_upstream(deployment: Deployment) {
    let collector = ScriptedCollector::start().await;
    let url = collector.url();
    let settings = [
        (EXPORT, url.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        SOON,
    ];
    let stage = Stage::with(deployment, &settings).await;
    let answer = traced_chat(&stage).await;
    assert_eq!(answer.header("x-trace-id"), Some(TRACE_ID));
    let spans = collector.trace(TRACE_ID, 7).await;
    let attempt = format!("chat {MODEL}");
    let lines = tree(&spans, "00f067aa0ba902b7", 0);
    assert_eq!(
        lines,
        [
            "POST /v1/chat/completions".to_owned(),
            "  llm2api.v1.ChatService/Chat".to_owned(),
            "    llm2api.v1.ChatService/Chat".to_owned(),
            format!("      {attempt} failed"),
            "        POST failed".to_owned(),
            format!("      {attempt}"),
            "        POST".to_owned(),
        ],
        "{spans:#?}"
    );
    assert_eq!(
        attribute(&spans, &attempt, "llm2api.attempt.number"),
        [&json!(1), &json!(2)]
    );
    let (gateway, core) = match deployment {
        Deployment::Serve => ("llm2api", "llm2api"),
        Deployment::Split => ("llm2api-gateway", "llm2api-core"),
    };
    let services: Vec<_> = spans
        .iter()
        .filter(|span| span.name == "POST /v1/chat/completions" || span.name == attempt)
        .map(|span| span.service.as_str())
        .collect();
    assert_eq!(
        services.iter().filter(|name| **name == core).count(),
        if core == gateway { 3 } else { 2 }
    );
    assert!(services.contains(&gateway));
    // The upstream was told of the span that called it.
    let calls: Vec<_> = spans.iter().filter(|span| span.name == "POST").collect();
    for chat in stage.upstream.chats() {
        let told = chat.head.header("traceparent").unwrap();
        assert!(
            calls
                .iter()
                .any(|span| told == format!("00-{TRACE_ID}-{}-01", span.id)),
            "{told}"
        );
    }
}

async fn spans_go_by_http_where_that_is_said(deployment: Deployment) {
    let collector = ScriptedUpstream::start(&[]).await;
    collector.answer_others(Script::json(200, ""));
    let url = format!("http://{}", collector.address());
    let settings = [
        (EXPORT, url.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-backend-key=k"),
        SOON,
    ];
    let stage = Stage::with(deployment, &settings).await;
    traced_chat(&stage).await;
    let came = async {
        loop {
            let requests = collector.other_requests();
            let spans: Vec<_> = requests
                .iter()
                .filter(|request| request.path == "/v1/traces")
                .inspect(|request| assert_eq!(request.head.header("x-backend-key"), Some("k")))
                .flat_map(|request| {
                    spans_of(ExportTraceServiceRequest::decode(request.body.clone()).unwrap())
                })
                .collect();
            if spans
                .iter()
                .filter(|span| span.trace_id == TRACE_ID)
                .count()
                == 7
            {
                return;
            }
            collector.has_other_requests(requests.len() + 1).await;
        }
    };
    within("all spans", came).await;
}

async fn what_is_not_sampled_is_not_exported_and_shown_all_the_same(deployment: Deployment) {
    let collector = ScriptedCollector::start().await;
    let url = collector.url();
    let settings = [
        (EXPORT, url.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0"),
        SOON,
    ];
    let mut stage = Stage::with(deployment, &settings).await;
    let sampled = CALLER.replace("b7-00", "b7-01");
    let request = Request::chat(canned::ask(true)).header("traceparent", &sampled);
    stage.upstream.queue(canned::stream_text(&["Hello"]));
    stage.instance.exchange(&request).await;
    let shown = whole_trace(&stage).await;
    assert_eq!(shown["status"], "ok");
    // What waited is sent before the end.
    stage.instance.terminate();
    stage.instance.ended().await;
    assert_eq!(collector.spans().len(), 0);
}

async fn a_dead_collector_hinders_nobody_and_what_is_dropped_is_counted(deployment: Deployment) {
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let settings = [
        (EXPORT, url.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "8"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "200"),
        ("DRAIN_DELAY", "0"),
        SOON,
    ];
    let mut stage = Stage::with(deployment, &settings).await;
    let began = Instant::now();
    for _ in 0..50 {
        stage.upstream.queue(canned::stream_text(&["Hello"]));
        assert_eq!(stage.instance.chat(canned::ask(true)).await.status, 200);
    }
    assert!(began.elapsed() < Duration::from_secs(20));
    let dropped = async {
        loop {
            let status = stage.instance.administer(Request::get("/status")).await;
            let dropped = status.json()["telemetry_dropped"].as_i64().unwrap();
            let log = stage.instance.log();
            let is_told =
                log.contains("spans can't be sent") && log.contains(&format!("{url} by grpc"));
            if dropped > 0 && is_told {
                return;
            }
        }
    };
    within("the count of what was dropped, and a warning", dropped).await;
    stage.instance.terminate();
    assert!(stage.instance.ended().await.success());
}

/// The trace as the instance shows it, once it is whole.
async fn whole_trace(stage: &Stage) -> Value {
    let shown = async {
        loop {
            let path = format!("/traces/{TRACE_ID}");
            let trace = stage.instance.administer(Request::get(&path)).await;
            if trace.status == 200 {
                let trace = trace.json();
                let spans = trace["spans"].as_array().unwrap();
                if spans
                    .iter()
                    .any(|span| span["name"] == "POST /v1/chat/completions")
                {
                    return trace;
                }
            }
        }
    };
    within("a whole trace", shown).await
}

async fn a_kept_trace_is_shown_with_the_gateways_spans(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    traced_chat(&stage).await;
    let trace = whole_trace(&stage).await;
    assert_eq!(
        (&trace["status"], &trace["attempts"], &trace["model"]),
        (&json!("ok"), &json!(2), &json!(MODEL))
    );
    let services: Vec<_> = trace["spans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|span| {
            (
                span["kind"].as_str().unwrap(),
                span["service"].as_str().unwrap(),
            )
        })
        .collect();
    let (gateway, core) = match deployment {
        Deployment::Serve => ("llm2api", "llm2api"),
        Deployment::Split => ("llm2api-gateway", "llm2api-core"),
    };
    assert_eq!(
        services[..3],
        [("server", gateway), ("client", gateway), ("server", core)]
    );
}

async fn metrics_have_a_key_of_their_own(deployment: Deployment) {
    let settings = [("METRICS_KEY", "metrics-key"), ("API_KEY", "client-key")];
    let stage = Stage::with(deployment, &settings).await;
    let get = |path: &str, key: &str| Request::get(path).bearer(key);
    let metrics = stage
        .instance
        .exchange(&get("/metrics", "metrics-key"))
        .await;
    assert_eq!(metrics.status, 200);
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    for name in ["llm2api_build_info", "http_server_active_requests"] {
        assert!(text.contains(name), "{text}");
    }
    for (path, key, status) in [
        ("/metrics", "client-key", 403),
        ("/metrics", "wrong", 401),
        ("/status", "metrics-key", 401),
        ("/v1/models", "metrics-key", 401),
    ] {
        let answer = stage.instance.exchange(&get(path, key)).await;
        assert_eq!(answer.status, status, "{path} {key}");
    }
    assert_eq!(
        stage
            .instance
            .administer(Request::get("/metrics"))
            .await
            .status,
        200
    );
}
