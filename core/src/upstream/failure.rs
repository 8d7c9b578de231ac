//! What went wrong at an upstream, and whose fault it was.

use std::{fmt, time::Duration};

use crate::pool::InvalidReason;

/// A failure at an upstream, or on the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What it was: decides what happens to the credential, the upstream and the request.
    pub(crate) kind: FailureKind,
    /// What happened, for the person who asked: lowercase, no full stop, without a secret, a prompt or an upstream's body.
    pub(crate) message: String,
    /// When the upstream wants to be asked again, where it said so.
    pub(crate) retry_after: Option<Duration>,
    /// Whom the limit of one that is `RateLimited` is for.
    pub(crate) limited_by: LimitedBy,
    /// Why the credential of one that is `Unauthorized` isn't let in.
    pub(crate) invalid_reason: InvalidReason,
    /// The HTTP status that the upstream answered with, where it did.
    pub(crate) status: Option<u16>,
    /// The upstream's own error object, where it sent one, without what looks like a secret.
    pub(crate) upstream_error: Option<UpstreamError>,
}

/// An upstream's own error object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UpstreamError {
    /// What it says.
    pub(crate) message: String,
    /// Its `type`.
    pub(crate) error_type: Option<String>,
    /// Its `param`.
    pub(crate) param: Option<String>,
    /// Its `code`, numbers as text.
    pub(crate) code: Option<String>,
}

/// The rows of the failure table (docs/architecture.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// Refused the connection, reset it, 5xx, 529, 408, 425; a 200 with an error, without an end, or without a meaningful event.
    Unavailable,
    /// A clock ran out.
    Clock(Clock),
    /// 429.
    RateLimited,
    /// 402, 429 `insufficient_quota` or a balance code.
    QuotaSpent,
    /// 401, 403, a login redirect.
    Unauthorized,
    /// Our own configuration is wrong: a redirect, HTML, a 404 without an error object.
    Misconfigured,
    /// 404 naming the model, 410.
    ModelGone,
    /// Has no room for another request now: busy, not limited.
    Busy,
    /// Can answer nothing until someone repairs it: a model that can't be loaded.
    #[cfg_attr(
        not(feature = "local"),
        expect(dead_code, reason = "only a local model fails so")
    )]
    Unusable,
    /// Another 4xx: the client's error.
    Rejected,
}

/// Whom an upstream limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitedBy {
    /// One credential alone.
    Credential,
    /// Whoever asks from our address, or the credential: the upstream doesn't tell.
    Address,
}

/// The clocks that an upstream can miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Until connected.
    Connect,
    /// Until the first meaningful event.
    FirstToken,
    /// Between two bytes.
    Idle,
}

impl Failure {
    /// A failure of which nothing more is known.
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            retry_after: None,
            limited_by: LimitedBy::Credential,
            invalid_reason: InvalidReason::Unknown,
            status: None,
            upstream_error: None,
        }
    }

    /// One by which a credential isn't let in.
    pub(crate) fn unauthorized(reason: InvalidReason, message: impl Into<String>) -> Self {
        Self {
            invalid_reason: reason,
            ..Self::new(FailureKind::Unauthorized, message)
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
