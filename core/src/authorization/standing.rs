//! How an instance is authorized: a state machine that does no I/O and has no clock.
//!
//! What checks find goes in with the time, and what holds at a time comes out. A good answer holds until the code ends; where the
//! authority can't be asked after that, for as long as [`Policy::grace`] says. A refusal holds at once, and ends whatever was good.

use super::{Claims, Fault, code::LEEWAY_SECONDS};

/// After how many seconds an authority that gave no answer is asked again, at first; doubling.
const FIRST_RETRY: i64 = 1;
/// The most that this doubles to: an authority that has come back is soon seen.
const MAX_RETRY: i64 = 60;

/// What the operator decides. In seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Policy {
    /// From one check to the next.
    pub(super) interval: i64,
    /// For how long the last good answer holds while the authority gives none.
    pub(super) grace: i64,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// The code is good.
    Good(Claims),
    /// It is not.
    Bad(Fault, Option<Claims>),
    /// The authority gave no answer that could be used, and why.
    NoAnswer(String),
}

/// A good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LastGood {
    /// What the code says.
    pub(super) claims: Claims,
    /// When that was found.
    pub(super) found_at: i64,
}

/// How an instance is authorized, as far as checks have found.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    policy: Policy,
    last_good: Option<LastGood>,
    /// What the latest check found; its claims only where they are not those of `last_good`.
    latest: Latest,
    last_checked_at: Option<i64>,
    next_check_at: i64,
    /// Checks in a row without an answer.
    unanswered: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Latest {
    Nothing,
    Good,
    Bad(Fault, Option<Claims>),
    NoAnswer(String),
}

/// The state of an authorization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The code is good.
    Valid,
    /// The authority gives no answer; its last good one holds.
    Grace,
    /// No check is done yet, and no earlier one holds.
    Unchecked,
    /// The code is not good, or nobody says that it is.
    Invalid,
}

impl State {
    /// Its name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Grace => "grace",
            Self::Unchecked => "unchecked",
            Self::Invalid => "invalid",
        }
    }

    /// Whether clients are served.
    pub(crate) fn admits(self) -> bool {
        matches!(self, Self::Valid | Self::Grace)
    }
}

/// What holds at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    /// The state.
    pub(crate) state: State,
    /// Why, in a word; empty: there is no more to say.
    pub(crate) reason: &'static str,
    /// Why, in a sentence with what to do.
    pub(crate) message: String,
    /// What the code says, where that is known.
    pub(crate) claims: Option<Claims>,
    /// When a check was last done, in seconds since 1970.
    pub(crate) last_checked_at: Option<i64>,
    /// When the next is due.
    pub(crate) next_check_at: i64,
}

/// The reason where an authority that must be asked gives no answer.
const UNREACHABLE: &str = "authority_unreachable";

impl Standing {
    /// The standing before the first check, with what an earlier process found last.
    pub(super) fn new(policy: Policy, last_good: Option<LastGood>, now: i64) -> Self {
        Self {
            policy,
            last_good,
            latest: Latest::Nothing,
            last_checked_at: None,
            next_check_at: now,
            unanswered: 0,
        }
    }

    /// Takes note of what a check found.
    pub(super) fn note(&mut self, finding: Finding, now: i64) {
        self.last_checked_at = Some(now);
        let mut wait = self.policy.interval;
        let was_unanswered = std::mem::take(&mut self.unanswered);
        self.latest = match finding {
            Finding::Good(claims) => {
                self.last_good = Some(LastGood {
                    claims,
                    found_at: now,
                });
                Latest::Good
            }
            Finding::Bad(fault, claims) => {
                self.last_good = None;
                let begins_at = claims.as_ref().and_then(|claims| claims.nbf);
                if let (Fault::NotYetValid, Some(begins_at)) = (fault, begins_at) {
                    let begins_in = begins_at.saturating_sub(LEEWAY_SECONDS).saturating_sub(now);
                    wait = wait.min(begins_in.max(1));
                }
                Latest::Bad(fault, claims)
            }
            Finding::NoAnswer(why) => {
                self.unanswered = was_unanswered.saturating_add(1);
                let doublings = was_unanswered.min(MAX_RETRY.ilog2() + 1);
                wait = wait.min((FIRST_RETRY << doublings).min(MAX_RETRY));
                Latest::NoAnswer(why)
            }
        };
        self.next_check_at = now.saturating_add(wait);
    }

    /// What is to be kept over a restart.
    pub(super) fn last_good(&self) -> Option<&LastGood> {
        self.last_good.as_ref()
    }

    /// When a check is due.
    pub(super) fn next_check_at(&self) -> i64 {
        self.next_check_at
    }

    /// When it is to be looked at again: a check is due then, or what holds has ended.
    pub(super) fn next_event_at(&self, now: i64) -> i64 {
        let ends = self.last_good.as_ref().map(|good| {
            let code_ends = good.claims.ends_at().unwrap_or(i64::MAX);
            match self.latest {
                Latest::Good => code_ends,
                Latest::Nothing | Latest::Bad(..) | Latest::NoAnswer(_) => {
                    code_ends.min(self.grace_ends_at(good))
                }
            }
        });
        // What has ended already is no event any more.
        let ends = ends.filter(|&ends| ends > now);
        self.next_check_at.min(ends.unwrap_or(i64::MAX))
    }

    /// What holds now.
    pub(super) fn view(&self, now: i64) -> View {
        let (state, reason, message) = self.judge(now);
        let claims = match (&self.latest, &self.last_good) {
            (Latest::Bad(_, claims), _) => claims.as_ref(),
            (_, good) => good.as_ref().map(|good| &good.claims),
        };
        View {
            state,
            reason,
            message,
            claims: claims.cloned(),
            last_checked_at: self.last_checked_at,
            next_check_at: self.next_check_at,
        }
    }

    fn judge(&self, now: i64) -> (State, &'static str, String) {
        let bad = |fault: Fault| (State::Invalid, fault.as_str(), fault.advice().to_owned());
        if let Latest::Bad(fault, _) = self.latest {
            return bad(fault);
        }
        let good = match &self.last_good {
            Some(good) => match good.claims.check(now) {
                Ok(()) => Some(good),
                Err(fault) => return bad(fault),
            },
            None => None,
        };
        let holds = good.is_some_and(|good| now < self.grace_ends_at(good));
        match (&self.latest, holds) {
            (Latest::Good, _) => (State::Valid, "", String::new()),
            (Latest::Nothing, true) => (
                State::Grace,
                "unchecked",
                "the authorization code is being checked; the last good answer holds meanwhile"
                    .to_owned(),
            ),
            (Latest::Nothing, false) => (
                State::Unchecked,
                "unchecked",
                "the authorization code is being checked: try again in a moment".to_owned(),
            ),
            (Latest::NoAnswer(why), true) => (
                State::Grace,
                UNREACHABLE,
                format!("{why}; the last good answer holds for AUTH_GRACE"),
            ),
            (Latest::NoAnswer(why), false) => (
                State::Invalid,
                UNREACHABLE,
                format!(
                    "{why}, and no good answer of late holds: check AUTH_INTROSPECTION_URL and what it leads to"
                ),
            ),
            (Latest::Bad(fault, _), _) => bad(*fault),
        }
    }

    fn grace_ends_at(&self, good: &LastGood) -> i64 {
        good.found_at.saturating_add(self.policy.grace)
    }
}

#[cfg(test)]
mod tests;
