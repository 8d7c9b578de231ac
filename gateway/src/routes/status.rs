//! What is going on: `GET /status`, and `GET /status/stream`.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::{RawQuery, State},
    response::Response,
};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderValue, header};
use llm2api_proto::{
    ContractError,
    v1::{StatusView, WatchStatusResponse},
};
use tonic::Status;

use super::route::Parameter;
use crate::{
    access::Admitted,
    error::{self, ApiError},
    facade::Facade,
    json_body::fault::{invalid_value, unknown},
    objects::StatusObject,
    sse,
};

/// What both may be asked for.
pub(super) const QUERY: &[Parameter] = &[
    (
        "timeline",
        "The window whose course is wanted: `minute`, `hour`, `day` or `month`.",
    ),
    (
        "limit",
        "The most models, cookies and keys to list, each: those that were used most in the last hour, and before them the \
         cookies that can't be used. All where it is absent.",
    ),
];

/// Tells the figures.
pub(super) async fn now(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    RawQuery(query): RawQuery,
) -> Result<Json<StatusObject>, ApiError> {
    let view = view(query.as_deref().unwrap_or_default())?;
    let status = facade.core.get_status(view, &caller).await?;
    Ok(Json(status.into()))
}

/// Tells the figures again and again, until the client leaves or the process stops.
pub(super) async fn watch(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let view = view(query.as_deref().unwrap_or_default())?;
    let answers = facade.core.watch_status(view, &caller).await?;
    let mut response = Response::new(Body::from_stream(events(answers, facade)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, sse::CONTENT_TYPE);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// One event for each answer; the last one tells of a failure, if there was one. Nobody who watches delays the process's end.
fn events(
    answers: impl Stream<Item = Result<WatchStatusResponse, Status>>,
    facade: Arc<Facade>,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let stopping = facade.refusing.clone().cancelled_owned();
    let answers = answers.take_until(stopping);
    stream::unfold(
        (Box::pin(answers), facade, false),
        async |(mut answers, facade, has_failed)| {
            if has_failed {
                return None;
            }
            let (event, has_failed) = match answers.next().await? {
                Ok(answer) => (event(answer), false),
                Err(status) => {
                    let failure = facade.core.failure(&status);
                    let mut event = BytesMut::new();
                    sse::write_error(&mut event, &failure);
                    (event.freeze(), true)
                }
            };
            Some((Ok(event), (answers, facade, has_failed)))
        },
    )
}

fn event(answer: WatchStatusResponse) -> Bytes {
    let mut event = BytesMut::with_capacity(4096);
    event.put_slice(b"data: ");
    let object = StatusObject::from(answer.status.unwrap_or_default());
    if serde_json::to_writer((&mut event).writer(), &object).is_err() {
        event.clear();
        sse::write_error(&mut event, &error::internal());
        return event.freeze();
    }
    event.put_slice(b"\n\n");
    event.freeze()
}

fn view(query: &str) -> Result<StatusView, ContractError> {
    let mut view = StatusView::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "timeline" => view.timeline = value.into_owned(),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| *limit >= 1);
                view.list_limit = limit
                    .ok_or_else(|| invalid_value("limit", "expected a whole number, 1 or more"))?;
            }
            other => return Err(unknown(other, "one of timeline, limit")),
        }
    }
    Ok(view)
}
