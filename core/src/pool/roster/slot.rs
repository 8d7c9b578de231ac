//! A place for a credential.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    super::{
        pace::Pace,
        rest::Rest,
        standing::{Standing, State},
        turns::Turns,
    },
    Rules,
};

/// A place for a credential, and what is known of the one that has it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) standing: Standing,
    pub(super) in_flight: u32,
    pub(super) pace: Pace,
    pub(super) rest: Rest,
    pub(super) turns: Turns,
    pub(super) place: Place,
    /// Since when it is known to be unused, beside `idle_before`.
    pub(super) last_used: Instant,
    /// For how long it was unused when it came.
    pub(super) idle_before: Duration,
    /// Whether it is left unused by hand.
    pub(super) is_disabled: bool,
    /// Whether its credential is gone; the slot is vacant once the last lease of it has come back.
    pub(super) is_gone: bool,
    /// When one is checked of which nothing is known.
    pub(super) first_check_at: Option<Instant>,
    /// When to look whether it was used.
    pub(super) idle_check_at: Option<Instant>,
    /// As the timers have them.
    pub(super) trial_at: Option<Instant>,
    pub(super) check_at: Option<Instant>,
}

/// Where a slot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
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
pub(in super::super) struct Newcomer {
    pub(in super::super) standing: Standing,
    pub(in super::super) is_disabled: bool,
    /// When to check it for the first time, where that is to be.
    pub(in super::super) first_check_at: Option<Instant>,
    /// For how long nobody has used or checked it.
    pub(in super::super) idle_for: Duration,
}

/// A slot as it is seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct View {
    pub(in super::super) state: State,
    pub(in super::super) is_disabled: bool,
    pub(in super::super) in_flight: u32,
}

impl Slot {
    pub(super) fn new(newcomer: Newcomer, now: Instant) -> Self {
        Self {
            last_used: now,
            idle_before: newcomer.idle_for,
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

    /// For how long nobody has used it.
    pub(super) fn idle_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last_used) + self.idle_before
    }

    /// Whether it may have leases and checks at all.
    pub(super) fn is_used(&self) -> bool {
        !self.is_gone && !self.is_disabled
    }

    /// When a check is due: of an invalid one when its standing says so, else the first one, or when it may have been forgotten.
    pub(super) fn check_at(&self, rules: Rules) -> Option<Instant> {
        match self.standing.state() {
            State::Invalid(_) => self.standing.check_at(),
            State::Usable { .. } | State::Cooling { .. } => {
                let first = self.first_check_at.filter(|_| rules.checks_first);
                first.or(self.idle_check_at)
            }
        }
    }

    pub(super) fn place_for(&self, rules: Rules, now: Instant) -> Place {
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
