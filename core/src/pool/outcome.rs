//! How an attempt ended, as far as its credential and its upstream are concerned.

use std::time::Duration;

use super::reason::InvalidReason;
use crate::upstream::{Clock, Credential, Failure, FailureKind, Secret};

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The upstream answered, to the end.
    Succeeded,
    /// The credential was used too fast; the upstream may say for how long to leave it alone.
    Limited(Option<Duration>),
    /// The credential has nothing left to spend.
    QuotaSpent,
    /// The upstream doesn't let the credential in.
    Refused(InvalidReason),
    /// The upstream failed, or the way to it.
    Unavailable,
    /// The upstream took too long, and may still be working.
    Late,
    /// Nothing that counts: the client left or made a mistake, or our own configuration is wrong.
    SaysNothing,
}

impl Outcome {
    /// Whether the upstream or the credential failed.
    pub(super) fn is_failure(&self) -> bool {
        match self {
            Self::Succeeded | Self::SaysNothing => false,
            Self::Limited(_)
            | Self::QuotaSpent
            | Self::Refused(_)
            | Self::Unavailable
            | Self::Late => true,
        }
    }

    /// What a failure says of this credential.
    pub(super) fn of(failure: &Failure, credential: &Credential) -> Self {
        match failure.kind {
            FailureKind::RateLimited => Self::Limited(failure.retry_after),
            FailureKind::QuotaSpent => Self::QuotaSpent,
            FailureKind::Unauthorized => Self::Refused(invalid_reason(failure.status, credential)),
            FailureKind::Unavailable | FailureKind::Clock(Clock::Connect) => Self::Unavailable,
            FailureKind::Clock(Clock::FirstToken | Clock::Idle) => Self::Late,
            FailureKind::Misconfigured
            | FailureKind::ModelGone
            | FailureKind::Busy
            | FailureKind::Unusable
            | FailureKind::Rejected => Self::SaysNothing,
        }
    }
}

/// Why a credential was refused, as far as the status tells.
fn invalid_reason(status: Option<u16>, credential: &Credential) -> InvalidReason {
    match (status, &credential.secret) {
        (Some(403), _) => InvalidReason::Blocked,
        // Services answer a session that has ended with a 401, or lead to their login.
        (Some(401 | 300..=399), Secret::Cookie(_)) => InvalidReason::Expired,
        (Some(401), Secret::ApiKey(_)) => InvalidReason::Revoked,
        (_, Secret::Anonymous | Secret::ApiKey(_) | Secret::Cookie(_)) => InvalidReason::Unknown,
    }
}
