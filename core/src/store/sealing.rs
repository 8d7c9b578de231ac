//! Encryption of what is at rest.
//!
//! XChaCha20-Poly1305 with a random nonce for each record, under a key derived from the secret key. What a record is and whose goes in
//! as associated data: a sealed value that was moved to another row doesn't open there.

use std::fmt;

use chacha20poly1305::{
    XChaCha20Poly1305,
    aead::{Aead, KeyInit, Payload},
};
use secrecy::zeroize::Zeroizing;

use super::secret_key::SecretKey;

/// What the encryption key is derived for, as [`blake3::derive_key`] wants it.
const PURPOSE: &str = "llm2api 2026-11-24 records at rest";
/// The first byte of what is sealed in this way.
const VERSION: u8 = 1;
const NONCE_SIZE_BYTES: usize = 24;

/// What is sealed, and whose it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Record<'a> {
    /// The key of fingerprints.
    FingerprintKey,
    /// A credential.
    Credential {
        /// Its id.
        id: i64,
        /// Its upstream's name.
        upstream: &'a str,
    },
    /// How an upstream was set up.
    Upstream {
        /// Its name.
        name: &'a str,
    },
    /// What signs authorization codes.
    SigningKey,
    /// The last good answer about an authorization code.
    AuthorizationAnswer,
    /// To whom a conversation belongs.
    Conversation {
        /// Its id at the upstream.
        id: &'a str,
        /// The upstream's name.
        upstream: &'a str,
    },
}

/// Seals and opens records.
#[derive(Clone)]
pub(super) struct Sealer(XChaCha20Poly1305);

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sealer")
    }
}

/// What could not be opened: written with another key, for another record, or damaged.
#[derive(Debug)]
pub(super) struct DoesNotOpen;

impl Sealer {
    /// A sealer under a key that is derived from the secret key.
    pub(super) fn new(secret_key: &SecretKey) -> Self {
        let key = Zeroizing::new(blake3::derive_key(PURPOSE, secret_key.bytes()));
        Self(XChaCha20Poly1305::new((&*key).into()))
    }

    /// Seals a record.
    pub(super) fn seal(&self, record: Record<'_>, plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_SIZE_BYTES];
        getrandom::fill(&mut nonce)
            .expect("a system that had randomness at the start has it later");
        let payload = Payload {
            msg: plain,
            aad: &record.associated_data(),
        };
        let sealed = self
            .0
            .encrypt(&nonce.into(), payload)
            .expect("records are far smaller than the 256 GiB that one nonce is good for");
        [&[VERSION], nonce.as_slice(), &sealed].concat()
    }

    /// Opens a record.
    ///
    /// # Errors
    ///
    /// [`DoesNotOpen`].
    pub(super) fn open(
        &self,
        record: Record<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
        let (&version, rest) = sealed.split_first().ok_or(DoesNotOpen)?;
        let (&nonce, encrypted) = rest
            .split_first_chunk::<NONCE_SIZE_BYTES>()
            .ok_or(DoesNotOpen)?;
        if version != VERSION {
            return Err(DoesNotOpen);
        }
        let payload = Payload {
            msg: encrypted,
            aad: &record.associated_data(),
        };
        let plain = self.0.decrypt(&nonce.into(), payload);
        plain.map(Zeroizing::new).map_err(|_| DoesNotOpen)
    }
}

impl Record<'_> {
    /// All of it in one form: lengths stand before texts, so that no two records have the same.
    fn associated_data(self) -> Vec<u8> {
        let (kind, id, upstream): (u8, &[u8], &str) = match self {
            Self::FingerprintKey => (0, &[], ""),
            Self::Credential { id, upstream } => (1, &id.to_be_bytes(), upstream),
            Self::Upstream { name } => (2, &[], name),
            Self::Conversation { id, upstream } => (3, id.as_bytes(), upstream),
            Self::SigningKey => (4, &[], ""),
            Self::AuthorizationAnswer => (5, &[], ""),
        };
        let mut data = vec![VERSION, kind];
        for part in [id, upstream.as_bytes()] {
            data.extend((part.len() as u64).to_be_bytes());
            data.extend(part);
        }
        data
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RECORDS: [Record<'_>; 11] = [
        Record::FingerprintKey,
        Record::SigningKey,
        Record::AuthorizationAnswer,
        Record::Credential {
            id: 1,
            upstream: "a",
        },
        Record::Credential {
            id: 2,
            upstream: "a",
        },
        Record::Credential {
            id: 1,
            upstream: "b",
        },
        Record::Upstream { name: "a" },
        Record::Upstream { name: "" },
        Record::Conversation {
            id: "a",
            upstream: "bc",
        },
        Record::Conversation {
            id: "ab",
            upstream: "c",
        },
        Record::Conversation {
            id: "",
            upstream: "a",
        },
    ];

    fn sealer() -> Sealer {
        Sealer::new(&SecretKey::random().unwrap())
    }

    #[test]
    fn a_record_opens_as_itself_and_as_nothing_else() {
        let sealer = sealer();
        for (place, record) in RECORDS.iter().enumerate() {
            let sealed = sealer.seal(*record, b"secret");
            for (other_place, other) in RECORDS.iter().enumerate() {
                let opened = sealer.open(*other, &sealed).ok();
                let expected = (place == other_place).then_some(&b"secret"[..]);
                let opened = opened.as_ref().map(|opened| opened.as_slice());
                assert_eq!(opened, expected, "{record:?} as {other:?}");
            }
            assert!(self::sealer().open(*record, &sealed).is_err());
        }
    }

    #[test]
    fn equal_secrets_are_sealed_differently() {
        let sealer = sealer();
        let seal = || sealer.seal(RECORDS[1], b"secret");
        assert_ne!(seal(), seal());
    }

    proptest! {
        #[test]
        fn what_was_changed_or_cut_does_not_open(
            plain: Vec<u8>,
            place: prop::sample::Index,
            change in 1..=255_u8,
        ) {
            let sealer = sealer();
            let sealed = sealer.seal(RECORDS[1], &plain);
            let place = place.index(sealed.len());
            let mut changed = sealed.clone();
            changed[place] ^= change;
            prop_assert!(sealer.open(RECORDS[1], &changed).is_err());
            prop_assert!(sealer.open(RECORDS[1], &sealed[..place]).is_err());
            prop_assert_eq!(sealer.open(RECORDS[1], &sealed).unwrap().to_vec(), plain);
        }
    }
}
