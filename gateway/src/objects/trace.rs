//! Traces: what became of single chats.

use llm2api_proto::v1::{GetTraceResponse, Span, Trace};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{time::fraction, unless_empty};

/// A trace, as its list shows it. All fields are always there, null where there is nothing to say.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Trace)]
pub struct TraceObject {
    /// Its id: 32 hexadecimal digits.
    pub id: String,
    /// Always `trace`.
    #[schema(value_type = String)]
    pub object: &'static str,
    /// When the chat arrived, in Unix seconds.
    pub started_at: Option<f64>,
    /// For how long it was answered.
    pub duration_seconds: f64,
    /// `ok`, `error`, `rejected` (the client's own mistake) or `cancelled` (the client left).
    pub status: String,
    /// The code of its error, such as `upstream_error`.
    pub error_code: Option<String>,
    /// The model, as it was asked for.
    pub model: Option<String>,
    /// The upstream of the last attempt.
    pub upstream: Option<String>,
    /// Attempts that were made.
    pub attempts: i32,
    /// From the arrival to the first token.
    pub first_token_seconds: Option<f64>,
    /// Tokens of the prompt.
    pub input_tokens: Option<i64>,
    /// Tokens of the answer.
    pub output_tokens: Option<i64>,
}

impl From<Trace> for TraceObject {
    fn from(trace: Trace) -> Self {
        Self {
            id: trace.id,
            object: "trace",
            started_at: trace.started_at.map(fraction),
            duration_seconds: trace.duration_seconds,
            status: trace.status,
            error_code: unless_empty(trace.error_code),
            model: unless_empty(trace.model),
            upstream: unless_empty(trace.upstream),
            attempts: trace.attempts,
            first_token_seconds: trace.first_token_seconds,
            input_tokens: trace.input_tokens,
            output_tokens: trace.output_tokens,
        }
    }
}

/// A trace with its spans.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TraceWithSpans {
    /// What its list shows of it.
    #[serde(flatten)]
    pub trace: TraceObject,
    /// Its spans, those first that began first.
    pub spans: Vec<SpanObject>,
}

impl From<GetTraceResponse> for TraceWithSpans {
    fn from(response: GetTraceResponse) -> Self {
        Self {
            trace: response.trace.unwrap_or_default().into(),
            spans: response.spans.into_iter().map(SpanObject::from).collect(),
        }
    }
}

/// A span, by OpenTelemetry's conventions.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Span)]
pub struct SpanObject {
    /// Its id: 16 hexadecimal digits.
    pub id: String,
    /// The id of the span that it is a part of, which may be elsewhere.
    pub parent_id: Option<String>,
    /// Its name, such as `chat gpt-4o`.
    pub name: String,
    /// `internal`, `server`, `client`, `producer` or `consumer`.
    pub kind: String,
    /// The process that made it: `llm2api`, `llm2api-gateway` or `llm2api-core`.
    pub service: String,
    /// When it began, in Unix seconds.
    pub started_at: Option<f64>,
    /// How long it was.
    pub duration_seconds: f64,
    /// `unset`, `ok` or `error`.
    pub status: String,
    /// What went wrong.
    pub status_message: Option<String>,
    /// What is known of it.
    #[schema(value_type = Object)]
    pub attributes: Box<RawValue>,
}

impl From<Span> for SpanObject {
    fn from(span: Span) -> Self {
        Self {
            id: span.id,
            parent_id: unless_empty(span.parent_id),
            name: span.name,
            kind: span.kind,
            service: span.service,
            started_at: span.started_at.map(fraction),
            duration_seconds: span.duration_seconds,
            status: span.status,
            status_message: unless_empty(span.status_message),
            attributes: RawValue::from_string(span.attributes_json).unwrap_or_else(|_| none()),
        }
    }
}

/// No attributes.
fn none() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).expect("an object is JSON")
}
