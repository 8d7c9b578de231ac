//! When something is due for which slot.

use std::collections::BTreeSet;

use tokio::time::Instant;

/// At most one instant a slot. Looking costs the same for any number of slots, changing grows with its logarithm.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_instant: BTreeSet<(Instant, usize)>,
}

impl Timers {
    /// Replaces a slot's instant.
    pub(super) fn change(&mut self, slot: usize, old: Option<Instant>, new: Option<Instant>) {
        if old == new {
            return;
        }
        if let Some(old) = old {
            self.by_instant.remove(&(old, slot));
        }
        if let Some(new) = new {
            self.by_instant.insert((new, slot));
        }
    }

    /// The soonest instant.
    pub(super) fn first(&self) -> Option<Instant> {
        self.by_instant.first().map(|&(at, _)| at)
    }

    /// The slots, the soonest first.
    pub(super) fn slots(&self) -> impl Iterator<Item = usize> {
        self.by_instant.iter().map(|&(_, slot)| slot)
    }

    /// The slot that is due first, where one is.
    pub(super) fn due(&self, now: Instant) -> Option<usize> {
        self.by_instant
            .first()
            .filter(|&&(at, _)| at <= now)
            .map(|&(_, slot)| slot)
    }
}
