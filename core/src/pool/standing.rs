//! What an upstream thinks of one credential, as far as is known: a state machine without a clock of its own.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    outcome::Outcome,
    reason::{CoolingReason, InvalidReason},
    saved::{Proof, SavedStanding, SavedState, WallClock},
    verdict::{CheckInterval, FIRST_CHECK_RETRY, Verdict},
};
use crate::config::Cooldown;

/// The longest that a rate limit cools a credential, whatever the upstream says.
const MAX_RATE_LIMIT: Duration = Duration::from_secs(60 * 60);
/// For how long a spent quota cools a credential at first; each further time for twice as long.
const FIRST_QUOTA_COOLDOWN: Duration = Duration::from_secs(60 * 60);
/// The longest that a spent quota cools a credential.
const MAX_QUOTA_COOLDOWN: Duration = Duration::from_secs(24 * 60 * 60);
/// After how long a refused credential gets a trial chat at first; each further time after twice as long.
const FIRST_TRIAL: Duration = Duration::from_secs(30);
/// The longest until a refused credential's next trial chat.
const MAX_TRIAL: Duration = Duration::from_secs(30 * 60);

/// What an upstream thinks of a credential.
///
/// What an attempt or a check learns counts only where it was begun after the credential was last refused or restored: an answer
/// that was on its way when a session died does not bring it back.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    state: State,
    /// Changes whenever the credential is refused or restored.
    epoch: u64,
}

/// The states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// May be leased.
    Usable {
        proof: Proof,
        /// How often in a row the quota was found spent.
        quota_streak: u32,
    },
    /// Is left alone for a while.
    Cooling {
        until: Instant,
        reason: CoolingReason,
        proof: Proof,
        quota_streak: u32,
    },
    /// Is leased for trials only.
    Invalid(Invalid),
}

/// How a refused credential may come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Invalid {
    pub(super) reason: InvalidReason,
    check: Check,
    /// After how long a check that can't tell is made again; doubling.
    check_retry: Duration,
    /// Whether a check that passes is believed: not where it passed before and the next chat was refused all the same.
    trusts_checks: bool,
    trial: Trial,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    At(Instant),
    Running,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trial {
    /// A check will tell.
    None,
    At {
        at: Instant,
        delay: Duration,
    },
    Running {
        delay: Duration,
    },
}

impl Standing {
    /// That of a credential of which nothing is known.
    pub(super) fn new() -> Self {
        Self {
            state: State::Usable {
                proof: Proof::Nothing,
                quota_streak: 0,
            },
            epoch: 0,
        }
    }

    /// That of a credential of which this is known; an invalid one is checked at `check_at`.
    pub(super) fn restored(saved: SavedStanding, wall: WallClock, check_at: Instant) -> Self {
        let SavedStanding {
            state,
            proof,
            quota_streak,
        } = saved;
        let mut standing = Self::new();
        match state {
            SavedState::Usable => {
                standing.state = State::Usable {
                    proof,
                    quota_streak,
                };
            }
            SavedState::Cooling { until, reason } => {
                standing.state = State::Cooling {
                    until: wall.to_instant(until),
                    reason,
                    proof,
                    quota_streak,
                };
            }
            SavedState::Invalid { reason } => standing.refuse(reason, Check::At(check_at)),
        }
        standing
    }

    /// What is to be kept of it.
    pub(super) fn to_save(&self, wall: WallClock) -> SavedStanding {
        match self.state {
            State::Usable {
                proof,
                quota_streak,
            } => SavedStanding {
                state: SavedState::Usable,
                proof,
                quota_streak,
            },
            State::Cooling {
                until,
                reason,
                proof,
                quota_streak,
            } => SavedStanding {
                state: SavedState::Cooling {
                    until: wall.to_system_time(until),
                    reason,
                },
                proof,
                quota_streak,
            },
            State::Invalid(Invalid { reason, .. }) => SavedStanding {
                state: SavedState::Invalid { reason },
                proof: Proof::Nothing,
                quota_streak: 0,
            },
        }
    }

    /// Takes the place of another's standing: what is still under way with the other says nothing of this one.
    pub(super) fn follow(&mut self, other: &Self) {
        self.epoch = other.epoch + 1;
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    /// What it is at an instant: a cool-down may have ended that nobody has looked at since.
    pub(super) fn state_at(&self, now: Instant) -> State {
        match self.state {
            State::Cooling {
                until,
                proof,
                quota_streak,
                ..
            } if until <= now => State::Usable {
                proof,
                quota_streak,
            },
            state => state,
        }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// When a trial chat is due.
    pub(super) fn trial_at(&self) -> Option<Instant> {
        match self.state {
            State::Invalid(Invalid {
                trial: Trial::At { at, .. },
                ..
            }) => Some(at),
            State::Usable { .. } | State::Cooling { .. } | State::Invalid(_) => None,
        }
    }

    /// When a check is due.
    pub(super) fn check_at(&self) -> Option<Instant> {
        match self.state {
            State::Invalid(Invalid {
                check: Check::At(at),
                ..
            }) => Some(at),
            State::Usable { .. } | State::Cooling { .. } | State::Invalid(_) => None,
        }
    }

    /// Ends a cool-down whose time has come.
    pub(super) fn warm_up(&mut self, now: Instant) {
        self.state = self.state_at(now);
    }

    /// Ends a cool-down before its time.
    pub(super) fn clear(&mut self) {
        if let State::Cooling {
            proof,
            quota_streak,
            ..
        } = self.state
        {
            self.state = State::Usable {
                proof,
                quota_streak,
            };
        }
    }

    /// Begins the trial that is due.
    pub(super) fn begin_trial(&mut self) {
        if let State::Invalid(invalid) = &mut self.state
            && let Trial::At { delay, .. } = invalid.trial
        {
            invalid.trial = Trial::Running { delay };
        }
    }

    /// Begins the check that is due.
    pub(super) fn begin_check(&mut self) {
        if let State::Invalid(invalid) = &mut self.state {
            invalid.check = Check::Running;
        }
    }

    /// Takes note of how an attempt ended that was begun in this epoch.
    pub(super) fn learn(
        &mut self,
        epoch: u64,
        outcome: &Outcome,
        cooldown: Cooldown,
        now: Instant,
    ) {
        if epoch != self.epoch {
            return;
        }
        match self.state {
            State::Usable {
                proof,
                quota_streak,
            } => match *outcome {
                Outcome::Succeeded => {
                    self.state = State::Usable {
                        proof: Proof::Answer,
                        quota_streak: 0,
                    };
                }
                Outcome::Limited(told, _) => self.limit(proof, told, cooldown, now),
                Outcome::QuotaSpent => self.spend_quota(proof, quota_streak, cooldown, now),
                Outcome::Refused(reason) => self.refuse_attempt(reason, proof, now),
                Outcome::Unavailable | Outcome::Late | Outcome::SaysNothing => {}
            },
            State::Cooling {
                reason,
                proof,
                quota_streak,
                ..
            } => match *outcome {
                Outcome::Limited(told, _) => self.limit(proof, told, cooldown, now),
                Outcome::QuotaSpent if reason == CoolingReason::RateLimit => {
                    self.spend_quota(proof, quota_streak, cooldown, now);
                }
                Outcome::Refused(reason) => self.refuse_attempt(reason, proof, now),
                // Several attempts may find one empty purse: it is emptied once.
                Outcome::QuotaSpent
                | Outcome::Succeeded
                | Outcome::Unavailable
                | Outcome::Late
                | Outcome::SaysNothing => {}
            },
            State::Invalid(mut invalid) => {
                let Trial::Running { delay } = invalid.trial else {
                    return;
                };
                let delay = match outcome {
                    Outcome::Succeeded => return self.restore(Proof::Answer),
                    Outcome::Refused(_) => (delay * 2).min(MAX_TRIAL),
                    Outcome::Limited(..)
                    | Outcome::QuotaSpent
                    | Outcome::Unavailable
                    | Outcome::Late
                    | Outcome::SaysNothing => delay,
                };
                invalid.trial = Trial::At {
                    at: now + delay,
                    delay,
                };
                self.state = State::Invalid(invalid);
            }
        }
    }

    /// Takes note of what a check has shown that was begun in this epoch: of one that was refused, or of one that nobody used for long.
    pub(super) fn checked(
        &mut self,
        epoch: u64,
        verdict: Verdict,
        interval: CheckInterval,
        now: Instant,
    ) {
        if epoch != self.epoch {
            return;
        }
        let mut invalid = match &mut self.state {
            State::Invalid(invalid) => *invalid,
            State::Usable { proof, .. } | State::Cooling { proof, .. } => {
                match verdict {
                    Verdict::Refused(reason) => {
                        self.refuse(reason, Check::At(interval.after(now)));
                    }
                    Verdict::Accepted if *proof != Proof::Answer => *proof = Proof::Check,
                    Verdict::ProvesNothing if *proof == Proof::Nothing => {
                        *proof = Proof::NotVerifiable;
                    }
                    Verdict::Accepted | Verdict::ProvesNothing | Verdict::OutOfReach => {}
                }
                return;
            }
        };
        let mut next_check = interval;
        match verdict {
            Verdict::Accepted if invalid.trusts_checks => return self.restore(Proof::Check),
            Verdict::Accepted | Verdict::ProvesNothing => {
                if invalid.trial == Trial::None {
                    invalid.trial = Trial::At {
                        at: now + FIRST_TRIAL,
                        delay: FIRST_TRIAL,
                    };
                }
            }
            Verdict::Refused(_) => {}
            Verdict::OutOfReach => {
                next_check.interval = invalid.check_retry.min(interval.interval);
                invalid.check_retry = next_check.interval.saturating_mul(2);
            }
        }
        invalid.check = Check::At(next_check.after(now));
        self.state = State::Invalid(invalid);
    }

    fn limit(&mut self, proof: Proof, told: Option<Duration>, cooldown: Cooldown, now: Instant) {
        let Cooldown::For(default) = cooldown else {
            return;
        };
        let new = State::Cooling {
            until: now + told.unwrap_or(default).min(MAX_RATE_LIMIT),
            reason: CoolingReason::RateLimit,
            proof,
            quota_streak: 0,
        };
        self.cool(new);
    }

    fn spend_quota(&mut self, proof: Proof, quota_streak: u32, cooldown: Cooldown, now: Instant) {
        if cooldown == Cooldown::Off {
            return;
        }
        let for_how_long = FIRST_QUOTA_COOLDOWN
            .saturating_mul(2_u32.saturating_pow(quota_streak))
            .min(MAX_QUOTA_COOLDOWN);
        self.cool(State::Cooling {
            until: now + for_how_long,
            reason: CoolingReason::Quota,
            proof,
            quota_streak: quota_streak.saturating_add(1),
        });
    }

    /// Cools, unless it cools for longer already.
    fn cool(&mut self, new: State) {
        match (self.state, new) {
            (State::Cooling { until: old, .. }, State::Cooling { until: new, .. })
                if new <= old => {}
            _ => self.state = new,
        }
    }

    /// Takes note that an attempt was refused, which a check is to confirm at once.
    fn refuse_attempt(&mut self, reason: InvalidReason, proof: Proof, now: Instant) {
        self.refuse(reason, Check::At(now));
        if let State::Invalid(invalid) = &mut self.state {
            invalid.trusts_checks = proof != Proof::Check;
        }
    }

    fn refuse(&mut self, reason: InvalidReason, check: Check) {
        self.epoch += 1;
        self.state = State::Invalid(Invalid {
            reason,
            check,
            check_retry: FIRST_CHECK_RETRY,
            trusts_checks: true,
            trial: Trial::None,
        });
    }

    fn restore(&mut self, proof: Proof) {
        self.epoch += 1;
        self.state = State::Usable {
            proof,
            quota_streak: 0,
        };
    }
}

#[cfg(test)]
mod tests;
