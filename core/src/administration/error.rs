//! What an operator is told when something can't be done.

use llm2api_proto::{ContractError, v1::ErrorReason};

use crate::{
    registry::Entry,
    store::StoreError,
    upstream::{Clock, Failure, FailureKind},
};

/// The store can't keep it.
pub(super) fn not_stored(error: &StoreError) -> ContractError {
    tracing::error!(%error, "a change could not be stored");
    ContractError::new(
        ErrorReason::StoreError,
        format!("The change could not be stored, and was not made: {error}."),
    )
}

/// A fault of our own.
pub(super) fn internal() -> ContractError {
    ContractError::new(
        ErrorReason::InternalError,
        "The server made a mistake; its log says more.",
    )
}

/// There is no credential with this id.
pub(super) fn no_cookie(id: &str) -> ContractError {
    ContractError::new(
        ErrorReason::CookieNotFound,
        format!("There is no cookie `{id}`; `llm2api cookie list` shows those that there are."),
    )
}

/// There is no upstream with this name.
pub(super) fn no_upstream_named(name: &str) -> ContractError {
    ContractError::new(
        ErrorReason::UpstreamNotFound,
        format!(
            "There is no upstream `{name}`; `llm2api upstream list` shows those that there are."
        ),
    )
}

/// A field has a value that it doesn't take.
pub(super) fn invalid(param: &str, takes: &str) -> ContractError {
    ContractError::new(
        ErrorReason::InvalidValue,
        format!("`{param}` takes {takes}."),
    )
    .with_param(param)
}

/// A field is missing.
pub(super) fn missing(param: &str) -> ContractError {
    ContractError::new(
        ErrorReason::MissingRequiredParameter,
        format!("`{param}` is missing."),
    )
    .with_param(param)
}

/// It stands in the configuration.
pub(super) fn read_only(what: &str) -> ContractError {
    ContractError::new(
        ErrorReason::ReadOnly,
        format!("{what} stands in the configuration, and can be changed there only."),
    )
}

/// The upstream refuses a credential.
pub(super) fn refused(entry: &Entry, failure: &Failure) -> ContractError {
    ContractError::new(
        ErrorReason::CookieInvalid,
        format!(
            "The upstream `{}` does not accept it: {}. Nothing was added.",
            entry.name(),
            failure.message
        ),
    )
    .with_param("cookie")
}

/// The upstream can't be asked about a credential.
pub(super) fn out_of_reach(entry: &Entry, failure: &Failure) -> ContractError {
    let reason = match failure.kind {
        FailureKind::Misconfigured => ErrorReason::UpstreamMisconfigured,
        FailureKind::Clock(Clock::Connect | Clock::FirstToken | Clock::Idle)
        | FailureKind::Unavailable
        | FailureKind::RateLimited
        | FailureKind::QuotaSpent
        | FailureKind::Unauthorized
        | FailureKind::ModelGone
        | FailureKind::Busy
        | FailureKind::Unusable
        | FailureKind::Rejected => ErrorReason::UpstreamError,
    };
    ContractError::new(
        reason,
        format!(
            "The upstream `{}` could not be asked: {}. Nothing was added.",
            entry.name(),
            failure.message
        ),
    )
}
