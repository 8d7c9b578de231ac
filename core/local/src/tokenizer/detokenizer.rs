//! Tokens to text, as they come: a character that needs several tokens is given out when it is whole.

use super::Tokenizer;

/// The text of an answer under way.
#[derive(Debug, Default)]
pub(crate) struct Detokenizer {
    /// The beginning of a character.
    incomplete: Vec<u8>,
}

impl Detokenizer {
    /// The text that a token completes.
    pub(crate) fn push(&mut self, tokenizer: &Tokenizer, token: u32) -> String {
        self.incomplete.extend_from_slice(tokenizer.piece(token));
        let bytes = std::mem::take(&mut self.incomplete);
        let mut text = String::with_capacity(bytes.len());
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            if chunk.invalid().is_empty() {
                continue;
            }
            if chunks.peek().is_none() && may_go_on(chunk.invalid()) {
                self.incomplete = chunk.invalid().to_vec();
            } else {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        text
    }

    /// What is left at the end: a replacement character where a character was begun.
    pub(crate) fn finish(&mut self) -> &'static str {
        if std::mem::take(&mut self.incomplete).is_empty() {
            ""
        } else {
            "\u{FFFD}"
        }
    }
}

/// Whether further bytes may make a character of these.
fn may_go_on(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}
