//! What a client is told when its chat could not be answered.

use std::time::Duration;

use llm2api_proto::{ContractError, PassedOn, v1::ErrorReason};
use tokio::time::Instant;

use crate::{
    registry::Entry,
    upstream::{Clock, Failure, FailureKind},
};

/// What an upstream's failure is to the client, where no other attempt follows.
pub(super) fn of_failure(entry: &Entry, failure: &Failure) -> ContractError {
    let because = |reason| {
        ContractError::new(
            reason,
            format!(
                "The upstream `{}` failed: {}.",
                entry.name(),
                failure.message
            ),
        )
    };
    match failure.kind {
        FailureKind::Unavailable => because(ErrorReason::UpstreamError),
        FailureKind::Clock(clock) => because(match clock {
            Clock::Connect => ErrorReason::ConnectTimeout,
            Clock::FirstToken => ErrorReason::FirstTokenTimeout,
            Clock::Idle => ErrorReason::IdleTimeout,
        }),
        FailureKind::RateLimited => passed_on(failure, ErrorReason::RateLimitExceeded),
        FailureKind::QuotaSpent => passed_on(failure, ErrorReason::InsufficientQuota),
        FailureKind::Unauthorized => none_valid(entry),
        FailureKind::Misconfigured => because(ErrorReason::UpstreamMisconfigured),
        FailureKind::ModelGone => passed_on(failure, ErrorReason::ModelNotFound),
        FailureKind::Busy => upstream_busy(entry.name(), failure),
        FailureKind::Unusable => because(ErrorReason::UpstreamUnavailable),
        FailureKind::Rejected => passed_on(failure, ErrorReason::InvalidRequest),
    }
}

/// An upstream's own error, as it gave it.
fn passed_on(failure: &Failure, fallback: ErrorReason) -> ContractError {
    let upstream_error = failure.upstream_error.as_ref();
    let known = upstream_error
        .and_then(|error| error.code.as_deref())
        .and_then(|code| ErrorReason::from_info_reason(&code.to_ascii_uppercase()));
    ContractError {
        reason: known.unwrap_or(fallback),
        message: upstream_error
            .map(|error| error.message.clone())
            .filter(|message| !message.is_empty())
            .unwrap_or_else(|| format!("The upstream refused the request: {}.", failure.message)),
        param: upstream_error.and_then(|error| error.param.clone()),
        retry_after: failure.retry_after,
        passed_on: failure
            .status
            .filter(|status| (400..600).contains(status))
            .map(|http_status| PassedOn {
                http_status,
                error_type: upstream_error.and_then(|error| error.error_type.clone()),
                code: upstream_error.and_then(|error| error.code.clone()),
            }),
        rate_limits: None,
    }
}

/// All credentials that could answer are cooling; the first comes back then.
pub(super) fn cooling(until: Instant) -> ContractError {
    let wait = until.saturating_duration_since(Instant::now());
    ContractError::new(
        ErrorReason::RateLimitExceeded,
        format!(
            "The upstreams of this model are rate-limited; the first is back in {} s.",
            wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
        ),
    )
    .with_retry_after(wait)
}

/// An upstream has no room for another request now.
fn upstream_busy(upstream: &str, failure: &Failure) -> ContractError {
    let wait = failure.retry_after.unwrap_or(Duration::from_secs(1));
    ContractError::new(
        ErrorReason::ServerIsOverloaded,
        format!(
            "The upstream `{upstream}` is busy: {}; try again in {} s.",
            failure.message,
            wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
        ),
    )
    .with_retry_after(wait)
}

/// Credentials are there, but each has as much to do as it may have, or this request has tried too many others.
pub(super) fn busy() -> ContractError {
    ContractError::new(
        ErrorReason::ServerIsOverloaded,
        "All credentials of this model's upstreams are busy; try again shortly. More of them, or a higher limit \
         (COOKIE_CONCURRENCY, COOKIE_RPM), would answer more at once.",
    )
    .with_retry_after(Duration::from_secs(1))
}

/// The upstreams keep failing and are left alone for a while; the first is asked again then.
pub(super) fn unavailable(until: Option<Instant>) -> ContractError {
    let error = ContractError::new(
        ErrorReason::UpstreamUnavailable,
        "The upstreams of this model keep failing, so they are not asked for a while; try again shortly.",
    );
    match until {
        Some(until) => error.with_retry_after(until.saturating_duration_since(Instant::now())),
        None => error,
    }
}

/// An upstream accepts none of its credentials.
pub(super) fn none_valid(entry: &Entry) -> ContractError {
    let upstream = entry.name();
    if entry.pool.has_cookies() {
        return ContractError::new(
            ErrorReason::NoValidCookie,
            format!(
                "The upstream `{upstream}` accepts none of its cookies; the operator has to add a valid one (COOKIES, or `cookies` \
                 in the file). Those that it has are checked again by themselves."
            ),
        );
    }
    ContractError::new(
        ErrorReason::NoValidKey,
        format!(
            "The upstream `{upstream}` accepts none of its keys; the operator has to set a valid one (UPSTREAM_API_KEY, or \
             `api_key` in the file). Those that it has are checked again by themselves."
        ),
    )
}

/// No upstream is configured.
pub(super) fn no_upstream() -> ContractError {
    ContractError::new(
        ErrorReason::NoUpstream,
        "No upstream is configured, so nothing can answer. Connect one on the page /cookie, or set one: UPSTREAM_URL=https://host/v1 \
         (and UPSTREAM_API_KEY where it wants a key), [[upstreams]] in the file that CONFIG names, or \
         LOCAL_MODEL=/path/to/model.gguf for a model on this machine.",
    )
}

/// No upstream has the model.
pub(crate) fn model_not_found(model: &str) -> ContractError {
    ContractError::new(
        ErrorReason::ModelNotFound,
        format!(
            "The model `{model}` does not exist or you do not have access to it. GET /v1/models lists those that do."
        ),
    )
}

/// No upstream of the model has what a field asks for.
pub(super) fn unsupported(field: &str) -> ContractError {
    ContractError::new(
        ErrorReason::UnsupportedParameter,
        format!(
            "No upstream of this model supports `{field}`; leave it out, or ask another model."
        ),
    )
    .with_param(field)
}

/// A request that isn't streamed took too long in all.
pub(super) fn request_timeout(limit: Duration) -> ContractError {
    ContractError::new(
        ErrorReason::RequestTimeout,
        format!(
            "The answer was not complete within {} s (REQUEST_TIMEOUT). Ask for less, or stream.",
            limit.as_secs_f64()
        ),
    )
}

/// The process is stopping.
pub(crate) fn shutting_down() -> ContractError {
    ContractError::new(
        ErrorReason::ShuttingDown,
        "This server is shutting down; try again shortly.",
    )
    .with_retry_after(Duration::from_secs(1))
}

/// Whether another model may answer in place of one that failed like this: where a client would get 429, 502 or 503.
pub(super) fn another_may_answer(error: &ContractError) -> bool {
    match &error.passed_on {
        Some(passed_on) => matches!(passed_on.http_status, 429 | 502 | 503),
        None => matches!(
            error.reason,
            ErrorReason::RateLimitExceeded
                | ErrorReason::ServerIsOverloaded
                | ErrorReason::InsufficientQuota
                | ErrorReason::UpstreamError
                | ErrorReason::UpstreamMisconfigured
                | ErrorReason::UpstreamUnavailable
                | ErrorReason::NoValidCookie
                | ErrorReason::NoValidKey
        ),
    }
}
