//! Which credentials of one upstream may be leased: a state machine that does no I/O and is told what time it is.
//!
//! Each credential has a slot, and each slot one [`Place`]. Those that may be leased are in a ring, so that choosing one costs the
//! same for ten credentials as for ten thousand; those that wait for an instant are in order of it.

mod checks;
mod choosing;
mod membership;
mod slot;

use std::{num::NonZeroU32, time::Duration};

use tokio::time::Instant;

pub(super) use self::slot::{Newcomer, View};
use self::slot::{Place, Slot};
use super::{
    NoLease,
    address_limit::{AddressLimit, Refused},
    outcome::Outcome,
    ring::Ring,
    standing::State,
    timers::Timers,
};
use crate::{config::Cooldown, upstream::LimitedBy};

/// Slots that are put back into the ring at once: the first request after ten thousand cooled must not wait for all of them.
const MOVED_AT_ONCE: usize = 16;

/// The credentials of one upstream.
#[derive(Debug)]
pub(super) struct Roster {
    rules: Rules,
    slots: Vec<Slot>,
    /// Slots whose credential is gone, to be used again.
    vacant: Vec<usize>,
    ready: Ring,
    full_count: usize,
    paced: Timers,
    /// Those that pause after a failure, in the order in which they were used.
    pausing: Ring,
    resting: Timers,
    cooling: Timers,
    trials: Timers,
    checks: Timers,
    address_limit: AddressLimit,
    /// The number of the turn that was taken last.
    last_turn: u64,
}

/// What holds for all credentials of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// For how long a rate limit cools that names no time.
    pub(crate) cooldown: Cooldown,
    /// Leases that one credential may have at once.
    pub(crate) concurrency: Option<NonZeroU32>,
    /// Leases that one credential may have in a minute.
    pub(crate) requests_per_minute: Option<NonZeroU32>,
    /// Whether a credential of which nothing is known is checked, rather than have its first request tell.
    pub(crate) checks_first: bool,
    /// After how long a credential is checked that nobody uses: a session ends when it is forgotten.
    pub(crate) idle_check: Option<Duration>,
}

/// Which credential an attempt would have.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wish<'a> {
    /// None of these.
    pub(crate) none_of: &'a [usize],
    /// Not this one, where there is another.
    pub(crate) rather_not: Option<usize>,
    /// Whether one that is invalid may be tried, where its time has come, although others are valid.
    pub(crate) tries_invalid: bool,
    /// Whether it would wait a little for one that has had less than those which are ready.
    pub(crate) is_patient: bool,
}

/// A slot that was leased; to be given back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) slot: usize,
    epoch: u64,
    begun_at: Instant,
    /// Whether it is a trial of an invalid one.
    pub(super) is_trial: bool,
}

/// A check that is to be made; to be reported.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DueCheck {
    pub(super) slot: usize,
    epoch: u64,
}

impl Roster {
    /// No credentials.
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            slots: Vec::new(),
            vacant: Vec::new(),
            ready: Ring::new(),
            full_count: 0,
            paced: Timers::default(),
            pausing: Ring::new(),
            resting: Timers::default(),
            cooling: Timers::default(),
            trials: Timers::default(),
            checks: Timers::default(),
            address_limit: AddressLimit::default(),
            last_turn: 0,
        }
    }

    /// Changes what holds for all.
    pub(super) fn set_rules(&mut self, rules: Rules, now: Instant) {
        if self.rules == rules {
            return;
        }
        self.rules = rules;
        for at in 0..self.slots.len() {
            self.watch_idle(at, now);
            self.settle(at, now);
        }
    }

    /// Takes a credential for an attempt.
    pub(super) fn take(&mut self, wish: Wish<'_>, now: Instant) -> Result<Taken, NoLease> {
        self.move_due(now);
        if let Some(until) = self.address_limit.until(now) {
            return Err(NoLease::Cooling(until));
        }
        if wish.tries_invalid
            && let Some(trial) = self.take_trial(now)
        {
            return Ok(trial);
        }
        match self.choose(wish, now) {
            Some(slot) => Ok(self.take_chosen(slot, now)),
            // Better a trial than nothing.
            None => match self.first_held(wish, now) {
                Some(until) => Err(NoLease::Busy(Some(until))),
                None => self.take_trial(now).ok_or_else(|| self.none_ready()),
            },
        }
    }

    /// Takes back what was leased.
    pub(super) fn give_back(&mut self, taken: &Taken, outcome: &Outcome, now: Instant) {
        let cooldown = self.rules.cooldown;
        let slot = &mut self.slots[taken.slot];
        slot.in_flight -= 1;
        slot.turns.note_end(taken.begun_at, now);
        slot.standing.learn(taken.epoch, outcome, cooldown, now);
        match (outcome, slot.standing.state()) {
            (Outcome::Limited(_, LimitedBy::Address), State::Cooling { until, .. }) => {
                self.note_address_limit(taken, until, now);
            }
            (Outcome::Succeeded, _) => {
                slot.rest.note_answer();
                self.address_limit.note_let_in(taken.slot, taken.begun_at);
            }
            (Outcome::Unavailable, _) => slot.rest.note_failure(now),
            _ => {}
        }
        self.settle(taken.slot, now);
        self.vacate(taken.slot);
    }

    /// Takes note of a limit that may be one of our address.
    fn note_address_limit(&mut self, taken: &Taken, until: Instant, now: Instant) {
        let slots = &self.slots;
        let may_be_refuted = |other: usize, since: Instant| {
            slots.iter().enumerate().any(|(at, slot)| {
                at != other && at != taken.slot && slot.in_flight > 0 && slot.last_used > since
            })
        };
        let refused = Refused {
            slot: taken.slot,
            begun_at: taken.begun_at,
            until,
        };
        self.address_limit.note(refused, may_be_refuted, now);
    }

    /// Takes note that an attempt which still runs has been let in.
    pub(super) fn note_accepted(&mut self, taken: &Taken, now: Instant) {
        let (cooldown, accepted) = (self.rules.cooldown, Outcome::Succeeded);
        let slot = &mut self.slots[taken.slot];
        slot.standing.learn(taken.epoch, &accepted, cooldown, now);
        slot.rest.note_answer();
        self.address_limit.note_let_in(taken.slot, taken.begun_at);
        self.settle(taken.slot, now);
    }

    /// What the upstream thinks of a credential.
    pub(super) fn state(&self, slot: usize) -> State {
        self.slots[slot].standing.state()
    }

    /// The credentials, those first that are the next to be leased.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = usize> {
        let others = (0..self.slots.len()).filter(|&at| {
            let slot = &self.slots[at];
            slot.place != Place::Ready && !slot.is_gone && !slot.is_disabled
        });
        self.ready.iter().chain(others)
    }

    /// Whether another credential than this one is usable: may be leased, now or soon.
    pub(super) fn has_others(&self, slot: usize) -> bool {
        let is_full = self.slots[slot].place == Place::Full;
        self.full_count > usize::from(is_full)
            || self
                .ready
                .iter()
                .chain(self.paced.slots())
                .chain(self.pausing.iter())
                .any(|other| other != slot)
    }

    /// When a credential can be leased though none comes back.
    fn next_ready_at(&self) -> Option<Instant> {
        let instants = [
            self.paced.first(),
            self.resting.first(),
            self.cooling.first(),
        ];
        instants.into_iter().flatten().min()
    }

    /// Puts slots whose time has come back into the ring.
    fn move_due(&mut self, now: Instant) {
        for _ in 0..MOVED_AT_ONCE {
            let timers = [&self.cooling, &self.paced, &self.resting];
            let Some(slot) = timers.iter().find_map(|timers| timers.due(now)) else {
                return;
            };
            self.slots[slot].standing.warm_up(now);
            self.settle(slot, now);
        }
    }

    /// Puts a slot into the place that its state asks for: the only function that moves one.
    fn settle(&mut self, at: usize, now: Instant) {
        let slot = &mut self.slots[at];
        let (trial_at, check_at) = match slot.is_used() {
            true => (slot.standing.trial_at(), slot.check_at(self.rules)),
            false => (None, None),
        };
        self.trials.change(at, slot.trial_at, trial_at);
        self.checks.change(at, slot.check_at, check_at);
        (slot.trial_at, slot.check_at) = (trial_at, check_at);

        let (old, new) = (slot.place, slot.place_for(self.rules, now));
        if old == new {
            return;
        }
        slot.place = new;
        if matches!(old, Place::Out | Place::Cooling(_)) {
            // What it missed meanwhile it need not make up for.
            slot.turns.catch_up(self.last_turn);
        }
        match old {
            Place::Ready => self.ready.remove(at),
            Place::Full => self.full_count -= 1,
            Place::Paced(until) => self.paced.change(at, Some(until), None),
            Place::Resting(until) => {
                self.pausing.remove(at);
                self.resting.change(at, Some(until), None);
            }
            Place::Cooling(until) => self.cooling.change(at, Some(until), None),
            Place::Out => {}
        }
        match new {
            Place::Ready => self.ready.push(at),
            Place::Full => self.full_count += 1,
            Place::Paced(until) => self.paced.change(at, None, Some(until)),
            Place::Resting(until) => {
                self.pausing.push(at);
                self.resting.change(at, None, Some(until));
            }
            Place::Cooling(until) => self.cooling.change(at, None, Some(until)),
            Place::Out => {}
        }
    }
}

#[cfg(test)]
mod tests;
