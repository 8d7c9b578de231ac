//! OTLP's `TraceService`: takes the spans of gateways in processes of their own, which complete the traces that are kept.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use llm2api_proto::{SpanSink, telemetry_names::SERVICE_NAME};
use opentelemetry::{
    Array, InstrumentationScope, KeyValue, StringValue, Value,
    trace::{SpanContext, SpanId, SpanKind, Status as SpanStatus, TraceFlags, TraceId, TraceState},
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::TraceService,
    },
    common::v1::{AnyValue, KeyValue as ProtoKeyValue, any_value},
    resource::v1::Resource,
    trace::v1::{Span, span, status::StatusCode},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use tonic::{Request, Response, Status, async_trait};

use crate::monitor::Monitor;

/// What a gateway calls itself here. Whoever else sends spans has taken us for a collector.
const GATEWAY: &str = "llm2api-gateway";
/// Spans that one call may have: a gateway sends fewer.
const MAX_SPANS: usize = 4096;

/// Gives the spans of gateways to the monitor.
pub(crate) struct OfGateways(pub(crate) Arc<Monitor>);

impl SpanSink for OfGateways {
    fn take(&self, spans: Vec<SpanData>) {
        self.0.complete(&spans, GATEWAY);
    }
}

/// The service.
#[derive(Clone)]
pub(crate) struct TraceRpc {
    pub(crate) sink: Arc<dyn SpanSink>,
}

#[async_trait]
impl TraceService for TraceRpc {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut taken = Vec::new();
        let mut rejected = 0_i64;
        for resource_spans in request.into_inner().resource_spans {
            let is_gateway = resource_spans.resource.as_ref().is_some_and(is_gateways);
            let scopes = resource_spans.scope_spans.into_iter();
            for span in scopes.flat_map(|scope| scope.spans) {
                let span = Some(span).filter(|_| is_gateway && taken.len() < MAX_SPANS);
                match span.and_then(read) {
                    Some(span) => taken.push(span),
                    None => rejected += 1,
                }
            }
        }
        if !taken.is_empty() {
            self.sink.take(taken);
        }
        let partial_success = (rejected > 0).then(|| ExportTracePartialSuccess {
            rejected_spans: rejected,
            error_message: format!(
                "only whole spans of {GATEWAY} are taken, {MAX_SPANS} at a time: this is no collector"
            ),
        });
        Ok(Response::new(ExportTraceServiceResponse {
            partial_success,
        }))
    }
}

fn is_gateways(resource: &Resource) -> bool {
    resource.attributes.iter().any(|attribute| {
        attribute.key == SERVICE_NAME
            && attribute
                .value
                .as_ref()
                .and_then(|value| value.value.as_ref())
                == Some(&any_value::Value::StringValue(GATEWAY.to_owned()))
    })
}

/// Reads a span. `None`: its ids are none.
fn read(span: Span) -> Option<SpanData> {
    let trace_id = TraceId::from_bytes(span.trace_id.try_into().ok()?);
    let span_id = SpanId::from_bytes(span.span_id.try_into().ok()?);
    let parent_span_id = match span.parent_span_id.is_empty() {
        true => SpanId::INVALID,
        false => SpanId::from_bytes(span.parent_span_id.try_into().ok()?),
    };
    if trace_id == TraceId::INVALID || span_id == SpanId::INVALID {
        return None;
    }
    let flags = TraceFlags::new((span.flags & 0xff) as u8);
    let span_kind = match span::SpanKind::try_from(span.kind) {
        Ok(span::SpanKind::Client) => SpanKind::Client,
        Ok(span::SpanKind::Server) => SpanKind::Server,
        Ok(span::SpanKind::Producer) => SpanKind::Producer,
        Ok(span::SpanKind::Consumer) => SpanKind::Consumer,
        Ok(span::SpanKind::Internal | span::SpanKind::Unspecified) | Err(_) => SpanKind::Internal,
    };
    let status = span.status.unwrap_or_default();
    let status = match status.code() {
        StatusCode::Unset => SpanStatus::Unset,
        StatusCode::Ok => SpanStatus::Ok,
        StatusCode::Error => SpanStatus::error(status.message),
    };
    Some(SpanData {
        span_context: SpanContext::new(trace_id, span_id, flags, true, TraceState::NONE),
        parent_span_id,
        parent_span_is_remote: false,
        span_kind,
        name: span.name.into(),
        start_time: time(span.start_time_unix_nano),
        end_time: time(span.end_time_unix_nano),
        attributes: span.attributes.into_iter().filter_map(attribute).collect(),
        dropped_attributes_count: span.dropped_attributes_count,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status,
        instrumentation_scope: InstrumentationScope::default(),
    })
}

fn time(nanoseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanoseconds)
}

fn attribute(attribute: ProtoKeyValue) -> Option<KeyValue> {
    let value = value(attribute.value?)?;
    Some(KeyValue::new(attribute.key, value))
}

/// Reads a value of those that our gateways send: one, or a list of texts.
fn value(value: AnyValue) -> Option<Value> {
    Some(match value.value? {
        any_value::Value::StringValue(text) => text.into(),
        any_value::Value::BoolValue(value) => value.into(),
        any_value::Value::IntValue(value) => value.into(),
        any_value::Value::DoubleValue(value) => value.into(),
        any_value::Value::ArrayValue(values) => {
            let texts = values.values.into_iter().map(|value| match value.value? {
                any_value::Value::StringValue(text) => Some(StringValue::from(text)),
                _ => None,
            });
            Value::Array(Array::String(texts.collect::<Option<_>>()?))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use llm2api_proto::{Parent, TraceContext};
    use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
    use opentelemetry_sdk::Resource as SdkResource;

    use super::*;

    #[derive(Default)]
    struct Taken(Mutex<Vec<SpanData>>);

    impl SpanSink for Taken {
        fn take(&self, spans: Vec<SpanData>) {
            self.0.lock().unwrap().extend(spans);
        }
    }

    fn span() -> SpanData {
        let context = TraceContext::root(true);
        let at = |milliseconds| UNIX_EPOCH + Duration::from_millis(milliseconds);
        llm2api_proto::Span {
            context: context.child(),
            parent: Some(Parent::here(context)),
            name: "POST /v1/chat/completions".into(),
            kind: SpanKind::Server,
            started_at: at(1_700_000_000_001),
            ended_at: at(1_700_000_000_002),
            status: SpanStatus::error("no"),
            attributes: vec![
                KeyValue::new("a", "b"),
                KeyValue::new("c", 502),
                KeyValue::new("d", 0.5),
                KeyValue::new("e", true),
            ],
        }
        .into()
    }

    /// Sends spans as this service. What was taken, and how many were rejected.
    async fn send(service: &'static str, spans: Vec<SpanData>) -> (Vec<SpanData>, i64) {
        let resource = SdkResource::builder_empty()
            .with_attribute(KeyValue::new(SERVICE_NAME, service))
            .build();
        let resource_spans = group_spans_by_resource_and_scope(spans, &(&resource).into());
        let taken = Arc::new(Taken::default());
        let rpc = TraceRpc {
            sink: Arc::clone(&taken) as Arc<dyn SpanSink>,
        };
        let request = Request::new(ExportTraceServiceRequest { resource_spans });
        let response = rpc.export(request).await.unwrap().into_inner();
        let rejected = response.partial_success.unwrap_or_default().rejected_spans;
        let taken = std::mem::take(&mut *taken.0.lock().unwrap());
        (taken, rejected)
    }

    #[tokio::test]
    async fn a_gateways_spans_arrive_as_they_were() {
        let sent = span();
        let (taken, rejected) = send(GATEWAY, vec![sent.clone()]).await;
        assert_eq!(rejected, 0);
        let [taken] = taken.as_slice() else {
            panic!("{taken:?}");
        };
        assert_eq!(
            (
                taken.span_context.trace_id(),
                taken.span_context.span_id(),
                taken.parent_span_id
            ),
            (
                sent.span_context.trace_id(),
                sent.span_context.span_id(),
                sent.parent_span_id
            )
        );
        assert_eq!(
            (&taken.name, &taken.span_kind, &taken.status),
            (&sent.name, &sent.span_kind, &sent.status)
        );
        assert_eq!(
            (taken.start_time, taken.end_time),
            (sent.start_time, sent.end_time)
        );
        assert_eq!(taken.attributes, sent.attributes);
    }

    #[tokio::test]
    async fn spans_of_others_are_not_taken_and_that_is_told() {
        let (taken, rejected) = send("shop", vec![span(), span()]).await;
        assert_eq!((taken.len(), rejected), (0, 2));
    }

    #[tokio::test]
    async fn no_more_are_taken_at_a_time_than_a_gateway_sends() {
        let (taken, rejected) = send(GATEWAY, vec![span(); MAX_SPANS + 3]).await;
        assert_eq!((taken.len(), rejected), (MAX_SPANS, 3));
    }

    #[tokio::test]
    async fn spans_without_ids_are_not_taken() {
        let mut nobodys = span();
        nobodys.span_context = SpanContext::NONE;
        let (taken, rejected) = send(GATEWAY, vec![nobodys]).await;
        assert_eq!((taken.len(), rejected), (0, 1));
    }
}
