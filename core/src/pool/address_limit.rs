//! A limit that an upstream counts by our address: what stops one credential will stop the others.

use std::time::Duration;

use tokio::time::Instant;

/// Within how long two credentials have to be limited to show that all are.
const TOGETHER: Duration = Duration::from_secs(10);

/// What is known of such a limit.
#[derive(Debug, Default)]
pub(super) struct AddressLimit {
    last: Option<Limited>,
    until: Option<Instant>,
}

/// The credential that was limited last.
#[derive(Debug, Clone, Copy)]
struct Limited {
    slot: usize,
    at: Instant,
}

impl AddressLimit {
    /// Takes note that a credential was limited, and cools until then.
    pub(super) fn note(&mut self, slot: usize, until: Instant, now: Instant) {
        let is_shared = self.last.is_some_and(|last| {
            last.slot != slot && now.saturating_duration_since(last.at) <= TOGETHER
        });
        if is_shared {
            self.until = self.until.max(Some(until));
        }
        self.last = Some(Limited { slot, at: now });
    }

    /// Forgets it.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Until when all credentials are left alone, where they are.
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| now < *until)
    }
}
