//! What was counted in a time.

use std::time::Duration;

use llm2api_proto::v1::ErrorReason;
use serde::{Deserialize, Serialize};

use super::{attempt::TokenCount, durations::Durations};

/// What was counted in a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    /// Chats, or attempts, that ended.
    pub(crate) requests: u64,
    /// Of these, those that failed.
    pub(crate) errors: u64,
    /// Of these, those whose client left.
    pub(crate) cancelled: u64,
    /// Of these, those that were refused for the client's own mistake.
    pub(crate) rejected: u64,
    /// Tokens of prompts.
    pub(crate) input_tokens: u64,
    /// Tokens of answers.
    pub(crate) output_tokens: u64,
    /// Of both, those that nobody reported.
    pub(crate) estimated_tokens: u64,
    /// The errors by what the client was told. Few: searched one by one.
    pub(crate) by_reason: Vec<(ErrorReason, u64)>,
    /// From the arrival to the end, of those that were answered.
    pub(crate) latency: Durations,
    /// From the arrival to the first token.
    pub(crate) first_token: Durations,
}

/// One that ended, as it is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    /// How it ended.
    pub(crate) ending: Ending,
    /// What it cost.
    pub(crate) tokens: Option<TokenCount>,
    /// How long it took, where that is measured and it was answered.
    pub(crate) latency: Option<Duration>,
    /// How long its first token took, where that is measured and there was one.
    pub(crate) first_token: Option<Duration>,
}

/// How one ended, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Well.
    Answered,
    /// It failed; of a chat what the client was told.
    Failed(Option<ErrorReason>),
    /// By the client's own mistake.
    Rejected,
    /// The client left.
    Cancelled,
}

impl Counts {
    /// Counts one.
    pub(crate) fn add(&mut self, event: &Event) {
        self.requests += 1;
        match event.ending {
            Ending::Answered => {}
            Ending::Failed(reason) => {
                self.errors += 1;
                if let Some(reason) = reason {
                    self.add_reason(reason, 1);
                }
            }
            Ending::Rejected => self.rejected += 1,
            Ending::Cancelled => self.cancelled += 1,
        }
        if let Some(tokens) = event.tokens {
            self.input_tokens += tokens.input;
            self.output_tokens += tokens.output;
            if tokens.is_estimated {
                self.estimated_tokens += tokens.input + tokens.output;
            }
        }
        if let Some(latency) = event.latency {
            self.latency.add(latency);
        }
        if let Some(first_token) = event.first_token {
            self.first_token.add(first_token);
        }
    }

    /// Counts all that another has.
    pub(crate) fn add_all(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.cancelled += other.cancelled;
        self.rejected += other.rejected;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.estimated_tokens += other.estimated_tokens;
        for &(reason, count) in &other.by_reason {
            self.add_reason(reason, count);
        }
        self.latency.add_all(&other.latency);
        self.first_token.add_all(&other.first_token);
    }

    /// Counts nothing any more, and keeps its room for what comes.
    pub(crate) fn clear(&mut self) {
        let mut cleared = Self {
            by_reason: std::mem::take(&mut self.by_reason),
            latency: std::mem::take(&mut self.latency),
            first_token: std::mem::take(&mut self.first_token),
            ..Self::default()
        };
        cleared.by_reason.clear();
        cleared.latency.clear();
        cleared.first_token.clear();
        *self = cleared;
    }

    fn add_reason(&mut self, reason: ErrorReason, count: u64) {
        match self
            .by_reason
            .iter_mut()
            .find(|(known, _)| *known == reason)
        {
            Some((_, known)) => *known += count,
            None => self.by_reason.push((reason, count)),
        }
    }

    /// The form in which they are kept.
    pub(crate) fn to_json(&self) -> String {
        let stored = Stored {
            numbers: [
                self.requests,
                self.errors,
                self.cancelled,
                self.rejected,
                self.input_tokens,
                self.output_tokens,
                self.estimated_tokens,
            ],
            reasons: self
                .by_reason
                .iter()
                .map(|&(reason, count)| (reason.as_info_reason().to_owned(), count))
                .collect(),
            latency: self.latency.steps(),
            first_token: self.first_token.steps(),
        };
        serde_json::to_string(&stored).expect("numbers and texts, into memory")
    }

    /// Reads what [`Self::to_json`] wrote. `None`: it is none of that.
    pub(crate) fn of_json(json: &str) -> Option<Self> {
        let stored: Stored = serde_json::from_str(json).ok()?;
        let [
            requests,
            errors,
            cancelled,
            rejected,
            input_tokens,
            output_tokens,
            estimated_tokens,
        ] = stored.numbers;
        Some(Self {
            requests,
            errors,
            cancelled,
            rejected,
            input_tokens,
            output_tokens,
            estimated_tokens,
            // What a later version knew and this one doesn't is not told by its name.
            by_reason: stored
                .reasons
                .iter()
                .filter_map(|(name, count)| Some((ErrorReason::from_info_reason(name)?, *count)))
                .collect(),
            latency: Durations::of_steps(&stored.latency),
            first_token: Durations::of_steps(&stored.first_token),
        })
    }
}

/// Counts as they are kept: short names, as there are many.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(rename = "n")]
    numbers: [u64; 7],
    #[serde(rename = "e", default, skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<(String, u64)>,
    #[serde(rename = "l", default, skip_serializing_if = "Vec::is_empty")]
    latency: Vec<(u64, u32)>,
    #[serde(rename = "f", default, skip_serializing_if = "Vec::is_empty")]
    first_token: Vec<(u64, u32)>,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One that was answered.
    pub(in super::super) fn answered() -> Event {
        Event {
            ending: Ending::Answered,
            tokens: Some(TokenCount {
                input: 3,
                output: 4,
                ..TokenCount::default()
            }),
            latency: Some(Duration::from_secs(2)),
            first_token: Some(Duration::from_millis(200)),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut counts = Counts::default();
        counts.add(&answered());
        for ending in [
            Ending::Failed(Some(ErrorReason::UpstreamError)),
            Ending::Failed(Some(ErrorReason::UpstreamError)),
            Ending::Failed(None),
            Ending::Rejected,
            Ending::Cancelled,
        ] {
            counts.add(&Event {
                ending,
                tokens: Some(TokenCount {
                    input: 1,
                    output: 1,
                    is_estimated: true,
                    ..TokenCount::default()
                }),
                latency: None,
                first_token: None,
            });
        }
        let again = Counts::of_json(&counts.to_json()).unwrap();
        assert_eq!(again.to_json(), counts.to_json());
        assert_eq!(
            (
                again.requests,
                again.errors,
                again.rejected,
                again.cancelled
            ),
            (6, 3, 1, 1)
        );
        assert_eq!(
            (
                again.input_tokens,
                again.output_tokens,
                again.estimated_tokens
            ),
            (8, 9, 10)
        );
        assert_eq!(again.by_reason, [(ErrorReason::UpstreamError, 2)]);
        assert_eq!(Counts::of_json("{}").map(|counts| counts.requests), None);
    }
}
