//! What is done with credentials by hand, and how they are shown.

use std::{
    ops::Bound,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{
    CredentialId, CredentialSource, Member, NewCredential, Pool, Shared, Shown, ShownState,
    record::Record,
    roster::Newcomer,
    saved::{Proof, SavedState, WallClock},
    standing::{Standing, State},
};
use crate::{
    store::{Fingerprint, StoredCredential},
    upstream::ANONYMOUS,
};

/// Between the first checks of credentials that came together: ten thousand must not be a flood.
const CHECK_GAP: Duration = Duration::from_millis(50);

/// How many credentials are in each state.
pub(crate) type Counts = [(ShownState, usize); 5];

impl Pool {
    /// Takes credentials in; those that are there already stay as they are. The anonymous one leaves with the first, and is there
    /// where there is no other.
    pub(crate) fn add(self: &Arc<Self>, credentials: impl IntoIterator<Item = NewCredential>) {
        let (now, wall) = (Instant::now(), WallClock::now());
        let mut shared = self.shared();
        let mut check_at = now;
        for credential in credentials {
            if shared.by_id.contains_key(&credential.member.id) {
                continue;
            }
            let is_unknown = credential.standing.state == SavedState::Usable
                && credential.standing.proof == Proof::Nothing;
            let wants_check = !credential.member.credential.is_anonymous()
                && (is_unknown || matches!(credential.standing.state, SavedState::Invalid { .. }));
            let newcomer = Newcomer {
                standing: Standing::restored(credential.standing, wall, check_at),
                is_disabled: credential.is_disabled,
                first_check_at: (wants_check && is_unknown).then_some(check_at),
                idle_for: credential.idle_for(wall.system_time),
            };
            if wants_check {
                check_at += CHECK_GAP;
            }
            shared.add(credential, newcomer, now);
        }
        shared.keep_anonymous(&self.upstream, now);
        drop(shared);
        self.suspicion.notify_one();
        self.serve_waiters();
    }

    /// Lets a credential go. What is leased of it comes back to nobody.
    pub(crate) fn remove(&self, id: CredentialId) {
        let now = Instant::now();
        let mut shared = self.shared();
        shared.remove(id, now);
        shared.keep_anonymous(&self.upstream, now);
    }

    /// Leaves a credential unused or uses it again, and calls it so. Whether it is there.
    pub(crate) fn change(
        self: &Arc<Self>,
        id: CredentialId,
        is_disabled: bool,
        label: String,
    ) -> bool {
        let mut shared = self.shared();
        let Some(&slot) = shared.by_id.get(&id) else {
            return false;
        };
        shared.records[slot].label = label;
        shared
            .roster
            .set_disabled(slot, is_disabled, Instant::now());
        drop(shared);
        self.suspicion.notify_one();
        self.serve_waiters();
        true
    }

    /// Ends a credential's cool-down. Whether it is there.
    pub(crate) fn clear(self: &Arc<Self>, id: CredentialId) -> bool {
        let mut shared = self.shared();
        let Some(&slot) = shared.by_id.get(&id) else {
            return false;
        };
        shared.roster.clear(slot, Instant::now());
        shared.keep_standing(slot);
        drop(shared);
        self.changed.notify_one();
        self.serve_waiters();
        true
    }

    /// Which credential this is.
    pub(crate) fn find(&self, fingerprint: &Fingerprint) -> Option<CredentialId> {
        let shared = self.shared();
        let slot = shared.by_fingerprint.get(fingerprint)?;
        Some(shared.member(*slot).id)
    }

    /// A credential as it is shown.
    pub(crate) fn show(&self, id: CredentialId) -> Option<Shown> {
        let wall = WallClock::now();
        let shared = self.shared();
        let slot = shared.by_id.get(&id)?;
        Some(shared.show(*slot, wall))
    }

    /// Credentials as they are shown, the oldest first: those after this one and in this state, at most so many.
    pub(crate) fn page(
        &self,
        after: Option<CredentialId>,
        state: Option<ShownState>,
        limit: usize,
    ) -> Vec<Shown> {
        let wall = WallClock::now();
        let shared = self.shared();
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        shared
            .by_id
            .range((begin, Bound::Unbounded))
            .map(|(_, &slot)| slot)
            .filter(|&slot| state.is_none_or(|state| shared.state(slot, wall) == state))
            .take(limit)
            .map(|slot| shared.show(slot, wall))
            .collect()
    }

    /// How many credentials are in each state.
    pub(crate) fn counts(&self) -> Counts {
        let wall = WallClock::now();
        let shared = self.shared();
        let mut counts = ShownState::ALL.map(|state| (state, 0));
        for &slot in shared.by_id.values() {
            let state = shared.state(slot, wall);
            if let Some((_, count)) = counts.iter_mut().find(|(counted, _)| *counted == state) {
                *count += 1;
            }
        }
        counts
    }

    /// The credentials as they are kept, to be taken in by another pool of the same upstream.
    pub(crate) fn to_store(&self) -> Vec<StoredCredential> {
        let wall = WallClock::now();
        let shared = self.shared();
        let slots = shared.by_id.values();
        slots
            .filter(|&&slot| shared.records[slot].fingerprint.is_some())
            .map(|&slot| {
                let record = &shared.records[slot];
                StoredCredential {
                    id: record.member.id,
                    upstream: self.upstream.clone(),
                    credential: record.member.credential.clone(),
                    fingerprint: record.fingerprint,
                    source: record.member.source,
                    label: record.label.clone(),
                    is_disabled: shared.roster.view(slot, wall.now).is_disabled,
                    standing: shared.roster.to_save(slot, wall),
                    added_at: record.added_at,
                    last_checked_at: record.last_checked_at,
                    usage: record.usage.clone(),
                }
            })
            .collect()
    }
}

impl Shared {
    /// What never changes of the credential in a slot.
    pub(super) fn member(&self, slot: usize) -> &Arc<Member> {
        &self.records[slot].member
    }

    fn add(&mut self, credential: NewCredential, newcomer: Newcomer, now: Instant) {
        let slot = self.roster.add(newcomer, now);
        let record = Record::from(credential);
        self.by_id.insert(record.member.id, slot);
        if let Some(fingerprint) = record.fingerprint {
            self.by_fingerprint.insert(fingerprint, slot);
        }
        match self.records.get_mut(slot) {
            Some(vacant) => *vacant = record,
            None => self.records.push(record),
        }
    }

    fn remove(&mut self, id: CredentialId, now: Instant) {
        if let Some(slot) = self.by_id.remove(&id) {
            if let Some(fingerprint) = &self.records[slot].fingerprint {
                self.by_fingerprint.remove(fingerprint);
            }
            self.roster.remove(slot, now);
        }
    }

    /// Has the anonymous credential there just where there is no other.
    fn keep_anonymous(&mut self, upstream: &str, now: Instant) {
        let id = CredentialId::of_anonymous(upstream);
        let is_there = self.by_id.contains_key(&id);
        if self.by_id.len() > 1 && is_there {
            self.remove(id, now);
        } else if self.by_id.is_empty() {
            let member = Member {
                id,
                credential: ANONYMOUS.clone(),
                source: CredentialSource::Config,
            };
            let newcomer = Newcomer {
                standing: Standing::new(),
                is_disabled: false,
                first_check_at: None,
                idle_for: Duration::ZERO,
            };
            self.add(NewCredential::unknown(member), newcomer, now);
        }
    }

    fn state(&self, slot: usize, wall: WallClock) -> ShownState {
        ShownState::of(&self.roster.view(slot, wall.now)).0
    }

    fn show(&self, slot: usize, wall: WallClock) -> Shown {
        let record = &self.records[slot];
        let view = self.roster.view(slot, wall.now);
        let (state, reason) = ShownState::of(&view);
        let cooldown_until: Option<SystemTime> = match view.state {
            State::Cooling { until, .. } => Some(wall.to_system_time(until)),
            State::Usable { .. } | State::Invalid(_) => None,
        };
        Shown {
            member: Arc::clone(&record.member),
            label: record.label.clone(),
            state,
            reason,
            in_flight: view.in_flight,
            added_at: record.added_at,
            last_checked_at: record.last_checked_at,
            cooldown_until,
            usage: record.usage.clone(),
        }
    }
}
