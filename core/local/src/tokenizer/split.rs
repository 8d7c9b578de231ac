//! Cutting text into words, across whose borders nothing is merged.
//!
//! The patterns are those of llama.cpp (src/llama-vocab.cpp) for the names that files give. Theirs end in `\s+(?!\S)`: white space
//! that is followed by more than white space leaves its last character to what follows. Here the pattern says `\s+` and the code gives
//! that character back, which needs no backtracking: the time is linear in the text's length.

use regex::Regex;

/// GPT-2's words: an apostrophe's ending, or letters, digits or other signs, each with a space before.
const GPT_2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+";
/// Llama 3's: up to three digits, line ends by themselves.
const LLAMA_3: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+";

/// Cuts text into words.
#[derive(Debug)]
pub(super) struct Splitter {
    /// What is cut out first, each by itself.
    digits: Option<Regex>,
    words: Regex,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gpt2,
    Llama3,
}

impl Splitter {
    /// The splitter of a name, where we know it.
    pub(super) fn named(name: &str) -> Option<Self> {
        let (digits, words, kind) = match name {
            "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" => {
                (Some(r"\p{N}"), GPT_2, Kind::Gpt2)
            }
            "gpt-2" | "phi-2" | "olmo" | "mpt" => (None, GPT_2, Kind::Gpt2),
            "llama-bpe" | "llama3" | "llama-v3" => (None, LLAMA_3, Kind::Llama3),
            _ => return None,
        };
        let regex =
            |pattern| Regex::new(pattern).expect("a pattern of this file, which a test compiles");
        Some(Self {
            digits: digits.map(regex),
            words: regex(words),
            kind,
        })
    }

    /// Whether a word that is a token is that token, whatever merging would make of it.
    pub(super) fn looks_words_up(&self) -> bool {
        self.kind == Kind::Llama3
    }

    /// Calls `each` with each word, in order; together they are the text.
    pub(super) fn split<'a>(&self, text: &'a str, each: &mut impl FnMut(&'a str)) {
        let mut end = 0;
        if let Some(digits) = &self.digits {
            for digit in digits.find_iter(text) {
                self.split_words(&text[end..digit.start()], each);
                each(digit.as_str());
                end = digit.end();
            }
        }
        self.split_words(&text[end..], each);
    }

    fn split_words<'a>(&self, text: &'a str, each: &mut impl FnMut(&'a str)) {
        let mut start = 0;
        while let Some(found) = self.words.find_at(text, start) {
            // Each character is white space, letter, digit or other: there is no gap.
            debug_assert_eq!(found.start(), start);
            let end = start + self.length(found.as_str(), found.end() == text.len());
            each(&text[start..end]);
            start = end;
        }
    }

    /// How much of a match is the word.
    fn length(&self, word: &str, is_last: bool) -> usize {
        let is_line_end = self.kind == Kind::Llama3 && word.ends_with(['\r', '\n']);
        match word.char_indices().next_back() {
            Some((last, character))
                if character.is_whitespace() && !is_last && !is_line_end && last > 0 =>
            {
                last
            }
            _ => word.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words<'a>(name: &str, text: &'a str) -> Vec<&'a str> {
        let mut words = Vec::new();
        Splitter::named(name)
            .unwrap()
            .split(text, &mut |word| words.push(word));
        words
    }

    #[test]
    fn white_space_leaves_its_last_character_to_the_next_word() {
        assert_eq!(
            words("gpt-2", "a   b\n\n c  "),
            ["a", "  ", " b", "\n\n", " c", "  "]
        );
        assert_eq!(
            words("gpt-2", "a\nb \t\tc"),
            ["a", "\n", "b", " \t", "\t", "c"]
        );
    }

    #[test]
    fn apostrophes_letters_digits_and_signs_are_words() {
        assert_eq!(
            words("gpt-2", "It's 2024, isn't 世界?!"),
            ["It", "'s", " 2024", ",", " isn", "'t", " 世界", "?!"]
        );
    }

    #[test]
    fn smollm_takes_each_digit_by_itself() {
        assert_eq!(
            words("smollm", "in 1984 x"),
            ["in", " ", "1", "9", "8", "4", " x"]
        );
    }

    #[test]
    fn llama_3_takes_three_digits_and_line_ends() {
        assert_eq!(
            words("llama-bpe", "A1234 (b)\n\n  c\r\n"),
            ["A", "123", "4", " (", "b", ")\n\n", " ", " c", "\r\n"]
        );
    }
}
