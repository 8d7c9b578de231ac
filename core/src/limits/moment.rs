//! One moment, by the two clocks that limits need.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// When this process began to look at the clock.
static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Milliseconds by the clock that only runs forward; those of earlier processes are negative.
    pub(crate) steady_ms: i64,
    /// Milliseconds since 1970 by the clock on the wall, which has days, and outlives the process.
    pub(crate) wall_ms: i64,
}

impl Moment {
    /// This moment.
    pub(crate) fn now() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            steady_ms: milliseconds(BEGIN.elapsed()),
            wall_ms: milliseconds(wall.unwrap_or_default()),
        }
    }

    /// The day, by UTC.
    pub(crate) fn day(self) -> i64 {
        self.wall_ms.div_euclid(milliseconds(DAY))
    }

    /// How long this day still lasts.
    pub(super) fn rest_of_day(self) -> Duration {
        let passed = self.wall_ms.rem_euclid(milliseconds(DAY));
        DAY - Duration::from_millis(passed.unsigned_abs())
    }
}

pub(super) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
