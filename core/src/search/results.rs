//! Results made one list: each page once, its texts cleaned and of a size that a conversation can bear.

use std::{collections::HashSet, sync::Arc};

use super::{SearchResult, address, plain_text};

/// Bytes of a text that are looked at; of what is left after it is cleaned, hardly more can be shown.
const MAX_RAW_BYTES: usize = 16 * 1024;
/// Tokens that a title may have.
const MAX_TITLE_TOKENS: usize = 40;
/// Tokens that a snippet may have; engines send some 40 to 80.
const MAX_SNIPPET_TOKENS: usize = 200;

/// A result as it came.
pub(super) struct Raw {
    pub(super) url: String,
    pub(super) title: String,
    pub(super) snippet: String,
}

/// Each page once, as far as its address is good: the first of its results.
pub(super) fn merge(raw: impl Iterator<Item = Raw>, max: usize) -> Vec<SearchResult> {
    let mut known = HashSet::new();
    let mut merged = Vec::new();
    for result in raw {
        let Some(url) = address::parse(&result.url) else {
            continue;
        };
        if merged.len() == max {
            break;
        }
        if !known.insert(address::canonical(&url)) {
            continue;
        }
        let title = text(&result.title, MAX_TITLE_TOKENS);
        merged.push(SearchResult {
            title: if title.is_empty() {
                url.host_str().unwrap_or_default().to_owned()
            } else {
                title
            },
            snippet: text(&result.snippet, MAX_SNIPPET_TOKENS),
            url: url.into(),
        });
    }
    merged
}

fn text(raw: &str, max_tokens: usize) -> String {
    let looked_at = &raw[..raw.floor_char_boundary(MAX_RAW_BYTES)];
    plain_text::shortened(&plain_text::plain(looked_at), max_tokens)
}

/// The first of the results.
pub(super) fn within(results: &Arc<[SearchResult]>, limit: usize) -> Arc<[SearchResult]> {
    if results.len() <= limit {
        return Arc::clone(results);
    }
    results[..limit].into()
}
