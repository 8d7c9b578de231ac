//! Credentials that come, change and go.

use tokio::time::Instant;

use super::{
    super::saved::{SavedStanding, WallClock},
    Newcomer, Roster, View,
    slot::Slot,
};

impl Roster {
    /// Takes a credential in; its slot.
    pub(in super::super) fn add(&mut self, newcomer: Newcomer, now: Instant) -> usize {
        let mut slot = Slot::new(newcomer, now);
        let at = match self.vacant.pop() {
            Some(at) => {
                slot.standing.follow(&self.slots[at].standing);
                self.slots[at] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                self.ready.grow();
                self.pausing.grow();
                self.slots.len() - 1
            }
        };
        self.watch_idle(at, now);
        self.settle(at, now);
        at
    }

    /// Lets a credential go. What is leased of it may still come back.
    pub(in super::super) fn remove(&mut self, at: usize, now: Instant) {
        self.slots[at].is_gone = true;
        self.settle(at, now);
        self.vacate(at);
    }

    /// Leaves a credential unused, or uses it again.
    pub(in super::super) fn set_disabled(&mut self, at: usize, is_disabled: bool, now: Instant) {
        self.slots[at].is_disabled = is_disabled;
        self.settle(at, now);
    }

    /// Ends a cool-down, and with it what is known of a limit by address.
    pub(in super::super) fn clear(&mut self, at: usize, now: Instant) {
        self.address_limit.clear();
        self.slots[at].standing.clear();
        self.settle(at, now);
    }

    /// A slot as it is seen from outside.
    pub(in super::super) fn view(&self, at: usize, now: Instant) -> View {
        let slot = &self.slots[at];
        View {
            state: slot.standing.state_at(now),
            is_disabled: slot.is_disabled,
            in_flight: slot.in_flight,
        }
    }

    /// What is to be kept of a slot.
    pub(in super::super) fn to_save(&self, at: usize, wall: WallClock) -> SavedStanding {
        self.slots[at].standing.to_save(wall)
    }

    /// Makes a slot vacant whose credential is gone with all its leases.
    pub(super) fn vacate(&mut self, at: usize) {
        let slot = &self.slots[at];
        if slot.is_gone && slot.in_flight == 0 {
            self.vacant.push(at);
        }
    }
}
