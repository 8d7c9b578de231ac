//! The one way out for failures: an HTTP status and OpenAI's error object.
#![deny(clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::BytesMut;
use http::{HeaderValue, StatusCode, header};
use llm2api_proto::{ContractError, v1::ErrorReason};

use crate::openai::json;

/// The longest wait that the official SDKs obey; told to wait longer they fail at once, and are told so.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(120);

/// A failure on its way to the client.
#[derive(Debug)]
pub(crate) struct ApiError(pub(crate) ContractError);

impl From<ContractError> for ApiError {
    fn from(error: ContractError) -> Self {
        Self(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        response(&self.0)
    }
}

/// The response that tells a client of a failure.
pub(crate) fn response(error: &ContractError) -> Response {
    response_as(status(error), error)
}

/// The same with another status than the reason's own.
pub(crate) fn response_as(status: StatusCode, error: &ContractError) -> Response {
    let mut body = BytesMut::with_capacity(256);
    write_object_as(&mut body, status, error);
    let mut response = Response::new(Body::from(body.freeze()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    let waiting_helps = error.reason != ErrorReason::InsufficientQuota;
    let retry_after = error.retry_after.filter(|_| waiting_helps);
    if let Some(retry_after) = retry_after {
        headers.insert(header::RETRY_AFTER, whole_seconds(retry_after).into());
    }
    if let Some(rate_limits) = &error.rate_limits {
        rate_limits.write(headers);
    }
    if !waiting_helps || retry_after.is_some_and(|wait| wait > LONGEST_RETRY_AFTER) {
        headers.insert("x-should-retry", HeaderValue::from_static("false"));
    }
    response
}

/// Writes `{"error":{…}}`, with all of its four keys.
pub(crate) fn write_object(out: &mut BytesMut, error: &ContractError) {
    write_object_as(out, status(error), error);
}

fn write_object_as(out: &mut BytesMut, status: StatusCode, error: &ContractError) {
    json::text(out, r#"{"error":{"message":"#);
    json::string(out, &error.message);
    json::text(out, r#","type":"#);
    let passed_on = error.passed_on.as_ref();
    let error_type = passed_on
        .and_then(|passed_on| passed_on.error_type.as_deref())
        .unwrap_or_else(|| error_type(error.reason, status));
    json::string(out, error_type);
    json::text(out, r#","param":"#);
    write_nullable(out, error.param.as_deref());
    json::text(out, r#","code":"#);
    match passed_on {
        Some(passed_on) => write_nullable(out, passed_on.code.as_deref()),
        None => write_nullable(out, code(error.reason).as_deref()),
    }
    json::text(out, "}}");
}

fn write_nullable(out: &mut BytesMut, text: Option<&str>) {
    match text {
        Some(text) => json::string(out, text),
        None => json::text(out, "null"),
    }
}

/// Rounded up, so that who waits as told is never early.
fn whole_seconds(duration: Duration) -> u64 {
    let up = u64::from(duration.subsec_nanos() > 0);
    (duration.as_secs() + up).max(1)
}

/// The HTTP status: the upstream's own where its error is passed on.
pub(crate) fn status(error: &ContractError) -> StatusCode {
    error
        .passed_on
        .as_ref()
        .and_then(|passed_on| StatusCode::from_u16(passed_on.http_status).ok())
        .unwrap_or_else(|| own_status(error.reason))
}

fn own_status(reason: ErrorReason) -> StatusCode {
    match reason {
        ErrorReason::InvalidRequest
        | ErrorReason::MissingRequiredParameter
        | ErrorReason::InvalidType
        | ErrorReason::InvalidValue
        | ErrorReason::UnsupportedParameter
        | ErrorReason::UnsupportedValue
        | ErrorReason::ContextLengthExceeded
        | ErrorReason::InvalidJson
        | ErrorReason::CookieInvalid
        | ErrorReason::ReadOnly => StatusCode::BAD_REQUEST,
        ErrorReason::InvalidApiKey => StatusCode::UNAUTHORIZED,
        ErrorReason::InsufficientPermissions
        | ErrorReason::ModelNotAllowed
        | ErrorReason::WebSearchNotAllowed
        | ErrorReason::AuthorizationInvalid => StatusCode::FORBIDDEN,
        ErrorReason::ModelNotFound
        | ErrorReason::UnknownUrl
        | ErrorReason::CookieNotFound
        | ErrorReason::UpstreamNotFound
        | ErrorReason::CodeNotFound
        | ErrorReason::KeyNotFound
        | ErrorReason::TraceNotFound => StatusCode::NOT_FOUND,
        ErrorReason::MethodNotSupported => StatusCode::METHOD_NOT_ALLOWED,
        ErrorReason::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
        ErrorReason::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorReason::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorReason::RateLimitExceeded
        | ErrorReason::ServerIsOverloaded
        | ErrorReason::InsufficientQuota => StatusCode::TOO_MANY_REQUESTS,
        ErrorReason::Unspecified | ErrorReason::InternalError | ErrorReason::StoreError => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        ErrorReason::UpstreamError | ErrorReason::UpstreamMisconfigured => StatusCode::BAD_GATEWAY,
        ErrorReason::UpstreamUnavailable
        | ErrorReason::NoUpstream
        | ErrorReason::NoValidCookie
        | ErrorReason::NoValidKey
        | ErrorReason::CoreUnavailable
        | ErrorReason::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
        ErrorReason::ConnectTimeout
        | ErrorReason::FirstTokenTimeout
        | ErrorReason::IdleTimeout
        | ErrorReason::RequestTimeout => StatusCode::GATEWAY_TIMEOUT,
    }
}

fn error_type(reason: ErrorReason, status: StatusCode) -> &'static str {
    if reason == ErrorReason::InsufficientQuota {
        return "insufficient_quota";
    }
    match status {
        StatusCode::REQUEST_TIMEOUT => "timeout_error",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        StatusCode::SERVICE_UNAVAILABLE => "service_unavailable_error",
        status if status.is_client_error() => "invalid_request_error",
        _ => "server_error",
    }
}

/// The object's `code`; `None` where the type says all.
fn code(reason: ErrorReason) -> Option<String> {
    match reason {
        ErrorReason::InvalidRequest => None,
        ErrorReason::Unspecified => code(ErrorReason::InternalError),
        ErrorReason::MissingRequiredParameter
        | ErrorReason::InvalidType
        | ErrorReason::InvalidValue
        | ErrorReason::UnsupportedParameter
        | ErrorReason::UnsupportedValue
        | ErrorReason::ContextLengthExceeded
        | ErrorReason::InvalidJson
        | ErrorReason::InvalidApiKey
        | ErrorReason::InsufficientPermissions
        | ErrorReason::ModelNotAllowed
        | ErrorReason::ModelNotFound
        | ErrorReason::UnknownUrl
        | ErrorReason::MethodNotSupported
        | ErrorReason::BodyTimeout
        | ErrorReason::RequestTooLarge
        | ErrorReason::UnsupportedMediaType
        | ErrorReason::RateLimitExceeded
        | ErrorReason::ServerIsOverloaded
        | ErrorReason::InsufficientQuota
        | ErrorReason::InternalError
        | ErrorReason::UpstreamError
        | ErrorReason::UpstreamMisconfigured
        | ErrorReason::UpstreamUnavailable
        | ErrorReason::NoUpstream
        | ErrorReason::NoValidCookie
        | ErrorReason::NoValidKey
        | ErrorReason::CoreUnavailable
        | ErrorReason::ShuttingDown
        | ErrorReason::ConnectTimeout
        | ErrorReason::FirstTokenTimeout
        | ErrorReason::IdleTimeout
        | ErrorReason::RequestTimeout
        | ErrorReason::CookieInvalid
        | ErrorReason::CookieNotFound
        | ErrorReason::UpstreamNotFound
        | ErrorReason::TraceNotFound
        | ErrorReason::ReadOnly
        | ErrorReason::StoreError
        | ErrorReason::KeyNotFound
        | ErrorReason::WebSearchNotAllowed
        | ErrorReason::AuthorizationInvalid
        | ErrorReason::CodeNotFound => Some(reason.as_info_reason().to_ascii_lowercase()),
    }
}

/// The process is stopping.
pub(crate) fn shutting_down() -> ContractError {
    ContractError::new(
        ErrorReason::ShuttingDown,
        "The server is shutting down; try again in a moment.",
    )
}

/// A fault of our own, of which nothing is told.
pub(crate) fn internal() -> ContractError {
    ContractError::new(
        ErrorReason::InternalError,
        "The server made a mistake; its log says more.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_told_of_every_code_what_to_do() {
        let page = include_str!("../../docs/operations.md");
        let codes: Vec<String> = (0..200)
            .filter_map(|number| ErrorReason::try_from(number).ok())
            .filter_map(code)
            .collect();
        assert!(codes.len() > 30);
        for code in codes {
            let rows = page.lines().filter(|line| line.starts_with("| `"));
            let told = rows
                .filter_map(|row| row.split('|').nth(1))
                .any(|cell| cell.contains(&format!("`{code}`")));
            assert!(told, "{code} has no row");
        }
    }
}
