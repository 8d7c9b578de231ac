//! How many requests a minute a credential takes.

use std::{collections::VecDeque, num::NonZeroU32, time::Duration};

use tokio::time::Instant;

/// What "a minute" is.
const MINUTE: Duration = Duration::from_secs(60);

/// The requests of the last minute.
///
/// A window that slides, as the services' own limits do: a bucket that fills up would let twice as many through in its first minute.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When they began, as many as the limit at most.
    begun: VecDeque<Instant>,
}

impl Pace {
    /// Takes note of a request.
    pub(super) fn note(&mut self, limit: NonZeroU32, now: Instant) {
        let limit = usize::try_from(limit.get()).unwrap_or(usize::MAX);
        if self.begun.len() >= limit {
            self.begun.pop_front();
        }
        self.begun.push_back(now);
    }

    /// When another request may begin, where that is not now.
    pub(super) fn full_until(&self, limit: NonZeroU32, now: Instant) -> Option<Instant> {
        let limit = usize::try_from(limit.get()).unwrap_or(usize::MAX);
        let oldest = self.begun.front().filter(|_| self.begun.len() >= limit)?;
        let until = *oldest + MINUTE;
        (now < until).then_some(until)
    }
}
