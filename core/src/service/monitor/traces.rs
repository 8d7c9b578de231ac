//! Traces that are kept.

use llm2api_proto::{
    ContractError,
    v1::{
        ErrorReason, GetTraceRequest, GetTraceResponse, ListTracesRequest, ListTracesResponse,
        Span, Trace,
    },
};
use opentelemetry::trace::TraceId;
use prost_types::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{MonitorRpc, invalid};
use crate::{
    monitor::Outcome,
    store::{StoredTrace, TraceFilter},
};

/// Traces on a page, where nobody says how many.
const USUAL_PAGE: i64 = 100;
/// Traces on a page, at most.
const MAX_PAGE: i64 = 1000;

/// What else is kept of a trace.
#[derive(Deserialize)]
struct Summary {
    error_code: Option<String>,
    upstream: Option<String>,
    attempts: i32,
    first_token_seconds: Option<f64>,
    input_tokens: Option<i64>,
    output_tokens: Option<i64>,
}

/// A span as it is kept.
#[derive(Deserialize)]
struct KeptSpan<'a> {
    id: &'a str,
    parent: &'a str,
    name: String,
    kind: &'a str,
    service: &'a str,
    /// In microseconds since 1970.
    started_at: i64,
    seconds: f64,
    status: &'a str,
    message: String,
    #[serde(borrow)]
    attributes: &'a RawValue,
}

impl MonitorRpc {
    pub(super) async fn traces(
        &self,
        request: ListTracesRequest,
    ) -> Result<ListTracesResponse, ContractError> {
        let filter = filter(request)?;
        let limit = filter.limit;
        // One more tells whether there is another page.
        let more = TraceFilter {
            limit: limit + 1,
            ..filter
        };
        let mut listed = self
            .traces_kept
            .list(&more)
            .await
            .map_err(|_| unreadable())?;
        let has_more = i64::try_from(listed.len()).is_ok_and(|length| length > limit);
        if has_more {
            listed.pop();
        }
        let last = listed.last().filter(|_| has_more);
        Ok(ListTracesResponse {
            next_page_token: last.map(StoredTrace::id).unwrap_or_default(),
            traces: listed
                .iter()
                .map(trace)
                .collect::<Option<_>>()
                .ok_or_else(unreadable)?,
        })
    }

    pub(super) async fn trace(
        &self,
        request: GetTraceRequest,
    ) -> Result<GetTraceResponse, ContractError> {
        let id = id(&request.id, "id")?;
        let kept = self.traces_kept.get(id).await.map_err(|_| unreadable())?;
        let (stored, spans) = kept.ok_or_else(|| {
            let message = format!("No trace {id} is kept, or not any more.");
            ContractError::new(ErrorReason::TraceNotFound, message).with_param("id")
        })?;
        let mut spans: Vec<Span> = spans
            .iter()
            .map(|json| span(json))
            .collect::<Option<_>>()
            .ok_or_else(unreadable)?;
        spans.sort_by_key(|span| {
            let started_at = span.started_at.unwrap_or_default();
            (started_at.seconds, started_at.nanos)
        });
        Ok(GetTraceResponse {
            trace: Some(trace(&stored).ok_or_else(unreadable)?),
            spans,
        })
    }
}

fn filter(request: ListTracesRequest) -> Result<TraceFilter, ContractError> {
    let limit = match i64::from(request.page_size) {
        0 => USUAL_PAGE,
        limit @ 1..=MAX_PAGE => limit,
        _ => return Err(invalid("page_size", "`page_size` takes 1 to 1000.")),
    };
    if !Outcome::NAMES.contains(&request.status.as_str()) && !request.status.is_empty() {
        let message = "`status` takes ok, error, rejected or cancelled.";
        return Err(invalid("status", message));
    }
    if !(0.0..).contains(&request.min_seconds) {
        let message = "`min_seconds` takes a number, 0 or more.";
        return Err(invalid("min_seconds", message));
    }
    let after = match request.page_token.as_str() {
        "" => None,
        token => Some(id(token, "page_token")?),
    };
    Ok(TraceFilter {
        after,
        status: request.status,
        model: request.model,
        min_seconds: request.min_seconds,
        limit,
    })
}

fn id(text: &str, param: &str) -> Result<TraceId, ContractError> {
    let id = Some(text)
        .filter(|text| text.len() == 32)
        .and_then(|text| TraceId::from_hex(text).ok());
    id.ok_or_else(|| {
        let message = format!("`{param}` takes a trace's id: 32 hexadecimal digits.");
        invalid(param, &message)
    })
}

fn unreadable() -> ContractError {
    ContractError::new(
        ErrorReason::StoreError,
        "The traces that are kept can't be read; the log of llm2api says why, if it could not write them either.",
    )
}

fn trace(stored: &StoredTrace) -> Option<Trace> {
    let summary: Summary = serde_json::from_str(&stored.summary_json).ok()?;
    Some(Trace {
        id: stored.id(),
        started_at: Some(timestamp(stored.started_at)),
        duration_seconds: stored.duration_seconds,
        status: stored.status.clone(),
        error_code: summary.error_code.unwrap_or_default(),
        model: stored.model.clone(),
        upstream: summary.upstream.unwrap_or_default(),
        attempts: summary.attempts,
        first_token_seconds: summary.first_token_seconds,
        input_tokens: summary.input_tokens,
        output_tokens: summary.output_tokens,
    })
}

fn span(json: &str) -> Option<Span> {
    let kept: KeptSpan<'_> = serde_json::from_str(json).ok()?;
    let is_part = kept.parent.bytes().any(|digit| digit != b'0');
    Some(Span {
        id: kept.id.to_owned(),
        parent_id: Some(kept.parent)
            .filter(|_| is_part)
            .unwrap_or_default()
            .to_owned(),
        name: kept.name,
        kind: kept.kind.to_owned(),
        service: kept.service.to_owned(),
        started_at: Some(timestamp(kept.started_at)),
        duration_seconds: kept.seconds,
        status: kept.status.to_owned(),
        status_message: kept.message,
        attributes_json: kept.attributes.get().to_owned(),
    })
}

fn timestamp(micros: i64) -> Timestamp {
    let nanos = micros.rem_euclid(1_000_000) * 1000;
    Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos: i32::try_from(nanos).unwrap_or_default(),
    }
}
