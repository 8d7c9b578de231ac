//! `GET /metrics`: the core's metrics and the gateway's own, for Prometheus.

use std::sync::Arc;

use axum::{body::Body, extract::State, response::Response};
use http::{HeaderValue, header};

use crate::{access::Admitted, error::ApiError, facade::Facade};

/// Prometheus' text format.
const CONTENT_TYPE: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Tells all metrics.
pub(super) async fn text(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
) -> Result<Response, ApiError> {
    let mut text = facade.core.get_metrics(&caller).await?;
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&facade.telemetry.meters.to_text(facade.running.len()));
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, CONTENT_TYPE);
    Ok(response)
}
