//! What is wrong with an answer, as a failure.

use std::time::{Duration, SystemTime};

use http::StatusCode;

use super::{
    super::{
        Credential, Failure, FailureKind, Secret, bounded_body::read_bounded, challenge,
        http_client::ResponseBody, media_type::MediaType,
    },
    decoder::ChunkError,
    error_object,
    refusal::{implied_status, kind_of_status},
    retry_after::retry_after,
};
use crate::pool::InvalidReason;

/// Bytes of an error's body that are read.
const MAX_ERROR_SIZE: usize = 64 * 1024;

/// How long an error's body may take once its head is here.
const ERROR_TIMEOUT: Duration = Duration::from_secs(3);

/// The failure that an answer is whose status is no success.
pub(super) async fn of_status(
    response: http::Response<ResponseBody>,
    address: &str,
    credential: &Credential,
    model: &str,
) -> Failure {
    let (head, body) = response.into_parts();
    let is_html = MediaType::of(&head.headers) == MediaType::Html;
    // What came by then is enough, even if it is nothing.
    let body = read_bounded(body, MAX_ERROR_SIZE, ERROR_TIMEOUT)
        .await
        .bytes;
    let error = error_object::from_body(&body, credential);
    let is_challenge = challenge::is_one(head.status, &head.headers, &body);
    let kind = match is_challenge {
        true => FailureKind::Unauthorized,
        false => kind_of_status(head.status, is_html, error.as_ref(), model),
    };
    Failure {
        retry_after: retry_after(&head.headers, SystemTime::now()),
        invalid_reason: match is_challenge {
            true => InvalidReason::Challenge,
            false => invalid_reason(head.status, credential),
        },
        status: Some(head.status.as_u16()),
        upstream_error: error,
        ..Failure::new(kind, message(address, kind, head.status, is_html))
    }
}

/// Why a credential isn't let in, as far as the status tells.
fn invalid_reason(status: StatusCode, credential: &Credential) -> InvalidReason {
    match (status.as_u16(), &credential.secret) {
        (403, _) => InvalidReason::Blocked,
        (401, Secret::Cookie(_)) => InvalidReason::Expired,
        (401, Secret::ApiKey(_)) => InvalidReason::Revoked,
        (_, Secret::Anonymous | Secret::ApiKey(_) | Secret::Cookie(_)) => InvalidReason::Unknown,
    }
}

fn message(address: &str, kind: FailureKind, status: StatusCode, is_html: bool) -> String {
    // Only the number of what has no name: "599".
    let status_text = match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    };
    if kind != FailureKind::Misconfigured {
        return format!("{address} answered {status_text}");
    }
    let hint = "the upstream's url should be that of an OpenAI-compatible API";
    if status.is_redirection() {
        format!("{address} answered with a redirect ({status_text}); {hint}")
    } else if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        format!("the proxy on the way to {address} wants another login ({status_text})")
    } else if is_html {
        format!("{address} answered with a web page ({status_text}); {hint}")
    } else {
        format!("{address} has nothing at this path ({status_text}); {hint}")
    }
}

/// The failure that a chunk is.
pub(super) fn of_chunk(error: ChunkError, address: &str, credential: &Credential) -> Failure {
    match error {
        ChunkError::NotUnderstood => unavailable(format!(
            "{address} sent what is no part of a chat completion"
        )),
        ChunkError::Upstream(json) => of_error_in_answer(&json, address, credential),
        ChunkError::BrokenOff => unavailable(format!("{address} broke the answer off")),
        ChunkError::TooMany => unavailable(format!(
            "{address} sent more choices or tool calls than anyone asks for"
        )),
    }
}

/// The failure that an error is which came with a 200.
fn of_error_in_answer(json: &str, address: &str, credential: &Credential) -> Failure {
    let Some(error) = error_object::from_body(json.as_bytes(), credential) else {
        return unavailable(format!("{address} sent what is no chat completion"));
    };
    let status = implied_status(&error);
    let kind = status.map_or(FailureKind::Unavailable, |status| {
        kind_of_status(status, false, Some(&error), "")
    });
    Failure {
        invalid_reason: status.map_or(InvalidReason::Unknown, |status| {
            invalid_reason(status, credential)
        }),
        status: status.map(|status| status.as_u16()),
        upstream_error: Some(error),
        ..Failure::new(kind, format!("{address} answered with an error"))
    }
}

/// The failure that a web page is.
pub(super) fn html(address: &str) -> Failure {
    let message = message(address, FailureKind::Misconfigured, StatusCode::OK, true);
    Failure {
        status: Some(StatusCode::OK.as_u16()),
        ..Failure::new(FailureKind::Misconfigured, message)
    }
}

/// The failure that an answer is which is compressed, though it was asked not to be.
pub(super) fn encoded(address: &str) -> Failure {
    unavailable(format!(
        "{address} compressed its answer, which it was asked not to do"
    ))
}

/// The failure that an answer is which is larger than may be held.
pub(super) fn too_large(address: &str, limit: usize) -> Failure {
    unavailable(format!(
        "{address} sent an event of more than {limit} bytes"
    ))
}

/// The failure that a stream is which ended in the middle.
pub(super) fn cut_off(address: &str) -> Failure {
    unavailable(format!(
        "the stream of {address} ended before the answer was complete"
    ))
}

fn unavailable(message: String) -> Failure {
    Failure::new(FailureKind::Unavailable, message)
}
