//! How much of what was found an answer is given.

use super::MAX_RESULTS;

/// Tokens that a snippet may have where little is wanted: a sentence or two.
const FEW_SNIPPET_TOKENS: usize = 80;

/// How much a client wants, by OpenAI's `search_context_size`. The operator's settings say what is usual.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum ContextSize {
    /// Half of it, and no pages.
    Low,
    /// What is usual.
    #[default]
    Medium,
    /// Twice of it.
    High,
}

impl ContextSize {
    /// The size of a name; `None`: there is none.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "low" => Some(Self::Low),
            "medium" => Some(Self::Medium),
            "high" => Some(Self::High),
            _ => None,
        }
    }

    /// How many results, where so many are usual.
    pub(super) fn result_count(self, usual: usize) -> usize {
        match self {
            Self::Low => usual.div_ceil(2),
            Self::Medium => usual,
            Self::High => (2 * usual).min(MAX_RESULTS),
        }
    }

    /// How many tokens of a snippet. `None`: all of it.
    pub(super) fn snippet_tokens(self) -> Option<usize> {
        match self {
            Self::Low => Some(FEW_SNIPPET_TOKENS),
            Self::Medium | Self::High => None,
        }
    }

    /// How many pages are read, where so many are usual.
    pub(super) fn page_count(self, usual: usize) -> usize {
        match self {
            Self::Low => 0,
            Self::Medium => usual,
            Self::High => 2 * usual,
        }
    }

    /// How many tokens of all pages together.
    pub(super) fn page_tokens(self) -> usize {
        match self {
            Self::Low => 0,
            Self::Medium => 4000,
            Self::High => 8000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_part_of_what_is_usual() {
        let [low, medium, high] =
            ["low", "medium", "high"].map(|name| ContextSize::named(name).expect("known"));
        for (usual, expected) in [(1, [1, 1, 2]), (5, [3, 5, 10]), (20, [10, 20, 20])] {
            assert_eq!(
                [low, medium, high].map(|size| size.result_count(usual)),
                expected
            );
        }
        for (usual, expected) in [(0, [0, 0, 0]), (3, [0, 3, 6])] {
            assert_eq!(
                [low, medium, high].map(|size| size.page_count(usual)),
                expected
            );
        }
        assert_eq!(
            (ContextSize::default(), ContextSize::named("huge")),
            (medium, None)
        );
    }
}
