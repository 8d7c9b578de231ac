//! A limit that an upstream counts by our address: what stops one credential will stop the others.
//!
//! A refusal doesn't tell whether it was the credential's own limit that was reached or that of our address. Two credentials refused
//! together show the second, unless a third was let in with a request that was begun after the first refused one.

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
    /// When its first refused request was begun.
    begun_at: Instant,
    at: Instant,
}

/// A request that was refused by a limit, as it is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused {
    /// Whose it was.
    pub(super) slot: usize,
    /// When it was begun.
    pub(super) begun_at: Instant,
    /// Until when its credential is left alone.
    pub(super) until: Instant,
}

impl AddressLimit {
    /// Takes note that a credential was limited. `may_be_refuted` tells whether a request of a third credential is under way that was
    /// begun after an instant: how that ends will show whether the limit is shared.
    pub(super) fn note(
        &mut self,
        refused: Refused,
        may_be_refuted: impl FnOnce(usize, Instant) -> bool,
        now: Instant,
    ) {
        let Refused {
            slot,
            begun_at,
            until,
        } = refused;
        let together = self
            .last
            .filter(|last| now.saturating_duration_since(last.at) <= TOGETHER);
        let begun_at = match together {
            Some(last) if last.slot == slot => last.begun_at,
            Some(last) if !may_be_refuted(last.slot, last.begun_at) => {
                self.until = self.until.max(Some(until));
                begun_at
            }
            Some(_) | None => begun_at,
        };
        self.last = Some(Limited {
            slot,
            begun_at,
            at: now,
        });
    }

    /// Takes note that a request was let in.
    pub(super) fn note_let_in(&mut self, slot: usize, begun_at: Instant) {
        self.last
            .take_if(|last| last.slot != slot && last.begun_at < begun_at);
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
