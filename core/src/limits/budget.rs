//! A bound of tokens, and how much of it is gone.

use super::{Cost, refusal::Obstacle};

/// A bound of tokens, and how much of it is gone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// How many tokens it allows.
    pub(super) limit: u64,
    /// How many were used.
    pub(super) used: u64,
    /// How many running answers may still use.
    pub(super) reserved: u64,
}

impl Budget {
    /// How many are left for another request.
    pub(super) fn left(self) -> u64 {
        self.limit
            .saturating_sub(self.used.saturating_add(self.reserved))
    }

    /// Whether there is enough for a request.
    ///
    /// # Errors
    ///
    /// Why not.
    pub(super) fn check(self, cost: Cost) -> Result<(), Obstacle> {
        let least = cost.least();
        if least <= self.left() {
            return Ok(());
        }
        Err(if least > self.limit {
            Obstacle::NeverEnough
        } else if least <= self.limit.saturating_sub(self.used) {
            Obstacle::Reserved
        } else {
            Obstacle::Spent
        })
    }
}
