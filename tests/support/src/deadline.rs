//! Waits that end.

use std::{future::Future, panic::Location, time::Duration};

/// How long a test waits for what must come: long enough for a busy machine, since a test that passes never waits for it.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Waits for something that must come within [`DEADLINE`].
///
/// # Panics
///
/// When it did not come; the message says what and where.
#[track_caller]
pub fn within<'a, T>(
    what: &'a str,
    future: impl Future<Output = T> + 'a,
) -> impl Future<Output = T> + 'a {
    let caller = Location::caller();
    async move {
        match tokio::time::timeout(DEADLINE, future).await {
            Ok(value) => value,
            Err(_) => panic!("waited {DEADLINE:?} in vain for {what} at {caller}"),
        }
    }
}
