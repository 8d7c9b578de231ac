//! Choosing the credential of an attempt.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    super::NoLease,
    Roster, Taken, Wish,
    slot::{Place, Slot},
};

/// Slots to which one is compared: all of most pools, and of large ones enough.
const MAX_COMPARED: usize = 64;

impl Roster {
    /// Until when the first slot is held, for one who would wait for another.
    pub(super) fn first_held(&self, wish: Wish<'_>, now: Instant) -> Option<Instant> {
        let held = self
            .ready
            .iter()
            .filter_map(|slot| self.held_until(slot, now));
        held.min().filter(|_| wish.is_patient)
    }

    pub(super) fn choose(&self, wish: Wish<'_>, now: Instant) -> Option<usize> {
        let has_ready = !self.ready.is_empty();
        // Those that pause wait for the others to come back; where others are there, they are not wished for.
        let may_pause = match wish.is_patient {
            true => has_ready || self.full_count > 0,
            false => !has_ready && self.full_count > 0,
        };
        let pausing = self.pausing.iter().filter(|_| !may_pause);
        let mut wished = self
            .ready
            .iter()
            .filter(|&slot| !wish.is_patient || self.held_until(slot, now).is_none())
            .chain(pausing)
            .filter(|slot| !wish.none_of.contains(slot));
        let first = wished.next()?;
        match wish.rather_not {
            Some(unloved) if unloved == first => wished.next().or(Some(first)),
            _ => Some(first),
        }
    }

    /// Until when a slot lets others catch up that have had less, where it does.
    pub(super) fn held_until(&self, slot: usize, now: Instant) -> Option<Instant> {
        let until = self.slots[slot].turns.held_until(now)?;
        let count = self.slots.len();
        let others =
            (1..count.min(MAX_COMPARED)).map(|distance| &self.slots[(slot + distance) % count]);
        let is_ahead = |other: &Slot| {
            matches!(other.place, Place::Ready | Place::Full)
                && self.slots[slot].turns.is_ahead_of(&other.turns)
        };
        others.into_iter().any(is_ahead).then_some(until)
    }

    pub(super) fn take_chosen(&mut self, slot: usize, now: Instant) -> Taken {
        let ring = match self.slots[slot].place {
            Place::Resting(_) => &mut self.pausing,
            _ => &mut self.ready,
        };
        // Out of its place, so that it goes to the ring's end.
        ring.remove(slot);
        ring.push(slot);
        self.begin(slot, false, now)
    }

    pub(super) fn take_trial(&mut self, now: Instant) -> Option<Taken> {
        let slot = self.trials.due(now)?;
        if self
            .rules
            .concurrency
            .is_some_and(|limit| self.slots[slot].in_flight >= limit.get())
        {
            return None;
        }
        self.slots[slot].standing.begin_trial();
        Some(self.begin(slot, true, now))
    }

    pub(super) fn begin(&mut self, slot: usize, is_trial: bool, now: Instant) -> Taken {
        let entry = &mut self.slots[slot];
        entry.in_flight += 1;
        entry.last_used = now;
        entry.idle_before = Duration::ZERO;
        self.last_turn = entry.turns.note_begin();
        if let Some(limit) = self.rules.requests_per_minute {
            entry.pace.note(limit, now);
        }
        let epoch = entry.standing.epoch();
        self.settle(slot, now);
        Taken {
            slot,
            epoch,
            begun_at: now,
            is_trial,
        }
    }

    pub(super) fn none_ready(&self) -> NoLease {
        if !self.ready.is_empty() {
            return NoLease::Unwished;
        }
        let soonest = self.next_ready_at();
        match soonest {
            _ if self.full_count > 0 || self.paced.first().is_some() => NoLease::Busy(soonest),
            _ if self.resting.first().is_some() => NoLease::Unwished,
            Some(until) => NoLease::Cooling(until),
            None => NoLease::NoneValid,
        }
    }
}
