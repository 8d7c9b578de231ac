//! The upstreams that may answer a request, as it has found them so far, and which credential of theirs comes next.

use std::{sync::Arc, time::Duration};

use llm2api_proto::{ContractError, v1::ChatRequest};
use tokio::time::Instant;

use super::outcome;
use crate::{
    monitor::{Obstacle, PassedOver},
    pool::{self, Lease, NoLease, Wish},
    registry::Entry,
    router::Candidate,
    upstream::Failure,
};

/// The upstreams of one model, in the order in which they are tried.
pub(super) struct Candidates {
    tried: Vec<Tried>,
}

/// An upstream as this request has found it so far.
struct Tried {
    candidate: Candidate,
    /// Attempts that it failed.
    failures: u32,
    /// Not to be asked again for this request.
    is_out: bool,
    /// The credential of the last attempt that failed.
    last_slot: Option<usize>,
    /// Credentials that were limited, where nothing cools: each is tried once.
    limited_slots: Vec<usize>,
}

/// A credential for the next attempt.
pub(super) struct Next {
    /// Which candidate it belongs to.
    pub(super) at: usize,
    pub(super) lease: Lease,
    /// Whom the request went past.
    pub(super) passed_over: Vec<PassedOver>,
    /// How long it waited.
    pub(super) waited: Duration,
}

/// Why no candidate has a credential.
pub(super) struct NobodyReady {
    /// Each candidate that may still be asked, and why it can't.
    reasons: Vec<(usize, NoLease)>,
}

impl Candidates {
    /// Those that can honour all that the request asks for.
    ///
    /// # Errors
    ///
    /// What none of them can.
    pub(super) fn supporting(
        request: &ChatRequest,
        candidates: Vec<Candidate>,
        mut pass_over: impl FnMut(PassedOver),
    ) -> Result<Self, ContractError> {
        let mut missing = None;
        let mut tried = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let adapter = &candidate.entry.adapter;
            match adapter.unsupported_field(request, &candidate.model) {
                None => tried.push(Tried::new(candidate)),
                Some(field) => {
                    missing = Some(field);
                    let why = Obstacle::Unsupported(field);
                    pass_over(PassedOver::new(&candidate.entry, why));
                }
            }
        }
        match missing {
            Some(field) if tried.is_empty() => Err(outcome::unsupported(field)),
            _ => Ok(Self { tried }),
        }
    }

    pub(super) fn get(&self, at: usize) -> &Candidate {
        &self.tried[at].candidate
    }

    /// How often a candidate has failed.
    pub(super) fn failures(&self, at: usize) -> u32 {
        self.tried[at].failures
    }

    /// Takes a credential of the first upstream that has one, those that failed least before the others.
    pub(super) fn take(&mut self, tries_invalid: bool) -> Result<Next, NobodyReady> {
        let mut order: Vec<usize> = (0..self.tried.len())
            .filter(|&at| !self.tried[at].is_out)
            .collect();
        order.sort_by_key(|&at| self.tried[at].failures);
        let mut reasons = Vec::new();
        for at in order {
            match self.tried[at].lease(tries_invalid) {
                Ok(lease) => {
                    return Ok(Next {
                        at,
                        lease,
                        passed_over: self.passed_over(&reasons),
                        waited: Duration::ZERO,
                    });
                }
                // Each credential was tried: what the last one heard is the answer.
                Err(NoLease::Unwished) => self.tried[at].is_out = true,
                Err(reason) => reasons.push((at, reason)),
            }
        }
        Err(NobodyReady { reasons })
    }

    /// Waits for a credential, where one may be had until then.
    pub(super) async fn wait(&self, nobody: &NobodyReady, until: Instant) -> Option<Next> {
        let may_help = nobody.reasons.iter().any(|(_, reason)| match reason {
            NoLease::Busy(_) => true,
            NoLease::Cooling(_) | NoLease::Broken(_) | NoLease::NoneValid | NoLease::Unwished => {
                reason.until().is_some_and(|at| at < until)
            }
        });
        let started = Instant::now();
        if !may_help || until <= started {
            return None;
        }
        let pools: Vec<_> = nobody
            .reasons
            .iter()
            .map(|(at, _)| Arc::clone(&self.get(*at).entry.pool))
            .collect();
        let (served_by, lease) = pool::first_free(&pools, until).await?;
        Some(Next {
            at: nobody.reasons[served_by].0,
            lease,
            passed_over: self.passed_over(&nobody.reasons),
            waited: started.elapsed(),
        })
    }

    /// Whom the request goes past for these reasons.
    pub(super) fn passed_over(&self, reasons: &[(usize, NoLease)]) -> Vec<PassedOver> {
        let held_up = reasons
            .iter()
            .map(|(at, reason)| PassedOver::new(&self.get(*at).entry, Obstacle::NoLease(*reason)));
        held_up.collect()
    }

    /// Takes note that an upstream failed, which may be asked again.
    pub(super) fn failed(&mut self, at: usize, slot: usize) {
        let tried = &mut self.tried[at];
        tried.failures += 1;
        tried.last_slot = Some(slot);
    }

    /// Takes note that a credential was limited. Where nothing cools it is not asked again for this request.
    pub(super) fn limited(&mut self, at: usize, slot: usize) {
        let tried = &mut self.tried[at];
        if tried.candidate.entry.pool.passes_limits_on() {
            tried.limited_slots.push(slot);
        }
    }

    /// Takes note that a candidate is not to be asked again for this request.
    pub(super) fn rule_out(&mut self, at: usize) {
        self.tried[at].is_out = true;
    }

    /// Takes note that an upstream is not to be asked again for this request, whatever the model is called there.
    pub(super) fn rule_out_upstream(&mut self, entry: &Arc<Entry>) {
        for tried in &mut self.tried {
            tried.is_out |= Arc::ptr_eq(&tried.candidate.entry, entry);
        }
    }

    /// What the client is told when nobody can be asked.
    pub(super) fn none_left(
        &self,
        nobody: &NobodyReady,
        last_failure: Option<&(Arc<Entry>, Failure)>,
    ) -> ContractError {
        let reasons = || nobody.reasons.iter().map(|(_, reason)| *reason);
        if reasons().any(|reason| matches!(reason, NoLease::Busy(_))) {
            return outcome::busy();
        }
        let cooling = reasons().filter(|reason| matches!(reason, NoLease::Cooling(_)));
        if let Some(until) = cooling.filter_map(NoLease::until).min() {
            return outcome::cooling(until);
        }
        let open = || reasons().filter(|reason| matches!(reason, NoLease::Broken(_)));
        match (&nobody.reasons[..], last_failure) {
            // All of them, and none was ruled out for what it did to this request.
            ([(at, _), ..], _)
                if nobody.reasons.len() == self.tried.len() && open().count() == 0 =>
            {
                outcome::none_valid(&self.get(*at).entry)
            }
            (_, _) if open().count() > 0 => {
                outcome::unavailable(open().filter_map(NoLease::until).min())
            }
            (_, Some((entry, failure))) => outcome::of_failure(entry, failure),
            ([(at, _), ..], None) => outcome::none_valid(&self.get(*at).entry),
            // A candidate is out only after it failed, so this is not reached; the answer would be right all the same.
            ([], None) => outcome::no_upstream(),
        }
    }
}

impl NobodyReady {
    pub(super) fn reasons(&self) -> &[(usize, NoLease)] {
        &self.reasons
    }
}

impl Tried {
    fn new(candidate: Candidate) -> Self {
        Self {
            candidate,
            failures: 0,
            is_out: false,
            last_slot: None,
            limited_slots: Vec::new(),
        }
    }

    fn lease(&self, tries_invalid: bool) -> Result<Lease, NoLease> {
        self.candidate.entry.pool.lease(Wish {
            none_of: &self.limited_slots,
            rather_not: self.last_slot,
            tries_invalid,
            ..Wish::default()
        })
    }
}
