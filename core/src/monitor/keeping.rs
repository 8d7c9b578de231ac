//! Which traces are kept, and those that are still to be written down.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use opentelemetry::{
    Array, Value,
    trace::{SpanKind, Status, TraceId},
};
use opentelemetry_sdk::trace::SpanData;
use serde_json::{Map, json};

use super::record::{ChatRecord, Outcome};

/// Traces of the usual kind that are kept a second: a person doesn't look at more.
const USUAL_PER_SECOND: u32 = 5;
/// As many may come at once.
const USUAL_BURST: u32 = 50;
/// Traces that failed or were slow that are kept a second: an outage must not fill the disk.
const LASTING_PER_SECOND: u32 = 20;
const LASTING_BURST: u32 = 400;
/// A chat that takes so long is slow, if it is among the slowest hundredth too.
pub(crate) const SLOW: Duration = Duration::from_secs(5);
/// Traces, and as many spans of gateways, that wait to be written at a time.
const MAX_PENDING: usize = 4096;

/// How many more may be kept now.
#[derive(Debug)]
pub(crate) struct Budget {
    left: AtomicU32,
    burst: u32,
    per_second: u32,
}

impl Budget {
    /// Of usual traces.
    pub(crate) fn of_usual() -> Self {
        Self::new(USUAL_PER_SECOND, USUAL_BURST)
    }

    /// Of those that failed or were slow.
    pub(crate) fn of_lasting() -> Self {
        Self::new(LASTING_PER_SECOND, LASTING_BURST)
    }

    fn new(per_second: u32, burst: u32) -> Self {
        Self {
            left: AtomicU32::new(burst),
            burst,
            per_second,
        }
    }

    /// Takes one of them. Whether there was one.
    pub(crate) fn take(&self) -> bool {
        // Read first: under load there is none, and a write takes the cache line from the other cores.
        self.left.load(Ordering::Relaxed) > 0
            && self
                .left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(1)
                })
                .is_ok()
    }

    /// A second has passed.
    pub(crate) fn refill(&self) {
        let _ = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                Some((left + self.per_second).min(self.burst))
            });
    }
}

/// A trace to be written down.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KeptTrace {
    /// Its id.
    pub(crate) id: TraceId,
    /// When the chat arrived, in microseconds since 1970.
    pub(crate) started_at: i64,
    /// How long it took, in seconds.
    pub(crate) duration_seconds: f64,
    /// `ok`, `error`, `rejected` or `cancelled`.
    pub(crate) status: &'static str,
    /// The model, as it was asked for.
    pub(crate) model: String,
    /// Whether it stays longer than the usual ones.
    pub(crate) is_lasting: bool,
    /// What else its list shows, as JSON.
    pub(crate) summary_json: String,
    /// Its spans, each as JSON.
    pub(crate) spans_json: Vec<String>,
}

/// What is still to be written down.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    traces: Vec<KeptTrace>,
    late_spans: Vec<(TraceId, String)>,
    /// Chats that were asked for the sake of others, whose traces are not over.
    parts: Vec<ChatRecord>,
}

impl Pending {
    /// Keeps the trace of a chat. Whether there was room.
    pub(crate) fn keep(&mut self, record: &ChatRecord, spans: &[SpanData], service: &str) -> bool {
        if self.traces.len() >= MAX_PENDING {
            return false;
        }
        let trace_id = record.context.trace.trace_id;
        let of_parts = self.parts_of(trace_id);
        let spans = of_parts.iter().chain(spans);
        self.traces.push(KeptTrace {
            id: trace_id,
            started_at: micros(record.started_at),
            duration_seconds: record.took.as_secs_f64(),
            status: record.outcome.as_str(),
            model: record.asked.model.clone(),
            is_lasting: matches!(record.outcome, Outcome::Failed(_)) || record.took >= SLOW,
            summary_json: summary(record),
            spans_json: spans.map(|span| span_json(span, service)).collect(),
        });
        true
    }

    /// Holds a chat that was asked for the sake of another until that one's trace is kept, or not.
    pub(crate) fn hold_part(&mut self, part: ChatRecord) {
        if self.parts.len() < MAX_PENDING {
            self.parts.push(part);
        }
    }

    /// A trace is not kept.
    pub(crate) fn forget(&mut self, trace_id: TraceId) {
        self.parts_of(trace_id);
    }

    fn parts_of(&mut self, trace_id: TraceId) -> Vec<SpanData> {
        self.parts
            .extract_if(.., |part| part.context.trace.trace_id == trace_id)
            .flat_map(|part| part.spans())
            .collect()
    }

    /// Takes a span in that completes a trace, if that is kept. Whether there was room.
    pub(crate) fn complete(&mut self, span: &SpanData, service: &str) -> bool {
        let has_room = self.late_spans.len() < MAX_PENDING;
        if has_room {
            let trace_id = span.span_context.trace_id();
            self.late_spans.push((trace_id, span_json(span, service)));
        }
        has_room
    }

    /// What is to be written now.
    pub(crate) fn take(&mut self) -> (Vec<KeptTrace>, Vec<(TraceId, String)>) {
        (
            std::mem::take(&mut self.traces),
            std::mem::take(&mut self.late_spans),
        )
    }
}

/// What a list shows of a trace, beside what it is looked for by.
fn summary(record: &ChatRecord) -> String {
    let reason = record.outcome.error();
    let tokens = record.tokens();
    json!({
        "error_code": reason.map(|reason| reason.as_info_reason().to_ascii_lowercase()),
        "upstream": record.attempts.last().map(|attempt| attempt.entry.name()),
        "attempts": record.attempt_count(),
        "first_token_seconds": record.first_token.map(|first_token| first_token.as_secs_f64()),
        "input_tokens": tokens.map(|tokens| tokens.input),
        "output_tokens": tokens.map(|tokens| tokens.output),
    })
    .to_string()
}

/// A span as it is kept.
fn span_json(span: &SpanData, service: &str) -> String {
    let (status, message) = match &span.status {
        Status::Unset => ("unset", ""),
        Status::Ok => ("ok", ""),
        Status::Error { description } => ("error", description.as_ref()),
    };
    let kind = match span.span_kind {
        SpanKind::Client => "client",
        SpanKind::Server => "server",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
        SpanKind::Internal => "internal",
    };
    let duration = span.end_time.duration_since(span.start_time);
    let attributes: Map<_, _> = span
        .attributes
        .iter()
        .map(|attribute| (attribute.key.to_string(), value_json(&attribute.value)))
        .collect();
    json!({
        "id": span.span_context.span_id().to_string(),
        "parent": span.parent_span_id.to_string(),
        "name": span.name,
        "kind": kind,
        "service": service,
        "started_at": micros(span.start_time),
        "seconds": duration.unwrap_or_default().as_secs_f64(),
        "status": status,
        "message": message,
        "attributes": attributes,
    })
    .to_string()
}

fn value_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(value) => json!(value),
        Value::I64(value) => json!(value),
        Value::F64(value) => json!(value),
        Value::String(value) => json!(value.as_str()),
        Value::Array(Array::Bool(values)) => json!(values),
        Value::Array(Array::I64(values)) => json!(values),
        Value::Array(Array::F64(values)) => json!(values),
        Value::Array(Array::String(values)) => {
            values.iter().map(|value| json!(value.as_str())).collect()
        }
        // What later versions may add.
        other => json!(other.to_string()),
    }
}

fn micros(time: SystemTime) -> i64 {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX)
}
