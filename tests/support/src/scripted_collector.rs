//! A collector of spans, as OTLP's gRPC has it.

use std::{collections::BTreeMap, net::SocketAddr};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{AnyValue, KeyValue, any_value},
    trace::v1::{Span, status::StatusCode},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tonic::{
    Request, Response, Status, async_trait,
    transport::server::{Server, TcpIncoming},
};

use crate::within;

/// A collector of spans. Ends when dropped.
#[derive(Debug)]
pub struct ScriptedCollector {
    address: SocketAddr,
    spans: watch::Receiver<Vec<CollectedSpan>>,
    _server: JoinSet<()>,
}

/// A span that came.
#[derive(Debug, Clone)]
pub struct CollectedSpan {
    /// The trace's id, in hexadecimal digits.
    pub trace_id: String,
    /// Its own, too.
    pub id: String,
    /// Its parent's. Empty: it has none.
    pub parent_id: String,
    /// Its name.
    pub name: String,
    /// The service that made it.
    pub service: String,
    /// Whether it failed.
    pub is_error: bool,
    /// What is known of it.
    pub attributes: BTreeMap<String, Value>,
}

impl ScriptedCollector {
    /// Starts one on a port of its own.
    ///
    /// # Panics
    ///
    /// Where no port can be had.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let (sender, spans) = watch::channel(Vec::new());
        let server = Server::builder()
            .add_service(TraceServiceServer::new(Collector(sender)))
            .serve_with_incoming(TcpIncoming::from(listener));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { server.await.expect("the collector serves") });
        Self {
            address,
            spans,
            _server: tasks,
        }
    }

    /// Its address as `OTEL_EXPORTER_OTLP_ENDPOINT` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans that came.
    #[must_use]
    pub fn spans(&self) -> Vec<CollectedSpan> {
        self.spans.borrow().clone()
    }

    /// Waits until so many spans of a trace have come.
    ///
    /// # Panics
    ///
    /// When they don't come.
    pub async fn trace(&self, trace_id: &str, count: usize) -> Vec<CollectedSpan> {
        let of_trace = |spans: &Vec<CollectedSpan>| -> Vec<CollectedSpan> {
            let spans = spans.iter().filter(|span| span.trace_id == trace_id);
            spans.cloned().collect()
        };
        let mut spans = self.spans.clone();
        let wait = spans.wait_for(|spans| of_trace(spans).len() >= count);
        let spans = within("a trace's spans", wait).await;
        of_trace(&spans.expect("the collector runs"))
    }
}

impl CollectedSpan {
    fn new(span: Span, service: &str) -> Self {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            trace_id: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent_id: hex(&span.parent_span_id),
            service: service.to_owned(),
            is_error: span
                .status
                .is_some_and(|status| status.code() == StatusCode::Error),
            attributes: attributes(span.attributes),
            name: span.name,
        }
    }
}

/// Reads what came in one request, over whatever it came.
#[must_use]
pub fn spans_of(request: ExportTraceServiceRequest) -> Vec<CollectedSpan> {
    let mut spans = Vec::new();
    for resource_spans in request.resource_spans {
        let resource = attributes(resource_spans.resource.unwrap_or_default().attributes);
        let service = resource.get("service.name").and_then(Value::as_str);
        for scope in resource_spans.scope_spans {
            spans.extend(
                scope
                    .spans
                    .into_iter()
                    .map(|span| CollectedSpan::new(span, service.unwrap_or_default())),
            );
        }
    }
    spans
}

fn attributes(attributes: Vec<KeyValue>) -> BTreeMap<String, Value> {
    attributes
        .into_iter()
        .map(|attribute| (attribute.key, value(attribute.value)))
        .collect()
}

fn value(value: Option<AnyValue>) -> Value {
    match value.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => json!(text),
        Some(any_value::Value::BoolValue(value)) => json!(value),
        Some(any_value::Value::IntValue(value)) => json!(value),
        Some(any_value::Value::DoubleValue(value)) => json!(value),
        Some(any_value::Value::ArrayValue(values)) => values
            .values
            .into_iter()
            .map(|one| self::value(Some(one)))
            .collect(),
        _ => Value::Null,
    }
}

struct Collector(watch::Sender<Vec<CollectedSpan>>);

#[async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let new = spans_of(request.into_inner());
        self.0.send_modify(|spans| spans.extend(new));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
