//! `GET /metrics`: the core's metrics, for Prometheus.

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
    let text = facade.core.get_metrics(&caller).await?;
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, CONTENT_TYPE);
    Ok(response)
}
