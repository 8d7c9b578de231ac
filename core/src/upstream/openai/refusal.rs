//! What a failed answer means: from a status and an error object to a row of the failure table.

use http::StatusCode;

use super::super::failure::{FailureKind, UpstreamError};

/// Codes and types that say that no money or quota is left, rather than that it goes too fast.
const QUOTA_WORDS: [&str; 10] = [
    "insufficient_quota",
    "credit_balance_exhausted",
    "billing_hard_limit_reached",
    "billing_not_active",
    "insufficient_balance",
    "insufficient_user_quota",
    "insufficient_credits",
    "exceeded_current_quota_error",
    "arrearage",
    "billing_error",
];

/// Zhipu's code for an account in arrears.
const ZHIPU_ARREARS: &str = "1113";

/// Classifies an answer that is not a success.
pub(super) fn kind_of_status(
    status: StatusCode,
    is_html: bool,
    error: Option<&UpstreamError>,
    model: &str,
) -> FailureKind {
    match status.as_u16() {
        402 => FailureKind::QuotaSpent,
        429 if error.is_some_and(says_quota) => FailureKind::QuotaSpent,
        429 => FailureKind::RateLimited,
        401 | 403 => FailureKind::Unauthorized,
        408 | 425 | 500.. => FailureKind::Unavailable,
        410 => FailureKind::ModelGone,
        // Whatever page comes with it: what the client sent is too large.
        413 => FailureKind::Rejected,
        // We post where chats are answered, so that a wrong method is a wrong address; a proxy's login is ours to know.
        405 | 407 => FailureKind::Misconfigured,
        400..500 if is_html => FailureKind::Misconfigured,
        404 => match error {
            Some(error) if names_model(error, model) => FailureKind::ModelGone,
            Some(error) if !says_wrong_path(error) => FailureKind::Rejected,
            _ => FailureKind::Misconfigured,
        },
        400..500 => FailureKind::Rejected,
        // Also what is no status of an answer to a POST at all.
        _ => FailureKind::Misconfigured,
    }
}

/// The status that an error stands for which came in a 200, where it tells.
pub(super) fn implied_status(error: &UpstreamError) -> Option<StatusCode> {
    let numeric = error.code.as_deref().and_then(|code| {
        StatusCode::from_bytes(code.as_bytes())
            .ok()
            .filter(|status| status.is_client_error() || status.is_server_error())
    });
    if numeric.is_some() {
        return numeric;
    }
    if says_quota(error) {
        return Some(StatusCode::TOO_MANY_REQUESTS);
    }
    words(error).find_map(|word| match word.as_str() {
        "rate_limit_exceeded"
        | "rate_limit_error"
        | "too_many_requests"
        | "resource_exhausted"
        | "requests"
        | "tokens" => Some(StatusCode::TOO_MANY_REQUESTS),
        "invalid_api_key" | "authentication_error" | "unauthenticated" => {
            Some(StatusCode::UNAUTHORIZED)
        }
        "permission_error" | "permission_denied" => Some(StatusCode::FORBIDDEN),
        "model_not_found" | "notfounderror" => Some(StatusCode::NOT_FOUND),
        "context_length_exceeded"
        | "exceed_context_size_error"
        | "invalid_request_error"
        | "invalid_argument"
        | "badrequesterror"
        | "content_filter"
        | "content_policy_violation" => Some(StatusCode::BAD_REQUEST),
        "overloaded_error" | "server_is_overloaded" | "slow_down" => {
            Some(StatusCode::SERVICE_UNAVAILABLE)
        }
        _ => None,
    })
}

fn words(error: &UpstreamError) -> impl Iterator<Item = String> {
    [&error.code, &error.error_type]
        .into_iter()
        .flatten()
        .map(|word| word.to_ascii_lowercase())
}

fn says_quota(error: &UpstreamError) -> bool {
    words(error).any(|word| QUOTA_WORDS.contains(&word.as_str()) || word == ZHIPU_ARREARS)
}

fn names_model(error: &UpstreamError, model: &str) -> bool {
    let has_code = words(error).any(|word| {
        matches!(
            word.as_str(),
            "model_not_found" | "deploymentnotfound" | "model_not_available"
        )
    });
    let message = error.message.to_lowercase();
    has_code
        || error.param.as_deref() == Some("model")
        || (!model.is_empty() && message.contains(&model.to_lowercase()))
        || (message.contains("model")
            && ["not found", "not exist", "unknown", "not available"]
                .iter()
                .any(|phrase| message.contains(phrase)))
}

/// Whether a 404's error object says no more than that there is nothing at the path: FastAPI's, llama.cpp's, OpenAI's, ours.
fn says_wrong_path(error: &UpstreamError) -> bool {
    let message = error.message.to_lowercase();
    matches!(
        message.trim_end_matches('.'),
        "" | "not found" | "file not found" | "404 page not found" | "page not found"
    ) || message.starts_with("invalid url")
        || error.code.as_deref() == Some("unknown_url")
}

#[cfg(test)]
mod tests;
