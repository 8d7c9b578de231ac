//! What answers where no route does.

use std::sync::Arc;

use axum::extract::State;
use http::Method;
use llm2api_proto::{ContractError, v1::ErrorReason};

use crate::{error::ApiError, facade::Facade};

/// There is nothing at this path.
pub(crate) async fn unknown_url(State(facade): State<Arc<Facade>>) -> ApiError {
    ApiError(nothing_here(facade.prefix.is_set()))
}

/// There is nothing at this path. With a secret prefix no hint is given.
pub(crate) fn nothing_here(is_prefix_set: bool) -> ContractError {
    let message = if is_prefix_set {
        "Unknown URL."
    } else {
        "Unknown URL. The API's paths start with /v1, such as /v1/chat/completions; /openapi.json lists them all."
    };
    ContractError::new(ErrorReason::UnknownUrl, message)
}

/// The path does not take this method; the router adds `Allow`.
pub(crate) async fn method_not_supported(method: Method) -> ApiError {
    ApiError(ContractError::new(
        ErrorReason::MethodNotSupported,
        format!("This URL does not take {method}; the header Allow names what it takes."),
    ))
}
