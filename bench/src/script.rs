//! What the scripted upstream answers, and so what every answer is checked against.

use std::{fmt::Write, time::Duration};

/// How an answer is given; the model's name in the request chooses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    /// All at once: what a request that isn't streamed costs.
    Whole,
    /// 100 tokens, 10 ms apart: a stream at the pace of a fast model.
    Paced,
    /// 512 tokens as fast as they are taken.
    Burst,
    /// 10 tokens, 10 ms apart: a stream short enough to begin many.
    Short,
    /// 20 tokens, one a second.
    Slow,
    /// 300 tokens, 20 a second.
    Brisk,
    /// One token, then silence until the client leaves.
    Held,
}

impl Script {
    /// All scripts, as the upstream lists them.
    pub(crate) const ALL: [Self; 7] = [
        Self::Whole,
        Self::Paced,
        Self::Burst,
        Self::Short,
        Self::Slow,
        Self::Brisk,
        Self::Held,
    ];

    /// The model's name.
    pub(crate) fn model(self) -> &'static str {
        match self {
            Self::Whole => "bench-whole",
            Self::Paced => "bench-paced",
            Self::Burst => "bench-burst",
            Self::Short => "bench-short",
            Self::Slow => "bench-slow",
            Self::Brisk => "bench-brisk",
            Self::Held => "bench-held",
        }
    }

    /// How many chunks with text an answer has.
    pub(crate) fn token_count(self) -> usize {
        match self {
            Self::Whole | Self::Held => 1,
            Self::Paced => 100,
            Self::Burst => 512,
            Self::Short => 10,
            Self::Slow => 20,
            Self::Brisk => 300,
        }
    }

    /// The time between two chunks with text.
    pub(crate) fn interval(self) -> Duration {
        match self {
            Self::Whole | Self::Burst | Self::Held => Duration::ZERO,
            Self::Paced | Self::Short => Duration::from_millis(10),
            Self::Slow => Duration::from_secs(1),
            Self::Brisk => Duration::from_millis(50),
        }
    }

    /// How many chunks go out in one write.
    pub(crate) fn tokens_per_write(self) -> usize {
        match self {
            Self::Burst => 16,
            _ => 1,
        }
    }

    /// Whether the answer ends by itself.
    pub(crate) fn ends(self) -> bool {
        self != Self::Held
    }

    /// The text of a chunk. Each differs from its neighbours, so that a lost, doubled or swapped one is noticed.
    pub(crate) fn token(self, index: usize) -> String {
        match self {
            Self::Whole => (0..64).fold(String::new(), |mut text, word| {
                // Writing to a string can't fail.
                let _ = write!(text, "word{word} ");
                text
            }),
            _ => format!("token{index} "),
        }
    }
}
