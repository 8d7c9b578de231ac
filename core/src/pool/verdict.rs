//! What a check of a credential shows, and when the next one follows.

use std::time::Duration;

use tokio::time::Instant;

use super::reason::InvalidReason;

/// After how long a check that could not tell is made again at first.
pub(super) const FIRST_CHECK_RETRY: Duration = Duration::from_secs(30);

/// What a check has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The upstream accepts the credential, and would not accept just anything.
    Accepted,
    /// The upstream refuses the credential, and would not refuse just anything.
    Refused(InvalidReason),
    /// The upstream answers so to anybody.
    ProvesNothing,
    /// The upstream could not be asked.
    OutOfReach,
}

/// When checks are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CheckInterval {
    /// Between two checks of an invalid credential.
    pub(crate) interval: Duration,
    /// The share of each wait that is waited, so that many don't come at once: about 1.
    pub(crate) spread: f64,
}

impl CheckInterval {
    /// When the next check is due.
    pub(super) fn after(self, now: Instant) -> Instant {
        now + self.interval.mul_f64(self.spread)
    }

    /// When a check is made again that could not tell.
    pub(super) fn retry_after(self, now: Instant) -> Instant {
        now + self.interval.min(FIRST_CHECK_RETRY).mul_f64(self.spread)
    }
}
