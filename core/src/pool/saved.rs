//! What is kept of a credential while the process is away.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::reason::{CoolingReason, InvalidReason};

/// What an upstream thinks of a credential, by the clock on the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SavedStanding {
    /// Whether it can be used.
    pub(crate) state: SavedState,
    /// What has shown that the upstream accepts it, when it last did.
    pub(crate) proof: Proof,
    /// How often in a row its quota was found spent.
    pub(crate) quota_streak: u32,
}

/// Whether a credential can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SavedState {
    /// It can.
    Usable,
    /// It is left alone until then.
    Cooling {
        /// When it can be used again.
        until: SystemTime,
        /// Why it can't.
        reason: CoolingReason,
    },
    /// The upstream refuses it.
    Invalid {
        /// Why.
        reason: InvalidReason,
    },
}

/// What has shown that the upstream accepts a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Nothing yet.
    Nothing,
    /// Nothing: a check was made, which proves nothing there.
    NotVerifiable,
    /// A check.
    Check,
    /// An answer.
    Answer,
}

impl SavedStanding {
    /// That of a credential of which nothing is known.
    pub(crate) const UNKNOWN: Self = Self {
        state: SavedState::Usable,
        proof: Proof::Nothing,
        quota_streak: 0,
    };
}

/// One moment by both clocks: the one that only runs forward, and the one on the wall, which is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WallClock {
    pub(crate) now: Instant,
    pub(crate) system_time: SystemTime,
}

/// The longest that a kept cool-down may lie ahead: whoever set the clock back must not lose a credential for years.
const MAX_AHEAD: Duration = Duration::from_secs(24 * 60 * 60);

impl WallClock {
    /// This moment.
    pub(crate) fn now() -> Self {
        Self {
            now: Instant::now(),
            system_time: SystemTime::now(),
        }
    }

    /// When an instant is, on the wall.
    pub(crate) fn to_system_time(self, instant: Instant) -> SystemTime {
        match instant.checked_duration_since(self.now) {
            Some(ahead) => self.system_time + ahead,
            None => self.system_time - self.now.duration_since(instant),
        }
    }

    /// The instant of a time that may lie ahead; of one that is past, now.
    pub(crate) fn to_instant(self, time: SystemTime) -> Instant {
        let ahead = time.duration_since(self.system_time).unwrap_or_default();
        self.now + ahead.min(MAX_AHEAD)
    }
}
