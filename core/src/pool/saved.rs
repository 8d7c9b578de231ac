//! What is kept of a credential while the process is away.

use std::time::SystemTime;

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
