//! The bound on an answer's tokens, which chat-ui's messages have no place for.

use llm2api_proto::v1::ChatRequest;

/// Bytes that are tokenized at once: the tokenizer's time grows faster than the text where it finds no words.
const MAX_PIECE_BYTES: usize = 4096;

/// Counts an answer's tokens, reasoning included, up to a bound.
///
/// Pieces are counted one by one. What a model sends as one token is seldom less than one here, and never part of another's, so the
/// count errs towards too many.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenLimit {
    left: usize,
}

impl TokenLimit {
    /// The bound that a request asks for, if any.
    pub(super) fn of(request: &ChatRequest) -> Option<Self> {
        let bounds = [request.max_tokens, request.max_completion_tokens];
        let left = bounds.into_iter().flatten().min()?;
        Some(Self {
            left: usize::try_from(left).unwrap_or(0).max(1),
        })
    }

    /// Makes the tokenizer ready, which takes some hundred milliseconds the first time.
    pub(super) async fn prepare() {
        // Its only result is that the vocabulary is there.
        let _ = tokio::task::spawn_blocking(|| {
            tiktoken_rs::o200k_base_singleton();
        })
        .await;
    }

    /// Takes the next text, cut off where the bound is, and tells whether that is reached.
    pub(super) fn take(&mut self, mut text: String) -> (String, bool) {
        let mut start = 0;
        while start < text.len() {
            let end = text.floor_char_boundary(start + MAX_PIECE_BYTES);
            let tokenizer = tiktoken_rs::o200k_base_singleton();
            let tokens = tokenizer.encode_ordinary(&text[start..end]);
            if tokens.len() >= self.left {
                let kept = tokenizer
                    .decode_bytes(&tokens[..self.left])
                    .map_or(0, |kept| kept.len());
                // A token may end within a character.
                text.truncate(text.floor_char_boundary(start + kept));
                self.left = 0;
                return (text, true);
            }
            self.left -= tokens.len();
            start = end;
        }
        (text, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_of_both_names_bounds() {
        let request = |max_tokens, max_completion_tokens| ChatRequest {
            max_tokens,
            max_completion_tokens,
            ..ChatRequest::default()
        };
        let left = |request: ChatRequest| TokenLimit::of(&request).map(|limit| limit.left);
        assert_eq!(left(request(None, None)), None);
        assert_eq!(left(request(Some(7), None)), Some(7));
        assert_eq!(left(request(Some(7), Some(5))), Some(5));
        assert_eq!(left(request(Some(-7), None)), Some(1));
    }

    #[test]
    fn text_is_cut_where_the_bound_is() {
        let mut limit = TokenLimit { left: 3 };
        assert_eq!(limit.take("one".to_owned()), ("one".to_owned(), false));
        assert_eq!(
            limit.take(" two three four".to_owned()),
            (" two three".to_owned(), true)
        );
    }

    #[test]
    fn a_long_text_is_cut_too() {
        let mut limit = TokenLimit { left: 3000 };
        let (text, is_reached) = limit.take("word ".repeat(5000));
        assert!(is_reached);
        assert!((14_000..=15_000).contains(&text.len()), "{}", text.len());
    }
}
