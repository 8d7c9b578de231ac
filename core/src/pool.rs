//! The credentials of one upstream: which of them an attempt gets, and what becomes of it.
//!
//! Two state machines without clocks of their own decide, the [`Roster`] over the credentials and the [`Breaker`] over the upstream; a
//! [`Pool`] holds both under one lock, tells them the time, and wakes those who wait. A [`Lease`] is a credential taken for one
//! attempt; it is given back when it is dropped, however the attempt ended.

mod address_limit;
mod administration;
mod breaker;
mod changes;
mod checking;
mod failure_window;
mod lease;
mod member;
mod outcome;
mod pace;
mod reason;
mod record;
mod rest;
mod ring;
mod roster;
mod saved;
mod standing;
mod timers;
mod turns;
mod verdict;
mod waiting;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{sync::Notify, time::Instant};

use crate::{
    config::Cooldown,
    store::Fingerprint,
    upstream::{Failure, Secret},
};

use self::record::Record;
use self::{
    breaker::{Admission, Breaker},
    roster::{Roster, Taken},
    standing::State,
    waiting::Waiter,
};
pub(crate) use self::{
    changes::Changes,
    checking::DueCheck,
    lease::Lease,
    member::{CredentialId, CredentialSource, Member},
    outcome::Outcome,
    reason::{CoolingReason, InvalidReason},
    record::{NewCredential, Shown, ShownState},
    roster::{Rules, Wish},
    saved::{Proof, SavedStanding, SavedState},
    verdict::{CheckInterval, Verdict},
    waiting::first_free,
};

/// The credentials of one upstream.
#[derive(Debug)]
pub(crate) struct Pool {
    upstream: String,
    passes_limits_on: bool,
    shared: Mutex<Shared>,
    /// Whether the upstream has failed of late, so that its breaker wants to hear of a success at once.
    is_shaky: AtomicBool,
    /// Told when a check has become due.
    suspicion: Notify,
    /// Tells one who waits that a credential will be ready though none comes back.
    timing: Notify,
    /// Told when something has changed that is to be kept.
    changed: Notify,
}

/// What the lock guards: whole after every statement.
#[derive(Debug)]
struct Shared {
    /// At each slot's number; of a slot that is vacant, what was last there.
    records: Vec<Record>,
    /// The slots of those that are there, the oldest first.
    by_id: BTreeMap<CredentialId, usize>,
    by_fingerprint: HashMap<Fingerprint, usize>,
    roster: Roster,
    /// Slots with something to be kept.
    to_keep: Vec<usize>,
    /// `None`: never opens.
    breaker: Option<Breaker>,
    /// The credential with which an attempt failed last by the upstream's fault, or its own.
    last_failed: Option<usize>,
    /// Those who wait for a lease, the first come first. While one waits, nothing can be leased.
    waiters: VecDeque<Waiter>,
}

/// Why no credential can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoLease {
    /// All that are usable are at a limit of ours. Whether or not a lease comes back, one is ready then.
    Busy(Option<Instant>),
    /// All that are valid are cooling; the first comes back then.
    Cooling(Instant),
    /// The upstream accepts none.
    NoneValid,
    /// The upstream keeps failing; it is tried again then.
    Broken(Option<Instant>),
    /// Only those are left that are not wished for.
    Unwished,
}

impl NoLease {
    /// When it may be otherwise though no lease comes back.
    pub(crate) fn until(self) -> Option<Instant> {
        match self {
            Self::Busy(until) | Self::Broken(until) => until,
            Self::Cooling(until) => Some(until),
            Self::NoneValid | Self::Unwished => None,
        }
    }
}

/// What was leased, with how the breaker let it pass.
#[derive(Debug)]
struct Leased {
    taken: Taken,
    admission: Admission,
}

impl Pool {
    /// The pool of an upstream; `breaks`: it has a circuit breaker.
    pub(crate) fn new(upstream: &str, rules: Rules, breaks: bool) -> Self {
        Self {
            upstream: upstream.to_owned(),
            passes_limits_on: rules.cooldown == Cooldown::Off,
            shared: Mutex::new(Shared {
                roster: Roster::new(rules),
                records: Vec::new(),
                by_id: BTreeMap::new(),
                by_fingerprint: HashMap::new(),
                to_keep: Vec::new(),
                breaker: breaks.then(|| Breaker::new(Instant::now())),
                last_failed: None,
                waiters: VecDeque::new(),
            }),
            is_shaky: AtomicBool::new(false),
            suspicion: Notify::new(),
            timing: Notify::new(),
            changed: Notify::new(),
        }
    }

    /// Changes what holds for all credentials, but for what limits do.
    pub(crate) fn set_rules(self: &Arc<Self>, rules: Rules) {
        self.shared().roster.set_rules(rules, Instant::now());
        self.suspicion.notify_one();
        self.serve_waiters();
    }

    /// Whether a rate limit leaves the credentials as they are and is passed on.
    pub(crate) fn passes_limits_on(&self) -> bool {
        self.passes_limits_on
    }

    /// Whether the upstream keeps failing and is left alone.
    pub(crate) fn is_broken(&self) -> bool {
        self.shared().breaker.as_ref().is_some_and(Breaker::is_open)
    }

    /// Whether any of the credentials is a cookie.
    pub(crate) fn has_cookies(&self) -> bool {
        let shared = self.shared();
        let mut members = shared.by_id.values().map(|&slot| shared.member(slot));
        members.any(|member| matches!(member.credential.secret, Secret::Cookie(_)))
    }

    /// Takes a credential for an attempt.
    ///
    /// # Errors
    ///
    /// Why none can be had.
    pub(crate) fn lease(self: &Arc<Self>, wish: Wish<'_>) -> Result<Lease, NoLease> {
        let now = Instant::now();
        let mut shared = self.shared();
        // What has become free meanwhile is theirs who wait.
        while !shared.waiters.is_empty()
            && let Ok(grant) = shared.next_grant(now)
        {
            drop(shared);
            grant.hand_over(self);
            shared = self.shared();
        }
        // Nor is that theirs who come later which they would wait for.
        let wish = Wish {
            is_patient: !shared.waiters.is_empty(),
            ..wish
        };
        let leased = shared.take(wish, now)?;
        let member = Arc::clone(shared.member(leased.taken.slot));
        drop(shared);
        Ok(Lease::new(Arc::clone(self), member, leased))
    }

    /// The credentials with which models may be listed, those first that are the next to be leased; at most so many.
    pub(crate) fn in_turn(&self, count: usize) -> Vec<Arc<Member>> {
        let shared = self.shared();
        let slots = shared.roster.in_turn().take(count);
        slots.map(|slot| Arc::clone(shared.member(slot))).collect()
    }

    fn give_back(self: &Arc<Self>, leased: &Leased, outcome: &Outcome, failure: Option<&Failure>) {
        let now = Instant::now();
        let mut shared = self.shared();
        let Leased { taken, admission } = leased;
        let before = shared.roster.state(taken.slot);
        shared.roster.give_back(taken, outcome, now);
        let after = shared.roster.state(taken.slot);
        if let Some(failure) = failure
            && outcome.is_failure()
        {
            let usage = &mut shared.records[taken.slot].usage;
            usage.failures += 1;
            usage.last_error.clone_from(&failure.message);
        }
        let is_renewed = shared.keep_secret_if_changed(taken.slot);
        let of_upstream = match shared.is_own_failure(leased, outcome) {
            true => &Outcome::SaysNothing,
            false => outcome,
        };
        let (was_open, is_open) = self.note_in_breaker(&mut shared, *admission, of_upstream, now);
        let has_waiters = !shared.waiters.is_empty();
        let member = (before != after).then(|| {
            shared.keep_standing(taken.slot);
            Arc::clone(shared.member(taken.slot))
        });
        drop(shared);

        if let Some(member) = member {
            self.tell_change(&member, before, after);
        }
        if is_renewed {
            self.changed.notify_one();
        }
        self.tell_breaker(was_open, is_open);
        if has_waiters {
            self.serve_waiters();
        }
    }

    /// Takes note that an attempt which still runs has been let in.
    fn note_accepted(self: &Arc<Self>, leased: &Leased) {
        let now = Instant::now();
        let mut shared = self.shared();
        let slot = leased.taken.slot;
        let before = shared.roster.state(slot);
        shared.roster.note_accepted(&leased.taken, now);
        let after = shared.roster.state(slot);
        let accepted = &Outcome::Succeeded;
        let (was_open, is_open) =
            self.note_in_breaker(&mut shared, leased.admission, accepted, now);
        let member = Arc::clone(shared.member(slot));
        if before != after {
            shared.keep_standing(slot);
        }
        drop(shared);
        self.tell_change(&member, before, after);
        self.tell_breaker(was_open, is_open);
        self.serve_waiters();
    }

    /// Tells the breaker how an attempt ended. Whether it was open, and is.
    fn note_in_breaker(
        &self,
        shared: &mut Shared,
        admission: Admission,
        outcome: &Outcome,
        now: Instant,
    ) -> (bool, bool) {
        let Some(breaker) = &mut shared.breaker else {
            return (false, false);
        };
        let (was_open, was_shaky) = (breaker.is_open(), breaker.is_shaky());
        breaker.note(admission, outcome, now);
        if was_shaky != breaker.is_shaky() {
            self.is_shaky.store(!was_shaky, Ordering::Relaxed);
        }
        (was_open, breaker.is_open())
    }

    /// Logs what has become of a credential, and wakes who checks it and who keeps it.
    fn tell_change(&self, member: &Member, before: State, after: State) {
        if before != after {
            self.changed.notify_one();
        }
        let (upstream, credential, source) = (&self.upstream, member.id, member.source.as_str());
        match (before, after) {
            (State::Invalid(_), State::Invalid(_)) => {}
            (_, State::Invalid(invalid)) => {
                self.suspicion.notify_one();
                let reason = invalid.reason.as_str();
                tracing::warn!(upstream, %credential, source, reason, "credential refused");
            }
            (State::Usable { .. }, State::Cooling { until, reason, .. }) => {
                let seconds = until
                    .saturating_duration_since(Instant::now())
                    .as_secs_f64()
                    .ceil();
                let reason = reason.as_str();
                tracing::warn!(upstream, %credential, source, reason, seconds, "credential cools down");
            }
            (State::Invalid(_), State::Usable { .. }) => {
                tracing::info!(upstream, %credential, source, "credential accepted again");
            }
            (State::Usable { .. } | State::Cooling { .. } | State::Invalid(_), _) => {}
        }
    }

    fn tell_breaker(&self, was_open: bool, is_open: bool) {
        let upstream = &self.upstream;
        match (was_open, is_open) {
            (false, true) => tracing::warn!(
                upstream,
                "upstream keeps failing; it is left alone for a while"
            ),
            (true, false) => tracing::info!(upstream, "upstream answers again"),
            (false, false) | (true, true) => {}
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // A panic elsewhere leaves nothing half done.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Whether an attempt's failure may be that of its credential: so it is when the last failure was its own too, and others are
    /// usable. It says nothing of the upstream then.
    fn is_own_failure(&mut self, leased: &Leased, outcome: &Outcome) -> bool {
        let slot = leased.taken.slot;
        match outcome {
            Outcome::Unavailable => {
                let is_again = self.last_failed.replace(slot) == Some(slot);
                is_again && leased.admission != Admission::Probe && self.roster.has_others(slot)
            }
            Outcome::Succeeded => {
                self.last_failed.take_if(|failed| *failed == slot);
                false
            }
            _ => false,
        }
    }

    fn take(&mut self, wish: Wish<'_>, now: Instant) -> Result<Leased, NoLease> {
        let admission = match &self.breaker {
            None => Admission::Pass,
            Some(breaker) => breaker.admits(now).map_err(NoLease::Broken)?,
        };
        let taken = self.roster.take(wish, now)?;
        self.note_use(taken.slot);
        if let (Admission::Probe, Some(breaker)) = (admission, &mut self.breaker) {
            breaker.begin_probe();
        }
        Ok(Leased { taken, admission })
    }
}

#[cfg(test)]
mod tests;
