//! What an upstream thinks of a credential, as columns.

use serde::Serialize;

use crate::pool::{CoolingReason, InvalidReason, Proof, SavedStanding, SavedState};

use super::time::{from_micros, to_micros};

/// A standing, column by column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub(super) struct StandingColumns {
    /// `usable`, `cooling` or `invalid`.
    pub(super) state: String,
    /// Why it is not usable.
    pub(super) state_reason: Option<String>,
    /// Until when it cools.
    pub(super) cooling_until: Option<i64>,
    /// What has shown that it is accepted.
    pub(super) proof: String,
    /// How often in a row its quota was spent.
    pub(super) quota_streak: i64,
}

impl From<SavedStanding> for StandingColumns {
    fn from(standing: SavedStanding) -> Self {
        let (state, state_reason, cooling_until) = match standing.state {
            SavedState::Usable => ("usable", None, None),
            SavedState::Cooling { until, reason } => {
                ("cooling", Some(reason.as_str()), Some(to_micros(until)))
            }
            SavedState::Invalid { reason } => ("invalid", Some(reason.as_str()), None),
        };
        Self {
            state: state.to_owned(),
            state_reason: state_reason.map(str::to_owned),
            cooling_until,
            proof: proof_name(standing.proof).to_owned(),
            quota_streak: standing.quota_streak.into(),
        }
    }
}

impl StandingColumns {
    /// The standing; `None` where columns contradict each other.
    pub(super) fn read(&self) -> Option<SavedStanding> {
        let reason = self.state_reason.as_deref();
        Some(SavedStanding {
            state: match (self.state.as_str(), self.cooling_until) {
                ("usable", _) => SavedState::Usable,
                ("cooling", Some(until)) => SavedState::Cooling {
                    until: from_micros(until),
                    reason: CoolingReason::ALL
                        .into_iter()
                        .find(|known| Some(known.as_str()) == reason)?,
                },
                ("invalid", _) => SavedState::Invalid {
                    reason: InvalidReason::ALL
                        .into_iter()
                        .find(|known| Some(known.as_str()) == reason)?,
                },
                _ => return None,
            },
            proof: PROOFS
                .into_iter()
                .find(|known| proof_name(*known) == self.proof)?,
            quota_streak: self.quota_streak.try_into().ok()?,
        })
    }
}

const PROOFS: [Proof; 4] = [
    Proof::Nothing,
    Proof::NotVerifiable,
    Proof::Check,
    Proof::Answer,
];

fn proof_name(proof: Proof) -> &'static str {
    match proof {
        Proof::Nothing => "nothing",
        Proof::NotVerifiable => "not_verifiable",
        Proof::Check => "check",
        Proof::Answer => "answer",
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn every_standing_comes_back_as_it_was() {
        let until = UNIX_EPOCH + Duration::from_micros(1_800_000_000_123_456);
        let cooling = CoolingReason::ALL.map(|reason| SavedState::Cooling { until, reason });
        let invalid = InvalidReason::ALL.map(|reason| SavedState::Invalid { reason });
        let states = [SavedState::Usable]
            .into_iter()
            .chain(cooling)
            .chain(invalid);
        for state in states {
            for proof in PROOFS {
                let standing = SavedStanding {
                    state,
                    proof,
                    quota_streak: 7,
                };
                assert_eq!(StandingColumns::from(standing).read(), Some(standing));
            }
        }
    }

    #[test]
    fn columns_that_contradict_each_other_are_no_standing() {
        let usable = StandingColumns::from(SavedStanding::UNKNOWN);
        let broken: [fn(&mut StandingColumns); 5] = [
            |columns| columns.state = "cooling".to_owned(),
            |columns| columns.state = "invalid".to_owned(),
            |columns| columns.state = String::new(),
            |columns| columns.proof = String::new(),
            |columns| columns.quota_streak = -1,
        ];
        for break_it in broken {
            let mut columns = usable.clone();
            break_it(&mut columns);
            assert_eq!(columns.read(), None, "{columns:?}");
        }
    }
}
