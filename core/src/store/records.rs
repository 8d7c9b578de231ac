//! What is kept: plain values, as the rest of the core makes and reads them.

use std::time::SystemTime;

use secrecy::zeroize::Zeroizing;

use super::Fingerprint;
use crate::{
    authorization::{Claims, KEY_SIZE_BYTES},
    pool::{CredentialId, CredentialSource, SavedStanding},
    upstream::{Credential, ListedModel},
};

/// A credential with all that is known of it.
#[derive(Debug, Clone)]
pub(crate) struct StoredCredential {
    /// Its name.
    pub(crate) id: CredentialId,
    /// The name of its upstream.
    pub(crate) upstream: String,
    /// What lets us in. Never anonymous.
    pub(crate) credential: Credential,
    /// What it is recognised by: that of the secret as it was added, which cookies that the upstream sets have changed since. `None`:
    /// it has not been stored yet.
    pub(crate) fingerprint: Option<Fingerprint>,
    /// Who gave it.
    pub(crate) source: CredentialSource,
    /// What somebody called it.
    pub(crate) label: String,
    /// Whether it is left unused by hand.
    pub(crate) is_disabled: bool,
    /// What the upstream thinks of it.
    pub(crate) standing: SavedStanding,
    /// When it was added.
    pub(crate) added_at: SystemTime,
    /// When it was last checked.
    pub(crate) last_checked_at: Option<SystemTime>,
    /// What was done with it.
    pub(crate) usage: CredentialUsage,
}

/// What was done with a credential since it was added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CredentialUsage {
    /// Attempts.
    pub(crate) requests: u64,
    /// Of these, those that failed by the upstream's or the credential's fault.
    pub(crate) failures: u64,
    /// How the last of those failed; empty: none did.
    pub(crate) last_error: String,
    /// When the last attempt began.
    pub(crate) last_used_at: Option<SystemTime>,
}

/// An upstream that somebody added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredUpstream {
    /// Its name.
    pub(crate) name: String,
    /// How it was set up, in a form that the store doesn't look into. May hold secrets.
    pub(crate) settings: Vec<u8>,
}

/// The models of an upstream, as it last listed them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredModels {
    /// The upstream's name.
    pub(crate) upstream: String,
    /// Its models, in its order.
    pub(crate) models: Vec<ListedModel>,
}

/// A conversation that was begun at an upstream and is to be deleted there.
#[derive(Debug, Clone)]
pub(crate) struct StoredConversation {
    /// The upstream's name.
    pub(crate) upstream: String,
    /// The conversation's id there.
    pub(crate) id: String,
    /// To whom it belongs: the session that began it.
    pub(crate) credential: Credential,
}

/// What is kept of authorization codes.
#[derive(Debug, Clone, Default)]
pub(crate) struct StoredAuthorization {
    /// What signs codes. `None`: none was made yet.
    pub(crate) signing_key: Option<Zeroizing<[u8; KEY_SIZE_BYTES]>>,
    /// The last good answer, in a form that the store doesn't look into.
    pub(crate) answer: Option<Vec<u8>>,
    /// The codes that were issued here, in that order.
    pub(crate) codes: Vec<StoredCode>,
}

/// An authorization code that was issued here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredCode {
    /// What it says.
    pub(crate) claims: Claims,
    /// Whether this instance issued it to itself.
    pub(crate) is_own: bool,
    /// When it was revoked, in seconds since 1970.
    pub(crate) revoked_at: Option<i64>,
}
