//! The names of client keys.

use std::{
    fmt,
    str::FromStr,
    time::{SystemTime, UNIX_EPOCH},
};

/// The bits of an id below the milliseconds at which it was made.
const RANDOM_BITS: u32 = 20;

/// The name of a client key, `key_…`: says nothing of its value. Later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KeyId(u64);

impl KeyId {
    /// A new one, greater than the last.
    pub(crate) fn after(last: Option<Self>, now: SystemTime) -> Self {
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        // Some 500 years fit.
        let milliseconds = u64::try_from(since_epoch.as_millis()).unwrap_or_default();
        let candidate =
            (milliseconds & (u64::MAX >> 21)) << RANDOM_BITS | fastrand::u64(..1 << RANDOM_BITS);
        Self(candidate.max(last.map_or(0, |Self(last)| last + 1)))
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

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "key_{:016x}", self.0)
    }
}

/// A text that is no key's id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAnId;

impl FromStr for KeyId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let digits = text.strip_prefix("key_").ok_or(NotAnId)?;
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
    fn the_name_of_a_key_has_one_form() {
        let id = KeyId(0xab);
        assert_eq!(id.to_string(), "key_00000000000000ab");
        assert_eq!("key_00000000000000ab".parse(), Ok(id));
        for other in [
            "key_ab",
            "00000000000000ab",
            "ck_00000000000000ab",
            "key_00000000000000AB",
        ] {
            assert_eq!(other.parse::<KeyId>(), Err(NotAnId), "{other}");
        }
    }

    #[test]
    fn a_later_name_is_greater_though_the_clock_stands_still() {
        let first = KeyId::after(None, UNIX_EPOCH);
        let second = KeyId::after(Some(first), UNIX_EPOCH);
        assert!(second > first);
        assert_eq!(KeyId::from_bits(second.to_bits()), second);
    }
}
