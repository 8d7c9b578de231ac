//! How an attempt ended, as far as its credential and its upstream are concerned.

use std::time::Duration;

use super::reason::InvalidReason;
use crate::upstream::{Clock, Failure, FailureKind, LimitedBy};

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The upstream answered, to the end.
    Succeeded,
    /// The credential, or our address, was used too fast; the upstream may say for how long to leave it alone.
    Limited(Option<Duration>, LimitedBy),
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
            Self::Limited(..)
            | Self::QuotaSpent
            | Self::Refused(_)
            | Self::Unavailable
            | Self::Late => true,
        }
    }

    /// What a failure says of this credential.
    pub(super) fn of(failure: &Failure) -> Self {
        match failure.kind {
            FailureKind::RateLimited => Self::Limited(failure.retry_after, failure.limited_by),
            FailureKind::QuotaSpent => Self::QuotaSpent,
            FailureKind::Unauthorized => Self::Refused(failure.invalid_reason),
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
