//! A credential as a pool holds it.

use std::{
    fmt,
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::upstream::Credential;

/// A credential, and what never changes about it.
#[derive(Debug)]
pub(crate) struct Member {
    /// Names it wherever it is spoken of.
    pub(crate) id: CredentialId,
    /// What lets us in.
    pub(crate) credential: Credential,
    /// Who gave it.
    pub(crate) source: CredentialSource,
}

/// Who gave a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CredentialSource {
    /// The configuration: it is there as long as it stands there.
    Config,
    /// Somebody added it.
    User,
}

impl CredentialSource {
    /// The source as operators read it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::User => "user",
        }
    }
}

/// The name of a credential, `ck_…`: says nothing of its value. Later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CredentialId(u64);

/// The bits of an id below the milliseconds at which it was made.
const RANDOM_BITS: u32 = 20;

/// The last id that this process made.
static LAST: AtomicU64 = AtomicU64::new(0);

impl CredentialId {
    /// A new one: greater than any made before by this process, and by others until this millisecond.
    pub(crate) fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let milliseconds = since_epoch.as_ref().map_or(0, Duration::as_millis);
        // Some 500 years fit.
        let milliseconds = u64::try_from(milliseconds).unwrap_or_default() & (u64::MAX >> 21);
        let candidate = milliseconds << RANDOM_BITS | fastrand::u64(..1 << RANDOM_BITS);
        let next = |last: u64| candidate.max(last + 1);
        let last = LAST
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(next(last))
            })
            .unwrap_or_else(|last| last);
        Self(next(last))
    }

    /// That of the credential of an upstream which needs none: always the same, and less than all others.
    pub(crate) fn of_anonymous(upstream: &str) -> Self {
        let hash = blake3::hash(upstream.as_bytes());
        let mut bytes = [0; 8];
        bytes[3..].copy_from_slice(&hash.as_bytes()[..5]);
        Self(u64::from_be_bytes(bytes))
    }

    /// The id as the store keeps it.
    pub(crate) fn to_bits(self) -> i64 {
        // The highest bit is 0.
        self.0.cast_signed()
    }

    /// The id that the store kept.
    pub(crate) fn from_bits(bits: i64) -> Self {
        Self(bits.cast_unsigned())
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ck_{:016x}", self.0)
    }
}

/// A text that is no credential's id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAnId;

impl FromStr for CredentialId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let digits = text.strip_prefix("ck_").ok_or(NotAnId)?;
        let is_ours = digits.len() == 16
            && digits
                .bytes()
                .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        let number = u64::from_str_radix(digits, 16).map_err(|_| NotAnId)?;
        is_ours.then_some(Self(number)).ok_or(NotAnId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_credential_has_one_form() {
        let id = CredentialId(0xab);
        assert_eq!(id.to_string(), "ck_00000000000000ab");
        assert_eq!("ck_00000000000000ab".parse(), Ok(id));
        for other in [
            "ck_ab",
            "00000000000000ab",
            "ck_00000000000000AB",
            "ck_+0000000000000ab",
            "",
        ] {
            assert_eq!(other.parse::<CredentialId>(), Err(NotAnId), "{other}");
        }
    }

    #[test]
    fn later_names_are_greater() {
        let made: Vec<_> = (0..1000).map(|_| CredentialId::new()).collect();
        assert!(made.is_sorted_by(|one, next| one < next));
        assert!(CredentialId::of_anonymous("one") < made[0]);
        assert_eq!(CredentialId::from_bits(made[0].to_bits()), made[0]);
    }
}
