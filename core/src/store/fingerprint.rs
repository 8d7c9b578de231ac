//! How a credential is recognised without looking at it.

use std::fmt;

use secrecy::{ExposeSecret, zeroize::Zeroizing};

use crate::upstream::Credential;

/// Bytes of the key.
const KEY_SIZE_BYTES: usize = 32;

/// Tells a credential from all others of all upstreams; says nothing of its value to who doesn't have the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint that was stored; `None` where it has another size.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes, as they are stored.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The key of fingerprints. It is random and stored sealed, so that fingerprints outlive a change of the secret key: of a credential
/// that was removed nothing else is left.
#[derive(Clone)]
pub(super) struct FingerprintKey(Zeroizing<[u8; KEY_SIZE_BYTES]>);

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FingerprintKey")
    }
}

impl FingerprintKey {
    /// Makes a key that nobody can guess.
    ///
    /// # Errors
    ///
    /// Where the system has no randomness.
    pub(super) fn random() -> std::io::Result<Self> {
        let mut key = Zeroizing::new([0; KEY_SIZE_BYTES]);
        getrandom::fill(key.as_mut()).map_err(std::io::Error::other)?;
        Ok(Self(key))
    }

    /// The key that was stored; `None` where it has another size.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let key = bytes.try_into().ok()?;
        Some(Self(Zeroizing::new(key)))
    }

    /// The bytes, to be sealed.
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_ref()
    }

    /// The fingerprint of a credential: the same whether it is used as a key or as a cookie, with the
    /// cookie's name or without, and whatever goes along with it.
    pub(super) fn of(&self, upstream: &str, credential: &Credential) -> Fingerprint {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&(upstream.len() as u64).to_be_bytes());
        hasher.update(upstream.as_bytes());
        if let Some(identity) = credential.identity() {
            hasher.update(identity.expose_secret().as_bytes());
        }
        Fingerprint(*hasher.finalize().as_bytes())
    }
}
