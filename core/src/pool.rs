//! The credentials of one upstream, and which of them may be used now.
//!
//! A [`Lease`] is a credential taken for one attempt; it is given back when it is dropped, and told before that how the attempt ended.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    config::Cooldown,
    upstream::{Credential, Failure, FailureKind},
};

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

/// The credentials of one upstream.
#[derive(Debug)]
pub(crate) struct Pool {
    credential: Credential,
    cooldown: Cooldown,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Usable {
        /// How often in a row the quota was found spent.
        quota_streak: u32,
    },
    Cooling {
        until: Instant,
        quota_streak: u32,
    },
    Invalid {
        trial_at: Instant,
        trial_delay: Duration,
    },
}

/// Why no credential can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoLease {
    /// All that are valid are cooling; the first comes back then.
    Cooling(Instant),
    /// The upstream accepts none.
    Invalid,
}

/// A credential, taken for one attempt.
#[derive(Debug)]
pub(crate) struct Lease {
    pool: Arc<Pool>,
}

impl Pool {
    pub(crate) fn new(credential: Credential, cooldown: Cooldown) -> Self {
        Self {
            credential,
            cooldown,
            state: Mutex::new(State::Usable { quota_streak: 0 }),
        }
    }

    /// The credential with which models are listed.
    pub(crate) fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Whether a rate limit leaves the credentials as they are and is passed on.
    pub(crate) fn passes_limits_on(&self) -> bool {
        self.cooldown == Cooldown::Off
    }

    /// Takes a credential for an attempt.
    pub(crate) fn lease(self: &Arc<Self>) -> Result<Lease, NoLease> {
        let now = Instant::now();
        let mut state = self.state();
        match *state {
            State::Usable { .. } => {}
            State::Cooling { until, .. } if now < until => return Err(NoLease::Cooling(until)),
            State::Cooling { quota_streak, .. } => *state = State::Usable { quota_streak },
            State::Invalid { trial_at, .. } if now < trial_at => return Err(NoLease::Invalid),
            // A trial chat: the next one waits for twice as long, unless this one shows that the credential is back.
            State::Invalid { trial_delay, .. } => {
                let trial_delay = (trial_delay * 2).min(MAX_TRIAL);
                *state = State::Invalid {
                    trial_at: now + trial_delay,
                    trial_delay,
                };
            }
        }
        Ok(Lease {
            pool: Arc::clone(self),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole after every statement: a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// What lets us in.
    pub(crate) fn credential(&self) -> &Credential {
        &self.pool.credential
    }

    /// Takes note that the upstream answered.
    pub(crate) fn succeeded(&self) {
        *self.pool.state() = State::Usable { quota_streak: 0 };
    }

    /// Takes note of how the attempt failed.
    pub(crate) fn failed(&self, failure: &Failure) {
        let now = Instant::now();
        let mut state = self.pool.state();
        match failure.kind {
            FailureKind::RateLimited | FailureKind::QuotaSpent if self.pool.passes_limits_on() => {}
            FailureKind::RateLimited => {
                let Cooldown::For(default) = self.pool.cooldown else {
                    return;
                };
                let cooldown = failure.retry_after.unwrap_or(default).min(MAX_RATE_LIMIT);
                *state = State::Cooling {
                    until: now + cooldown,
                    quota_streak: 0,
                };
            }
            FailureKind::QuotaSpent => {
                let quota_streak = match *state {
                    State::Usable { quota_streak } | State::Cooling { quota_streak, .. } => {
                        quota_streak
                    }
                    State::Invalid { .. } => 0,
                };
                let cooldown = FIRST_QUOTA_COOLDOWN
                    .saturating_mul(2_u32.saturating_pow(quota_streak))
                    .min(MAX_QUOTA_COOLDOWN);
                *state = State::Cooling {
                    until: now + cooldown,
                    quota_streak: quota_streak + 1,
                };
            }
            FailureKind::Unauthorized => {
                if !matches!(*state, State::Invalid { .. }) {
                    *state = State::Invalid {
                        trial_at: now + FIRST_TRIAL,
                        trial_delay: FIRST_TRIAL,
                    };
                }
            }
            FailureKind::Unavailable
            | FailureKind::Clock(_)
            | FailureKind::Misconfigured
            | FailureKind::ModelGone
            | FailureKind::Busy
            | FailureKind::Unusable
            | FailureKind::Rejected => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Arc<Pool> {
        Arc::new(Pool::new(
            Credential::Anonymous,
            Cooldown::For(Duration::from_secs(60)),
        ))
    }

    fn fail(pool: &Arc<Pool>, kind: FailureKind, retry_after: Option<u64>) {
        let failure = Failure {
            retry_after: retry_after.map(Duration::from_secs),
            ..Failure::new(kind, "no")
        };
        pool.lease().expect("usable").failed(&failure);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_limit_cools_for_as_long_as_the_upstream_says() {
        let pool = pool();
        let start = Instant::now();
        for (told, cools) in [(Some(7), 7), (None, 60), (Some(99_999), 3600)] {
            fail(&pool, FailureKind::RateLimited, told);
            let until = Instant::now() + Duration::from_secs(cools);
            assert_eq!(
                pool.lease().err(),
                Some(NoLease::Cooling(until)),
                "{:?}",
                start.elapsed()
            );
            tokio::time::advance(Duration::from_secs(cools)).await;
            assert!(pool.lease().is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_spent_quota_cools_for_an_hour_and_doubles_to_a_day() {
        let pool = pool();
        for hours in [1, 2, 4, 8, 16, 24, 24] {
            fail(&pool, FailureKind::QuotaSpent, None);
            let until = Instant::now() + Duration::from_secs(hours * 3600);
            assert_eq!(pool.lease().err(), Some(NoLease::Cooling(until)));
            tokio::time::advance(Duration::from_secs(hours * 3600)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_credential_comes_back_by_a_trial_chat() {
        let pool = pool();
        for delay in [30, 60, 120] {
            fail(&pool, FailureKind::Unauthorized, None);
            assert_eq!(pool.lease().err(), Some(NoLease::Invalid));
            tokio::time::advance(Duration::from_secs(delay - 1)).await;
            assert_eq!(pool.lease().err(), Some(NoLease::Invalid));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        pool.lease().expect("a trial").succeeded();
        assert!(pool.lease().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_the_credentials_fault_leaves_it_usable() {
        let pool = pool();
        for kind in [
            FailureKind::Unavailable,
            FailureKind::Misconfigured,
            FailureKind::Rejected,
        ] {
            fail(&pool, kind, None);
            assert!(pool.lease().is_ok());
        }
    }
}
