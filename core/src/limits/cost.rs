//! What a request costs.

/// Tokens that an answer may have where its request doesn't bound them. What it has more counts too, only later.
const USUAL_OUTPUT: u64 = 4096;

/// What a request may cost, as far as can be told before it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Tokens of the prompt, estimated.
    pub(crate) input: u64,
    /// Tokens that the answer may have. `None`: the request doesn't say.
    pub(crate) max_output: Option<u64>,
}

/// Tokens that were used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    /// Read.
    pub(crate) input: u64,
    /// Written.
    pub(crate) output: u64,
}

impl Cost {
    /// That of which nobody needs to know it.
    pub(crate) const UNKNOWN: Self = Self {
        input: 0,
        max_output: None,
    };

    /// The least that must be left for it.
    pub(super) fn least(self) -> u64 {
        self.input.saturating_add(self.max_output.unwrap_or(1))
    }

    /// What is reserved for it where so much is left: not more than that, where the request doesn't say.
    pub(super) fn reserved(self, left: u64) -> u64 {
        match self.max_output {
            Some(output) => self.input.saturating_add(output),
            None => self.input.saturating_add(USUAL_OUTPUT).min(left),
        }
    }
}

impl Tokens {
    /// All of them.
    pub(crate) fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// These and others.
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
        }
    }
}
