//! Results made one list: each page once, its texts cleaned and of a size that a conversation can bear.

use std::{collections::HashSet, sync::Arc};

use super::{SearchResult, address, plain_text};

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
        let title = plain_text::shortened(&plain_text::plain(&result.title), MAX_TITLE_TOKENS);
        merged.push(SearchResult {
            title: if title.is_empty() {
                url.host_str().unwrap_or_default().to_owned()
            } else {
                title
            },
            snippet: plain_text::shortened(&plain_text::plain(&result.snippet), MAX_SNIPPET_TOKENS),
            url: url.into(),
        });
    }
    merged
}

/// The first of the results.
pub(super) fn within(results: &Arc<[SearchResult]>, limit: usize) -> Arc<[SearchResult]> {
    if results.len() <= limit {
        return Arc::clone(results);
    }
    results[..limit].into()
}
