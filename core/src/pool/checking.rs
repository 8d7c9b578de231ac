//! The checks of invalid credentials: when one is due, and what it shows.

use std::{sync::Arc, time::SystemTime};

use tokio::time::{Instant, sleep_until};

use super::{CheckInterval, CredentialId, Member, Pool, Verdict, roster};

/// A check that is to be made, by nobody else: to be reported by [`Pool::checked`].
#[derive(Debug)]
pub(crate) struct DueCheck {
    /// Whom to check.
    pub(crate) member: Arc<Member>,
    due: roster::DueCheck,
}

impl Pool {
    /// Waits until a check is due.
    pub(crate) async fn next_check(&self) -> DueCheck {
        loop {
            let suspicion = self.suspicion.notified();
            let next_at = {
                let mut shared = self.shared();
                match shared.roster.begin_check(Instant::now()) {
                    Ok(due) => {
                        let member = Arc::clone(shared.member(due.slot));
                        return DueCheck { member, due };
                    }
                    Err(next_at) => next_at,
                }
            };
            match next_at {
                None => suspicion.await,
                Some(at) => tokio::select! {
                    () = suspicion => {}
                    () = sleep_until(at) => {}
                },
            }
        }
    }

    /// Begins a check of this credential, whether or not one is due. `None`: it isn't there.
    pub(crate) fn check_of(&self, id: CredentialId) -> Option<DueCheck> {
        let mut shared = self.shared();
        let slot = *shared.by_id.get(&id)?;
        Some(DueCheck {
            due: shared.roster.check_of(slot, Instant::now()),
            member: Arc::clone(shared.member(slot)),
        })
    }

    /// Takes note of what a check has shown.
    pub(crate) fn checked(
        self: &Arc<Self>,
        check: &DueCheck,
        verdict: Verdict,
        interval: CheckInterval,
    ) {
        let mut shared = self.shared();
        let slot = check.due.slot;
        let before = shared.roster.state(slot);
        shared
            .roster
            .checked(&check.due, verdict, interval, Instant::now());
        let after = shared.roster.state(slot);
        // The slot may be another's by now, or nobody's.
        if shared.by_id.get(&check.member.id) == Some(&slot) {
            if verdict != Verdict::OutOfReach {
                shared.records[slot].last_checked_at = Some(SystemTime::now());
            }
            shared.keep_standing(slot);
            shared.keep_secret_if_changed(slot);
            self.changed.notify_one();
        }
        drop(shared);
        tracing::debug!(upstream = self.upstream, credential = %check.member.id, ?verdict, "credential checked");
        self.tell_change(&check.member, before, after);
        self.serve_waiters();
    }
}
