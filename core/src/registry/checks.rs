//! The checks of an upstream's credentials: what is asked, and what the answer shows.

use std::sync::atomic::Ordering;

use futures_util::{StreamExt, stream::FuturesUnordered};

use super::Entry;
use crate::{
    pool::{CheckInterval, CredentialId, DueCheck, Verdict},
    upstream::{ANONYMOUS, Credential, Failure, FailureKind},
};

/// Checks of one upstream's credentials that are made at once: a hundred dead ones must not be a flood.
const CHECKS_AT_ONCE: usize = 4;

/// What a check has shown, and the failure that has shown it.
pub(crate) type Finding = (Verdict, Option<Failure>);

impl Entry {
    /// Checks credentials when their time has come, some at once, for ever.
    pub(super) async fn keep_checked(&self) {
        let mut running = FuturesUnordered::new();
        loop {
            tokio::select! {
                check = self.pool.next_check(), if running.len() < CHECKS_AT_ONCE => {
                    running.push(self.check(check));
                }
                Some(()) = running.next(), if !running.is_empty() => {}
            }
        }
    }

    /// Checks a credential, whether or not that is due. One that isn't there is not.
    pub(crate) async fn check_now(&self, id: CredentialId) {
        if let Some(check) = self.pool.check_of(id) {
            self.check(check).await;
        }
    }

    async fn check(&self, check: DueCheck) {
        let (verdict, _) = self.ask_about(&check.member.credential).await;
        let interval = CheckInterval {
            interval: self.pool_config.check_interval,
            spread: 0.9 + fastrand::f64() / 5.0,
        };
        self.pool.checked(&check, verdict, interval);
    }

    /// What the upstream shows of a credential: by a question of its own, or by the list of models.
    pub(crate) async fn ask_about(&self, credential: &Credential) -> Finding {
        match self.adapter.check(credential).await {
            None => self.compare_lists(credential).await,
            Some(Ok(())) => (Verdict::Accepted, None),
            Some(Err(failure)) if failure.kind == FailureKind::Unauthorized => {
                (Verdict::Refused(failure.invalid_reason), Some(failure))
            }
            Some(Err(failure)) => (Verdict::OutOfReach, Some(failure)),
        }
    }

    /// What the list of models, asked for with a credential, shows of it.
    async fn compare_lists(&self, credential: &Credential) -> Finding {
        match self.list_models_with(credential).await {
            Err(failure) if failure.kind == FailureKind::Unauthorized => {
                // What is refused to everybody says nothing of this credential.
                let verdict = match self.lists_models_to_some.load(Ordering::Relaxed) {
                    true => Verdict::Refused(failure.invalid_reason),
                    false => Verdict::ProvesNothing,
                };
                (verdict, Some(failure))
            }
            Err(failure) => (Verdict::OutOfReach, Some(failure)),
            // And what is given to everybody says nothing either.
            Ok(_) => match self.adapter.list_models(&ANONYMOUS).await {
                Err(failure) if failure.kind == FailureKind::Unauthorized => {
                    (Verdict::Accepted, None)
                }
                Ok(_) | Err(_) => (Verdict::ProvesNothing, None),
            },
        }
    }
}
