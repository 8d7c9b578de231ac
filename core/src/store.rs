//! What must survive: credentials, upstreams that somebody added, model lists, and conversations that are still to be deleted.

mod records;

pub(crate) use self::records::{CredentialUsage, StoredCredential};

/// Tells a credential from others, without telling its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint([u8; 32]);
