//! Text to tokens and back, by the vocabulary of the model's file: byte-level byte-pair encoding.

mod alphabet;
mod detokenizer;
mod merge;
mod split;

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::gguf::{Gguf, GgufError, Value};

#[cfg(test)]
pub(crate) use alphabet::to_character;
pub(crate) use detokenizer::Detokenizer;
use merge::Merges;
use split::Splitter;

/// Token types of GGUF: a control token, and one that its makers added to the vocabulary.
const CONTROL: usize = 3;
const USER_DEFINED: usize = 4;

/// Control tokens that end an answer, whatever the file names as its end token: those that llama.cpp treats so.
const ENDS: [&str; 9] = [
    "<|endoftext|>",
    "<|im_end|>",
    "<|end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<end_of_turn>",
    "<EOT>",
    "</s>",
];

/// Why there is no tokenizer for a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenizerError {
    /// The file.
    #[error(transparent)]
    File(#[from] GgufError),
    /// A way to make tokens that we don't know.
    #[error("needs tokenizer {0}, which is not supported")]
    Unsupported(String),
    /// The control tokens' texts.
    #[error("has control tokens that can't be searched for")]
    ControlTokens(#[source] aho_corasick::BuildError),
}

/// Makes tokens of text, and text of tokens.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    /// Each token's bytes; none for control tokens.
    pieces: Vec<Box<[u8]>>,
    longest_piece: usize,
    /// The token for each byte, where there is one.
    bytes: [Option<u32>; 256],
    /// Tokens by their bytes, where words are looked up whole before they are merged.
    words: Option<HashMap<Box<[u8]>, u32>>,
    merges: Merges,
    splitter: Splitter,
    /// Tokens whose text is looked for before all else.
    marks: Marks,
    /// Those that only a template may write.
    controls: Marks,
    begin: Option<u32>,
    ends: Vec<u32>,
    /// What templates know as `bos_token` and `eos_token`.
    begin_text: String,
    end_text: String,
}

/// Tokens found by their text.
#[derive(Debug)]
struct Marks {
    texts: Vec<String>,
    search: AhoCorasick,
    tokens: Vec<u32>,
}

impl Tokenizer {
    /// Makes the tokenizer that a file describes.
    ///
    /// # Errors
    ///
    /// [`TokenizerError`] where the file describes none, or one that we don't know.
    pub(crate) fn load(file: &Gguf) -> Result<Self, TokenizerError> {
        let model = file.text("tokenizer.ggml.model")?;
        if model != "gpt2" {
            return Err(TokenizerError::Unsupported(model.to_owned()));
        }
        let name = file.text("tokenizer.ggml.pre")?;
        let splitter =
            Splitter::named(name).ok_or_else(|| TokenizerError::Unsupported(name.to_owned()))?;
        let texts = texts(file, "tokenizer.ggml.tokens")?;
        let kinds = file.list("tokenizer.ggml.token_type")?;
        let is_kind = |token: usize, kind| kinds.get(token).and_then(Value::as_usize) == Some(kind);

        let mut pieces = Vec::with_capacity(texts.len());
        let mut words = HashMap::with_capacity(texts.len());
        let mut bytes = [None; 256];
        let (mut marks, mut controls) = (Vec::new(), Vec::new());
        for (id, &text) in (0_u32..).zip(&texts) {
            let index = id as usize;
            let piece: Box<[u8]> = if is_kind(index, CONTROL) {
                controls.push((text, id));
                marks.push((text, id));
                Box::default()
            } else if is_kind(index, USER_DEFINED) {
                marks.push((text, id));
                text.as_bytes().into()
            } else {
                let piece: Box<[u8]> = alphabet::to_bytes(text).into();
                if let [byte] = *piece {
                    bytes[usize::from(byte)] = Some(id);
                }
                words.entry(piece.clone()).or_insert(id);
                piece
            };
            pieces.push(piece);
        }
        let merges = Merges::new(&self::texts(file, "tokenizer.ggml.merges")?, &words);
        let special = |key: &str| {
            let token = file.value(key).and_then(Value::as_usize)?;
            texts.get(token).map(|text| (token as u32, *text))
        };
        let begin = special("tokenizer.ggml.bos_token_id");
        let end = special("tokenizer.ggml.eos_token_id");
        let mut ends: Vec<u32> = controls
            .iter()
            .filter(|(text, _)| ENDS.contains(text))
            .map(|(_, token)| *token)
            .collect();
        ends.extend(end.map(|(token, _)| token));
        ends.extend(special("tokenizer.ggml.eot_token_id").map(|(token, _)| token));
        ends.sort_unstable();
        ends.dedup();
        let adds_begin = file
            .value("tokenizer.ggml.add_bos_token")
            .and_then(Value::as_bool);
        Ok(Self {
            longest_piece: pieces
                .iter()
                .map(|piece| piece.len())
                .max()
                .unwrap_or(0)
                .max(1),
            pieces,
            bytes,
            words: splitter.looks_words_up().then_some(words),
            merges,
            splitter,
            marks: Marks::new(marks)?,
            controls: Marks::new(controls)?,
            begin: begin
                .map(|(token, _)| token)
                .filter(|_| adds_begin == Some(true)),
            ends,
            begin_text: begin.map_or("", |(_, text)| text).to_owned(),
            end_text: end.map_or("", |(_, text)| text).to_owned(),
        })
    }

    /// Whether a token ends an answer.
    pub(crate) fn is_end(&self, token: u32) -> bool {
        self.ends.contains(&token)
    }

    /// A token's bytes; none for a control token.
    pub(crate) fn piece(&self, token: u32) -> &[u8] {
        self.pieces.get(token as usize).map_or(&[], |piece| piece)
    }

    /// Bytes of the longest token: a text has at least as many tokens as it has times these bytes.
    pub(crate) fn longest_piece(&self) -> usize {
        self.longest_piece
    }

    /// The text that templates know as `bos_token`.
    pub(crate) fn begin_text(&self) -> &str {
        &self.begin_text
    }

    /// The text that templates know as `eos_token`.
    pub(crate) fn end_text(&self) -> &str {
        &self.end_text
    }

    /// A text in which no control token will be found, wherever it is put: `guard`, which [`Self::encode`] is told to leave out,
    /// stands in each place where one begins or may begin.
    pub(crate) fn guard(&self, text: &str, guard: char) -> String {
        let mut guarded = String::with_capacity(text.len() + 8);
        let mut rest = text;
        while let Some(start) = self.controls.first(rest) {
            let first = rest[start..].chars().next().map_or(0, char::len_utf8);
            guarded.push_str(&rest[..start + first]);
            guarded.push(guard);
            // Behind its first character, as another may begin within it.
            rest = &rest[start + first..];
        }
        guarded.push_str(rest);
        if self.controls.may_begin_at_the_end(rest) {
            guarded.push(guard);
        }
        guarded
    }

    /// Makes tokens of a text in which control tokens count, and `guard` doesn't.
    pub(crate) fn encode(&self, text: &str, guard: char) -> Vec<u32> {
        let mut tokens = Vec::new();
        let mut end = 0;
        for found in self.marks.search.find_iter(text) {
            self.encode_between(&text[end..found.start()], guard, &mut tokens);
            tokens.push(self.marks.tokens[found.pattern().as_usize()]);
            end = found.end();
        }
        self.encode_between(&text[end..], guard, &mut tokens);
        if let Some(begin) = self.begin
            && tokens.first() != Some(&begin)
        {
            tokens.insert(0, begin);
        }
        tokens
    }

    fn encode_between(&self, text: &str, guard: char, tokens: &mut Vec<u32>) {
        let unguarded;
        let text = if text.contains(guard) {
            unguarded = text.replace(guard, "");
            &unguarded
        } else {
            text
        };
        self.splitter.split(text, &mut |word| {
            match self
                .words
                .as_ref()
                .and_then(|words| words.get(word.as_bytes()))
            {
                Some(token) => tokens.push(*token),
                // A byte without a token is left out, as llama.cpp does: no UTF-8 text has one in a vocabulary of this kind
                // but where its makers never saw the character's first byte.
                None => self.merges.merge(
                    word.bytes()
                        .filter_map(|byte| self.bytes[usize::from(byte)]),
                    tokens,
                ),
            }
        });
    }
}

impl Marks {
    fn new(mut marks: Vec<(&str, u32)>) -> Result<Self, TokenizerError> {
        marks.retain(|(text, _)| !text.is_empty());
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(marks.iter().map(|(text, _)| text))
            .map_err(TokenizerError::ControlTokens)?;
        Ok(Self {
            texts: marks.iter().map(|(text, _)| (*text).to_owned()).collect(),
            search,
            tokens: marks.into_iter().map(|(_, token)| token).collect(),
        })
    }

    /// Where the first one begins.
    fn first(&self, text: &str) -> Option<usize> {
        self.search.find(text).map(|found| found.start())
    }

    /// Whether the text ends with one's beginning.
    fn may_begin_at_the_end(&self, text: &str) -> bool {
        self.texts.iter().any(|mark| {
            let beginnings = mark.char_indices().map(|(end, _)| &mark[..end]).skip(1);
            beginnings
                .into_iter()
                .any(|beginning| text.ends_with(beginning))
        })
    }
}

fn texts<'a>(file: &'a Gguf, key: &str) -> Result<Vec<&'a str>, GgufError> {
    file.list(key)?
        .iter()
        .map(|value| {
            value
                .as_str()
                .ok_or_else(|| GgufError::Missing(key.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests;
