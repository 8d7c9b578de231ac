//! What became of single chats: `GET /traces` and `GET /traces/{id}`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, RawQuery, State, rejection::PathRejection},
};
use llm2api_proto::{
    ContractError,
    v1::{ErrorReason, ListTracesRequest},
};

use super::{page::limit, route::Parameter};
use crate::{
    access::Admitted,
    error::ApiError,
    facade::Facade,
    json_body::fault::{invalid_value, unknown},
    objects::{ListObject, TraceObject, TraceWithSpans},
};

/// What the list may be asked for.
pub(super) const LIST_QUERY: &[Parameter] = &[
    (
        "limit",
        "The most to list, 1 to 1000; 100 where it is absent.",
    ),
    (
        "after",
        "The id after which the page begins: `last_id` of the page before.",
    ),
    (
        "status",
        "Only those that ended so: `ok`, `error`, `rejected` (the client's own mistake) or `cancelled` (the client left).",
    ),
    ("model", "Only those of this model, as it was asked for."),
    (
        "min_seconds",
        "Only those that lasted at least so long, in seconds.",
    ),
];

/// Lists traces.
pub(super) async fn list(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    RawQuery(query): RawQuery,
) -> Result<Json<ListObject<TraceObject>>, ApiError> {
    let request = list_request(query.as_deref().unwrap_or_default())?;
    let page = facade.core.list_traces(request, &caller).await?;
    let traces = page.traces.into_iter().map(TraceObject::from).collect();
    let has_more = !page.next_page_token.is_empty();
    Ok(Json(ListObject::new(traces, has_more, |trace| &trace.id)))
}

fn list_request(query: &str) -> Result<ListTracesRequest, ContractError> {
    let mut request = ListTracesRequest::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "limit" => request.page_size = limit(&value)?,
            "after" => request.page_token = value.into_owned(),
            "status" => request.status = value.into_owned(),
            "model" => request.model = value.into_owned(),
            "min_seconds" => request.min_seconds = seconds(&value)?,
            other => {
                let known = "one of limit, after, status, model, min_seconds";
                return Err(unknown(other, known));
            }
        }
    }
    Ok(request)
}

fn seconds(value: &str) -> Result<f64, ContractError> {
    let seconds = value.parse::<f64>().ok();
    seconds
        .filter(|seconds| seconds.is_finite() && *seconds >= 0.0)
        .ok_or_else(|| invalid_value("min_seconds", "expected a number, 0 or more"))
}

/// Tells one trace.
pub(super) async fn get(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<TraceWithSpans>, ApiError> {
    let Path(id) = id.map_err(|_| {
        ContractError::new(
            ErrorReason::TraceNotFound,
            "The trace's id in the path is not valid UTF-8.",
        )
    })?;
    let trace = facade.core.get_trace(id, &caller).await?;
    Ok(Json(trace.into()))
}
