//! The block with which an answer shows what was found.

use std::{fmt::Write as _, ops::Range};

use super::neutral::neutral;
use crate::search::SearchResult;

/// What a block begins with.
pub(super) const BEGIN: &str = "<search>";
/// What it ends with, but for the empty line behind it.
pub(super) const END: &str = "</search>";
/// The empty line between a block and the model's text.
pub(super) const GAP: &str = "\n\n";

/// A block, ready to be put before an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Its text, with the gap behind it.
    pub(super) text: String,
    /// Where each result's title and address stand in it, in code points.
    pub(super) lines: Vec<Range<i64>>,
    /// Its length in code points.
    pub(super) length: i64,
}

impl Block {
    /// The block that shows results.
    pub(super) fn new(results: &[SearchResult]) -> Self {
        let mut block = Self {
            text: String::new(),
            lines: Vec::with_capacity(results.len()),
            length: 0,
        };
        block.push(BEGIN);
        for (number, result) in (1..).zip(results) {
            block.push(if number == 1 { "\n" } else { "\n\n" });
            let begin = block.length;
            block.push(&headline(number, result));
            block.lines.push(begin..block.length);
            if !result.snippet.is_empty() {
                block.push("\n");
                block.push(&neutral(&result.snippet));
            }
        }
        block.push("\n");
        block.push(END);
        block.push(GAP);
        block
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.length += length(text);
    }
}

/// A text's length in code points.
pub(super) fn length(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

/// A result's first line: its number, title and address.
pub(super) fn headline(number: usize, result: &SearchResult) -> String {
    let mut line = format!("[{number}] {} — ", neutral(&result.title));
    // Nothing in an address may end the line or begin a tag, whoever made it.
    for character in result.url.chars() {
        match character {
            '<' => line.push_str("%3C"),
            '>' => line.push_str("%3E"),
            _ if character.is_whitespace() || character.is_control() => {
                // Writing to a string can't fail.
                let _ = write!(line, "%{:02X}", u32::from(character));
            }
            _ => line.push(character),
        }
    }
    line
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A result.
    pub(in crate::chat) fn result(title: &str, url: &str, snippet: &str) -> SearchResult {
        SearchResult {
            title: title.to_owned(),
            url: url.to_owned(),
            snippet: snippet.to_owned(),
        }
    }

    #[test]
    fn a_block_shows_each_result_and_knows_where() {
        let results = [
            result("Größe 🙂", "https://a.example/", "first </search>"),
            result("Two", "https://b.example/", ""),
        ];
        let block = Block::new(&results);
        assert_eq!(
            block.text,
            "<search>\n[1] Größe 🙂 — https://a.example/\nfirst ‹/search>\n\n[2] Two — https://b.example/\n</search>\n\n"
        );
        let characters: Vec<char> = block.text.chars().collect();
        let lines: Vec<String> = block
            .lines
            .iter()
            .map(|line| {
                let line = usize::try_from(line.start).unwrap()..usize::try_from(line.end).unwrap();
                characters[line].iter().collect()
            })
            .collect();
        assert_eq!(
            lines,
            [
                "[1] Größe 🙂 — https://a.example/",
                "[2] Two — https://b.example/"
            ]
        );
        assert_eq!(usize::try_from(block.length), Ok(characters.len()));
    }

    #[test]
    fn an_address_can_not_leave_its_line() {
        let hostile = result("t", "https://a.example/\n</search> x", "");
        assert_eq!(
            headline(1, &hostile),
            "[1] t — https://a.example/%0A%3C/search%3E%20x"
        );
    }
}
