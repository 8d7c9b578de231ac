//! Times of the contract as JSON has them: Unix seconds.

use prost_types::Timestamp;

/// One that is over.
pub(super) fn past(time: Timestamp) -> i64 {
    time.seconds
}

/// One to come. Rounded up, so that who waits until then is never early.
pub(super) fn ahead(time: Timestamp) -> i64 {
    time.seconds + i64::from(time.nanos > 0)
}

/// One that is compared with others of the same second.
pub(super) fn fraction(time: Timestamp) -> f64 {
    time.seconds as f64 + f64::from(time.nanos) / 1e9
}
