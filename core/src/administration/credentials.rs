//! The credentials of an upstream when it is set up: those that are kept, and those that the configuration gives.

use std::{collections::HashMap, time::SystemTime};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    config::{UpstreamConfig, UpstreamKind},
    pool::{CredentialId, CredentialSource, Member, NewCredential, Proof, SavedStanding},
    store::{Added, Adding, CredentialUsage, Fingerprint, Store, StoreError, StoredCredential},
    upstream::Credential,
};

/// Credentials that are stored at a time: they share one wait for the disk.
const STORED_AT_ONCE: usize = 64;

/// The credentials of an upstream that shows to be of this kind.
///
/// Of those that are kept, the configuration's leave which it gives no more; what it gives newly is stored, as are those that it gives
/// to be added once.
///
/// # Errors
///
/// Where that can't be stored.
pub(super) async fn of_upstream(
    store: &Store,
    upstream: &UpstreamConfig,
    kind: UpstreamKind,
    kept: Vec<StoredCredential>,
) -> Result<Vec<NewCredential>, StoreError> {
    let name = &upstream.name;
    let mut known: HashMap<Fingerprint, StoredCredential> = kept
        .into_iter()
        .map(|stored| (fingerprint(store, &stored), stored))
        .collect();
    let configured = upstream
        .credentials(kind)
        .map(|credential| (credential, CredentialSource::Config, Adding::Configured));
    let added_once = upstream.added_cookies.iter().map(|cookie| {
        let credential = Credential::of_cookie(kind, cookie);
        (credential, CredentialSource::User, Adding::UnlessRemoved)
    });
    let mut wanted = std::collections::HashSet::new();
    let mut new = Vec::new();
    for (credential, source, adding) in configured.chain(added_once) {
        let fingerprint = store.fingerprint(name, &credential);
        if wanted.insert(fingerprint) && !known.contains_key(&fingerprint) {
            new.push((unknown(name, credential, source), adding));
        }
    }
    let gone: Vec<_> = known
        .extract_if(|fingerprint, stored| {
            stored.source == CredentialSource::Config && !wanted.contains(fingerprint)
        })
        .map(|(_, stored)| stored.id)
        .collect();
    for id in gone {
        store.remove_credential(id, false).await?;
    }
    let added: Vec<Option<StoredCredential>> = stream::iter(new)
        .map(|(stored, adding)| async move {
            match store.add_credential(stored.clone(), adding).await? {
                Added::New => Ok(Some(stored)),
                Added::There(_) | Added::WasRemoved => Ok::<_, StoreError>(None),
            }
        })
        .buffered(STORED_AT_ONCE)
        .try_collect()
        .await?;
    let mut all: Vec<_> = known
        .into_values()
        .chain(added.into_iter().flatten())
        .collect();
    all.sort_unstable_by_key(|stored| stored.id);
    let take_in = |stored: StoredCredential| take_in(store, stored);
    Ok(all.into_iter().map(take_in).collect())
}

/// A credential of which nothing is known yet.
pub(super) fn unknown(
    upstream: &str,
    credential: Credential,
    source: CredentialSource,
) -> StoredCredential {
    StoredCredential {
        id: CredentialId::new(),
        upstream: upstream.to_owned(),
        credential,
        fingerprint: None,
        source,
        label: String::new(),
        is_disabled: false,
        standing: SavedStanding::UNKNOWN,
        added_at: SystemTime::now(),
        last_checked_at: None,
        usage: CredentialUsage::default(),
    }
}

/// A credential that was checked just now, which showed this.
pub(super) fn checked(mut stored: StoredCredential, proof: Proof) -> StoredCredential {
    stored.standing.proof = proof;
    stored.last_checked_at = Some(stored.added_at);
    stored
}

/// What a credential is recognised by.
fn fingerprint(store: &Store, stored: &StoredCredential) -> Fingerprint {
    let of_secret = || store.fingerprint(&stored.upstream, &stored.credential);
    stored.fingerprint.unwrap_or_else(of_secret)
}

/// A stored credential, on its way into a pool.
pub(super) fn take_in(store: &Store, stored: StoredCredential) -> NewCredential {
    NewCredential {
        fingerprint: Some(fingerprint(store, &stored)),
        member: Member {
            id: stored.id,
            credential: stored.credential,
            source: stored.source,
        },
        label: stored.label,
        is_disabled: stored.is_disabled,
        standing: stored.standing,
        added_at: stored.added_at,
        last_checked_at: stored.last_checked_at,
        usage: stored.usage,
    }
}
