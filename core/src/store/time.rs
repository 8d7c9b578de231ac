//! Instants as the database has them: microseconds since 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An instant as a number; what lies before 1970, or some 290,000 years later, becomes the nearest that is stored.
pub(super) fn to_micros(time: SystemTime) -> i64 {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX)
}

/// The instant of a number.
pub(super) fn from_micros(micros: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}

/// An instant in seconds since 1970.
pub(super) fn to_seconds(time: SystemTime) -> i64 {
    to_micros(time) / 1_000_000
}

/// Seconds since 1970, which authorization codes have, as the database has instants.
pub(super) fn to_unix_micros(seconds: i64) -> i64 {
    seconds.saturating_mul(1_000_000)
}

/// The seconds since 1970 of such an instant.
pub(super) fn from_unix_micros(micros: i64) -> i64 {
    micros.div_euclid(1_000_000)
}
