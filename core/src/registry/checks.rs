//! The checks of an upstream's credentials: what is asked, and what the answer shows.

use std::sync::atomic::Ordering;

use futures_util::{StreamExt, stream::FuturesUnordered};

use super::Entry;
use crate::{
    pool::{CheckInterval, DueCheck, Member, Verdict},
    upstream::{ANONYMOUS, FailureKind},
};

/// Checks of one upstream's credentials that are made at once: a hundred dead ones must not be a flood.
const CHECKS_AT_ONCE: usize = 4;

impl Entry {
    /// Checks refused credentials when their time has come, some at once, for ever.
    pub(crate) async fn keep_checked(&self) {
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

    async fn check(&self, check: DueCheck) {
        let verdict = self.ask_about(&check.member).await;
        let interval = CheckInterval {
            interval: self.pool_config.check_interval,
            spread: 0.9 + fastrand::f64() / 5.0,
        };
        self.pool.checked(&check, verdict, interval);
    }

    /// What the upstream shows of a credential: by a question of its own, or by the list of models.
    async fn ask_about(&self, member: &Member) -> Verdict {
        match self.adapter.check(&member.credential).await {
            None => self.compare_lists(member).await,
            Some(Ok(())) => Verdict::Accepted,
            Some(Err(failure)) if failure.kind == FailureKind::Unauthorized => Verdict::Refused,
            Some(Err(_)) => Verdict::OutOfReach,
        }
    }

    /// What the list of models, asked for with a credential, shows of it.
    async fn compare_lists(&self, member: &Member) -> Verdict {
        match self.list_models_with(member).await {
            // What is refused to everybody says nothing of this credential.
            Err(failure) if failure.kind == FailureKind::Unauthorized => {
                match self.lists_models_to_some.load(Ordering::Relaxed) {
                    true => Verdict::Refused,
                    false => Verdict::ProvesNothing,
                }
            }
            Err(_) => Verdict::OutOfReach,
            // And what is given to everybody says nothing either.
            Ok(_) => match self.adapter.list_models(&ANONYMOUS).await {
                Err(failure) if failure.kind == FailureKind::Unauthorized => Verdict::Accepted,
                Ok(_) | Err(_) => Verdict::ProvesNothing,
            },
        }
    }
}
