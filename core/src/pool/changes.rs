//! What has changed of the credentials and is to be kept.

use std::time::SystemTime;

use super::{CredentialId, Pool, SavedStanding, Shared, saved::WallClock};
use crate::{store::CredentialUsage, upstream::Credential};

/// What is to be kept anew.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Standings, each with when the credential was last checked.
    pub(crate) standings: Vec<(CredentialId, SavedStanding, Option<SystemTime>)>,
    /// Credentials to which the upstream has given other cookies.
    pub(crate) renewed: Vec<(CredentialId, Credential)>,
    /// What was done with credentials, in all.
    pub(crate) usages: Vec<(CredentialId, CredentialUsage)>,
}

impl Pool {
    /// Waits until a standing has changed. What was done with credentials wakes nobody: it is kept from time to time.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Takes what is to be kept: standings, and with `usages` also what was done with credentials.
    pub(crate) fn take_changes(&self, usages: bool) -> Changes {
        let wall = WallClock::now();
        let mut guard = self.shared();
        let shared = &mut *guard;
        let mut changes = Changes::default();
        let slots = std::mem::take(&mut shared.to_keep);
        for slot in slots {
            let record = &mut shared.records[slot];
            // Of what is gone, or was never kept, nothing is.
            let is_kept =
                record.fingerprint.is_some() && shared.by_id.get(&record.member.id) == Some(&slot);
            if !is_kept {
                (record.is_changed, record.is_used, record.is_renewed) = (false, false, false);
                continue;
            }
            if std::mem::take(&mut record.is_changed) {
                let standing = shared.roster.to_save(slot, wall);
                changes
                    .standings
                    .push((record.member.id, standing, record.last_checked_at));
            }
            if std::mem::take(&mut record.is_renewed) {
                let credential = record.member.credential.clone();
                changes.renewed.push((record.member.id, credential));
            }
            if record.is_used {
                if usages {
                    record.is_used = false;
                    changes
                        .usages
                        .push((record.member.id, record.usage.clone()));
                } else {
                    shared.to_keep.push(slot);
                }
            }
        }
        changes
    }

    /// Puts back what could not be kept, for the next time.
    pub(crate) fn put_back(&self, changes: &Changes) {
        let mut shared = self.shared();
        for (id, ..) in &changes.standings {
            if let Some(&slot) = shared.by_id.get(id) {
                shared.keep_standing(slot);
            }
        }
        for (id, _) in &changes.renewed {
            if let Some(&slot) = shared.by_id.get(id) {
                shared.keep_secret(slot);
            }
        }
        for (id, _) in &changes.usages {
            if let Some(&slot) = shared.by_id.get(id) {
                shared.keep_usage(slot);
            }
        }
    }
}

impl Shared {
    /// Takes note that an attempt begins.
    pub(super) fn note_use(&mut self, slot: usize) {
        let usage = &mut self.records[slot].usage;
        usage.requests += 1;
        usage.last_used_at = Some(SystemTime::now());
        self.keep_usage(slot);
    }

    /// Takes note that a standing is to be kept anew.
    pub(super) fn keep_standing(&mut self, slot: usize) {
        if !self.records[slot].is_noted() {
            self.to_keep.push(slot);
        }
        self.records[slot].is_changed = true;
    }

    /// Takes note that a secret is to be kept anew, where the upstream has changed it. Whether it has.
    pub(super) fn keep_secret_if_changed(&mut self, slot: usize) -> bool {
        let is_changed = self.records[slot].member.credential.take_change();
        if is_changed {
            self.keep_secret(slot);
        }
        is_changed
    }

    fn keep_secret(&mut self, slot: usize) {
        if !self.records[slot].is_noted() {
            self.to_keep.push(slot);
        }
        self.records[slot].is_renewed = true;
    }

    fn keep_usage(&mut self, slot: usize) {
        if !self.records[slot].is_noted() {
            self.to_keep.push(slot);
        }
        self.records[slot].is_used = true;
    }
}
