//! A credential taken for one attempt.

use std::sync::{Arc, atomic::Ordering};

use super::{CredentialId, Leased, Member, Outcome, Pool, breaker::Admission};
use crate::upstream::{Credential, Failure};

/// A credential, taken for one attempt; given back once it is told how that ended, else when it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    pool: Arc<Pool>,
    member: Arc<Member>,
    /// `None`: given back.
    leased: Option<Leased>,
    /// Which slot of the pool it is.
    slot: usize,
}

impl Lease {
    pub(super) fn new(pool: Arc<Pool>, member: Arc<Member>, leased: Leased) -> Self {
        Self {
            pool,
            member,
            slot: leased.taken.slot,
            leased: Some(leased),
        }
    }

    /// What lets us in.
    pub(crate) fn credential(&self) -> &Credential {
        &self.member.credential
    }

    /// The credential's name.
    pub(crate) fn credential_id(&self) -> CredentialId {
        self.member.id
    }

    /// The credential's place in its pool, for a [`Wish`](super::Wish).
    pub(crate) fn slot(&self) -> usize {
        self.slot
    }

    /// Takes note that the upstream has let the attempt in and begins to answer. Costs nothing, unless others wait for what this
    /// shows: the answer's end may be far away.
    pub(crate) fn accepted(&mut self) {
        if let Some(leased) = &mut self.leased
            && (leased.taken.is_trial || self.pool.is_shaky.load(Ordering::Relaxed))
        {
            self.pool.note_accepted(leased);
            leased.admission = Admission::Counted;
        }
    }

    /// Takes note that the upstream answered, and gives the credential back.
    pub(crate) fn succeeded(&mut self) {
        self.end(&Outcome::Succeeded, None);
    }

    /// Takes note of how the attempt failed, and gives the credential back.
    pub(crate) fn failed(&mut self, failure: &Failure) {
        self.end(&Outcome::of(failure), Some(failure));
    }

    fn end(&mut self, outcome: &Outcome, failure: Option<&Failure>) {
        if let Some(leased) = self.leased.take() {
            self.pool.give_back(&leased, outcome, failure);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.end(&Outcome::SaysNothing, None);
    }
}
