//! Why a request is not let in, and what its client is told.

use std::time::Duration;

use llm2api_proto::{ContractError, RateLimits, v1::ErrorReason};

use super::HolderKind;

/// After how long a client may try again whose tokens are reserved by answers that are under way: some of these will have ended.
const SOON: Duration = Duration::from_secs(1);

/// What stands between a request and a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// All of it would not be enough.
    NeverEnough,
    /// It would be enough, were it not for answers that are under way.
    Reserved,
    /// It is used up.
    Spent,
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There were as many in the last minute as may be.
    Requests {
        /// How many may be.
        limit: u64,
        /// In how long there is room for one.
        room_in: Duration,
    },
    /// Today's tokens.
    Day {
        /// How many there are a day.
        limit: u64,
        /// What of them stands against it.
        obstacle: Obstacle,
        /// In how long the day is over.
        over_in: Duration,
    },
    /// The tokens that there are in all.
    Total {
        /// How many there are.
        limit: u64,
        /// What of them stands against it.
        obstacle: Obstacle,
    },
}

impl Refusal {
    /// What the client is told.
    pub(super) fn tell(self, of: HolderKind, left: RateLimits) -> ContractError {
        let of = of.as_str();
        let error = match self {
            Self::Requests { limit, room_in } => limited(
                format!("The limit of {limit} requests a minute of this {of} is reached."),
                room_in,
            ),
            Self::Day {
                limit,
                obstacle: Obstacle::NeverEnough,
                ..
            }
            | Self::Total {
                limit,
                obstacle: Obstacle::NeverEnough,
            } => spent(format!(
                "The request may cost more tokens than this {of} has at all, which are {limit}; ask with a shorter prompt or a \
                 lower `max_completion_tokens`."
            )),
            Self::Day {
                limit,
                obstacle: Obstacle::Spent,
                over_in,
            } => limited(
                format!(
                    "The limit of {limit} tokens a day of this {of} leaves too few for this request; the next day begins at \
                     midnight UTC. A lower `max_completion_tokens` may do."
                ),
                over_in,
            ),
            Self::Day {
                limit,
                obstacle: Obstacle::Reserved,
                ..
            }
            | Self::Total {
                limit,
                obstacle: Obstacle::Reserved,
            } => limited(
                format!(
                    "Of the {limit} tokens of this {of}, answers that are under way may need those that are left."
                ),
                SOON,
            ),
            Self::Total {
                limit,
                obstacle: Obstacle::Spent,
            } => spent(format!(
                "The {limit} tokens of this {of} are used up, or too few are left for this request. Its operator can allow more."
            )),
        };
        ContractError {
            rate_limits: Some(Box::new(left)).filter(|left| !left.is_empty()),
            ..error
        }
    }
}

/// Later is better.
fn limited(message: String, wait: Duration) -> ContractError {
    ContractError::new(ErrorReason::RateLimitExceeded, message).with_retry_after(wait)
}

/// Waiting doesn't help.
fn spent(message: String) -> ContractError {
    ContractError::new(ErrorReason::InsufficientQuota, message)
}
