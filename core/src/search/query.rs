//! What is searched for: the last message of a conversation, without what is no part of its question.

use llm2api_proto::v1::{Message, content_part::Part};

use super::{country::Country, language};
use crate::config::SearchLanguage;

/// Characters that a query may have. Search engines cut more, or answer nothing.
const MAX_CHARACTERS: usize = 400;

/// A query that can be sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Query {
    text: String,
    language: String,
}

impl Query {
    /// What a text asks for, of somebody in this country, where that is known. `None`: nothing.
    pub(super) fn new(
        text: &str,
        language: &SearchLanguage,
        country: Option<Country>,
    ) -> Option<Self> {
        let text = without_operators(&shortened(text));
        if !text.contains(char::is_alphanumeric) {
            return None;
        }
        let language = match language {
            SearchLanguage::Fixed(language) => language.clone(),
            SearchLanguage::Auto => {
                let told = language::of(&text);
                country
                    .and_then(|country| country.language(told))
                    .unwrap_or_else(|| told.unwrap_or("auto").to_owned())
            }
        };
        Some(Self { text, language })
    }

    /// What to search for.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The results' language, as SearXNG names it.
    pub(super) fn language(&self) -> &str {
        &self.language
    }
}

/// The text that a conversation ends with, where a user wrote it; without results of an earlier search.
pub(super) fn of_messages(messages: &[Message]) -> Option<String> {
    let last = messages.last().filter(|message| message.role == "user")?;
    let text = without_blocks(&text_of(last));
    (!text.trim().is_empty()).then_some(text)
}

/// The text of a message, its parts one under the other.
pub(super) fn text_of(message: &Message) -> String {
    let parts = message.content_parts.iter().filter_map(|part| {
        let Some(Part::Text(text)) = &part.part else {
            return None;
        };
        Some(text.as_str())
    });
    let texts: Vec<&str> = message
        .content
        .as_deref()
        .into_iter()
        .chain(parts)
        .collect();
    texts.join("\n")
}

/// A text without `<search>…</search>`. One that isn't closed is HTML's element, which somebody asks about.
pub(super) fn without_blocks(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, block)) = rest.split_once("<search>") {
        let Some((_, after)) = block.split_once("</search>") else {
            break;
        };
        kept.push_str(before);
        rest = after;
    }
    kept + rest
}

/// A text of which a search engine can make something: at most [`MAX_CHARACTERS`], in one line. Of a longer one the last question that
/// fits, else the beginning, as people paste what they ask about before or after the question.
fn shortened(text: &str) -> String {
    let whole = one_line(text);
    if whole.chars().count() <= MAX_CHARACTERS {
        return whole;
    }
    let without_code = one_line(&without_code(text));
    let text = if without_code.is_empty() {
        whole
    } else {
        without_code
    };
    if text.chars().count() <= MAX_CHARACTERS {
        return text;
    }
    match last_question(&text) {
        Some(question) => question.to_owned(),
        None => beginning(&text).to_owned(),
    }
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|character: char| character.is_whitespace() || character.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

/// A text without what stands between ``` and ```.
fn without_code(text: &str) -> String {
    let outside: Vec<&str> = text.split("```").step_by(2).collect();
    outside.join(" ")
}

/// The last sentence with a question mark, if it has few enough characters, and more than an interjection has.
fn last_question(text: &str) -> Option<&str> {
    const ENDS: [char; 6] = ['.', '!', '?', '。', '！', '？'];
    const MIN_CHARACTERS: usize = 8;
    text.split_inclusive(ENDS)
        .filter(|sentence| sentence.ends_with(['?', '？']))
        .map(str::trim)
        .rfind(|sentence| (MIN_CHARACTERS..=MAX_CHARACTERS).contains(&sentence.chars().count()))
}

/// The beginning of a text, to the end of a word where it has blanks.
fn beginning(text: &str) -> &str {
    let Some((end, _)) = text.char_indices().nth(MAX_CHARACTERS) else {
        return text;
    };
    let cut = &text[..end];
    match cut.rfind(' ') {
        // Scripts without blanks have words too, but who knows where.
        Some(blank) if blank > end / 2 => &cut[..blank],
        _ => cut,
    }
}

/// A text without SearXNG's own syntax: `!engine`, `!!bang` (which redirects), `:language`, `<timeout`. In front, where people put it, it
/// goes; further on a word is just made one.
fn without_operators(text: &str) -> String {
    let words: Vec<&str> = text
        .split(' ')
        .skip_while(|word| is_operator(word))
        .map(|word| {
            if is_operator(word) {
                word.trim_start_matches(['!', ':', '<'])
            } else {
                word
            }
        })
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

fn is_operator(word: &str) -> bool {
    let mut characters = word.chars();
    match characters.next() {
        Some('!') => true,
        Some(':') => characters.next().is_some_and(char::is_alphabetic),
        Some('<') => characters.next().is_some_and(|next| next.is_ascii_digit()),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
