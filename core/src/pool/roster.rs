//! Which credentials of one upstream may be leased: a state machine that does no I/O and is told what time it is.
//!
//! Each credential has a slot, and each slot one [`Place`]. Those that may be leased are in a ring, so that choosing one costs the
//! same for ten credentials as for ten thousand; those that wait for an instant are in order of it.

use std::{num::NonZeroU32, time::Duration};

use tokio::time::Instant;

use super::{
    NoLease,
    address_limit::{AddressLimit, Refused},
    outcome::Outcome,
    pace::Pace,
    rest::Rest,
    ring::Ring,
    saved::{Proof, SavedStanding, WallClock},
    standing::{Standing, State},
    timers::Timers,
    turns::Turns,
    verdict::{CheckInterval, Verdict},
};
use crate::{config::Cooldown, upstream::LimitedBy};

/// Slots that are put back into the ring at once: the first request after ten thousand cooled must not wait for all of them.
const MOVED_AT_ONCE: usize = 16;

/// Slots to which one is compared: all of most pools, and of large ones enough.
const MAX_COMPARED: usize = 64;

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

#[derive(Debug)]
struct Slot {
    standing: Standing,
    in_flight: u32,
    pace: Pace,
    rest: Rest,
    turns: Turns,
    place: Place,
    last_used: Instant,
    /// Whether it is left unused by hand.
    is_disabled: bool,
    /// Whether its credential is gone; the slot is vacant once the last lease of it has come back.
    is_gone: bool,
    /// When one is checked of which nothing is known.
    first_check_at: Option<Instant>,
    /// When to look whether it was used.
    idle_check_at: Option<Instant>,
    /// As the timers have them.
    trial_at: Option<Instant>,
    check_at: Option<Instant>,
}

/// Where a slot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the ring: it may be leased.
    Ready,
    /// It has as many leases as it may have.
    Full,
    /// It has had as many requests in a minute as it may have.
    Paced(Instant),
    /// It pauses after a failure: it may be leased where no other can, or will soon.
    Resting(Instant),
    /// It is left alone after a limit.
    Cooling(Instant),
    /// It is invalid or disabled, or nobody's.
    Out,
}

/// A credential that comes in.
#[derive(Debug)]
pub(super) struct Newcomer {
    pub(super) standing: Standing,
    pub(super) is_disabled: bool,
    /// When to check it for the first time, where that is to be.
    pub(super) first_check_at: Option<Instant>,
}

/// A slot as it is seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View {
    pub(super) state: State,
    pub(super) is_disabled: bool,
    pub(super) in_flight: u32,
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

    /// Takes a credential in; its slot.
    pub(super) fn add(&mut self, newcomer: Newcomer, now: Instant) -> usize {
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
    pub(super) fn remove(&mut self, at: usize, now: Instant) {
        self.slots[at].is_gone = true;
        self.settle(at, now);
        self.vacate(at);
    }

    /// Leaves a credential unused, or uses it again.
    pub(super) fn set_disabled(&mut self, at: usize, is_disabled: bool, now: Instant) {
        self.slots[at].is_disabled = is_disabled;
        self.settle(at, now);
    }

    /// Ends a cool-down, and with it what is known of a limit by address.
    pub(super) fn clear(&mut self, at: usize, now: Instant) {
        self.address_limit.clear();
        self.slots[at].standing.clear();
        self.settle(at, now);
    }

    /// A slot as it is seen from outside.
    pub(super) fn view(&self, at: usize, now: Instant) -> View {
        let slot = &self.slots[at];
        View {
            state: slot.standing.state_at(now),
            is_disabled: slot.is_disabled,
            in_flight: slot.in_flight,
        }
    }

    /// What is to be kept of a slot.
    pub(super) fn to_save(&self, at: usize, wall: WallClock) -> SavedStanding {
        self.slots[at].standing.to_save(wall)
    }

    /// Makes a slot vacant whose credential is gone with all its leases.
    fn vacate(&mut self, at: usize) {
        let slot = &self.slots[at];
        if slot.is_gone && slot.in_flight == 0 {
            self.vacant.push(at);
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

    /// Has a credential looked at after a time, where those that nobody uses are not to be forgotten.
    fn watch_idle(&mut self, at: usize, now: Instant) {
        // Spread, so that a thousand are not checked at once: multiples of the golden ratio leave no gaps.
        let share = 0.5 + 0.5 * (at as f64 * 0.618_034).fract();
        let look_after = |idle_check: Duration| now + idle_check.mul_f64(share);
        self.slots[at].idle_check_at = self.rules.idle_check.map(look_after);
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

    /// Until when the first slot is held, for one who would wait for another.
    fn first_held(&self, wish: Wish<'_>, now: Instant) -> Option<Instant> {
        let held = self
            .ready
            .iter()
            .filter_map(|slot| self.held_until(slot, now));
        held.min().filter(|_| wish.is_patient)
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

    /// The check that is due, or when the next one is.
    pub(super) fn begin_check(&mut self, now: Instant) -> Result<DueCheck, Option<Instant>> {
        loop {
            let at = self.checks.due(now).ok_or_else(|| self.checks.first())?;
            let slot = &mut self.slots[at];
            let is_first = self.rules.checks_first
                && slot.first_check_at.take_if(|first| *first <= now).is_some();
            let is_wanted = match self.rules.idle_check {
                Some(idle_check) if !is_first && slot.standing.check_at().is_none() => {
                    let idle_since = slot.last_used;
                    let is_idle = idle_since + idle_check <= now;
                    let again_after = if is_idle { now } else { idle_since };
                    slot.idle_check_at = Some(again_after + idle_check);
                    is_idle
                }
                Some(_) | None => true,
            };
            slot.standing.begin_check();
            let epoch = slot.standing.epoch();
            self.settle(at, now);
            if is_wanted {
                return Ok(DueCheck { slot: at, epoch });
            }
        }
    }

    /// A check of this credential, whether or not one is due.
    pub(super) fn check_of(&mut self, at: usize, now: Instant) -> DueCheck {
        let slot = &mut self.slots[at];
        slot.standing.begin_check();
        let epoch = slot.standing.epoch();
        self.settle(at, now);
        DueCheck { slot: at, epoch }
    }

    /// Takes note of what a check has shown.
    pub(super) fn checked(
        &mut self,
        check: &DueCheck,
        verdict: Verdict,
        interval: CheckInterval,
        now: Instant,
    ) {
        let slot = &mut self.slots[check.slot];
        slot.standing.checked(check.epoch, verdict, interval, now);
        let is_unknown = matches!(
            slot.standing.state(),
            State::Usable {
                proof: Proof::Nothing,
                ..
            }
        );
        if is_unknown && verdict == Verdict::OutOfReach {
            slot.first_check_at = Some(interval.retry_after(now));
        }
        self.settle(check.slot, now);
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

    fn choose(&self, wish: Wish<'_>, now: Instant) -> Option<usize> {
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
    fn held_until(&self, slot: usize, now: Instant) -> Option<Instant> {
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

    fn take_chosen(&mut self, slot: usize, now: Instant) -> Taken {
        let ring = match self.slots[slot].place {
            Place::Resting(_) => &mut self.pausing,
            _ => &mut self.ready,
        };
        // Out of its place, so that it goes to the ring's end.
        ring.remove(slot);
        ring.push(slot);
        self.begin(slot, false, now)
    }

    fn take_trial(&mut self, now: Instant) -> Option<Taken> {
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

    fn begin(&mut self, slot: usize, is_trial: bool, now: Instant) -> Taken {
        let entry = &mut self.slots[slot];
        entry.in_flight += 1;
        entry.last_used = now;
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

    fn none_ready(&self) -> NoLease {
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

impl Slot {
    fn new(newcomer: Newcomer, now: Instant) -> Self {
        Self {
            last_used: now,
            is_disabled: newcomer.is_disabled,
            is_gone: false,
            first_check_at: newcomer.first_check_at,
            idle_check_at: None,
            standing: newcomer.standing,
            in_flight: 0,
            pace: Pace::default(),
            rest: Rest::default(),
            turns: Turns::default(),
            place: Place::Out,
            trial_at: None,
            check_at: None,
        }
    }

    /// Whether it may have leases and checks at all.
    fn is_used(&self) -> bool {
        !self.is_gone && !self.is_disabled
    }

    /// When a check is due: of an invalid one when its standing says so, else the first one, or when it may have been forgotten.
    fn check_at(&self, rules: Rules) -> Option<Instant> {
        match self.standing.state() {
            State::Invalid(_) => self.standing.check_at(),
            State::Usable { .. } | State::Cooling { .. } => {
                let first = self.first_check_at.filter(|_| rules.checks_first);
                first.or(self.idle_check_at)
            }
        }
    }

    fn place_for(&self, rules: Rules, now: Instant) -> Place {
        if !self.is_used() {
            return Place::Out;
        }
        match self.standing.state() {
            State::Invalid(_) => return Place::Out,
            State::Cooling { until, .. } => return Place::Cooling(until),
            State::Usable { .. } => {}
        }
        if rules
            .concurrency
            .is_some_and(|limit| self.in_flight >= limit.get())
        {
            return Place::Full;
        }
        let paced = rules
            .requests_per_minute
            .and_then(|limit| self.pace.full_until(limit, now));
        if let Some(until) = paced {
            return Place::Paced(until);
        }
        self.rest.until(now).map_or(Place::Ready, Place::Resting)
    }
}

#[cfg(test)]
mod tests;
