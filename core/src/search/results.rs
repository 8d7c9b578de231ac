//! Results made one list: each page once, its texts cleaned and of a size that a conversation can bear.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use url::Url;

use super::{SearchResult, address, plain_text};

/// Bytes of a text that are looked at; of what is left after it is cleaned, hardly more can be shown.
const MAX_RAW_BYTES: usize = 16 * 1024;
/// Tokens that a title may have.
const MAX_TITLE_TOKENS: usize = 40;
/// Tokens that a snippet may have; engines send some 40 to 80.
const MAX_SNIPPET_TOKENS: usize = 200;

/// Results of one site that come before those of others.
const MAX_OF_SITE: usize = 2;

/// A result as it came.
pub(super) struct Raw {
    pub(super) url: String,
    pub(super) title: String,
    pub(super) snippet: String,
}

/// Each page once, as far as its address is good: the first of its results. Those of a site beyond the first two come behind all
/// others, so that no site crowds out the rest.
pub(super) fn merge(raw: impl Iterator<Item = Raw>, max: usize) -> Vec<SearchResult> {
    let mut known = HashSet::new();
    let mut of_site: HashMap<String, usize> = HashMap::new();
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for result in raw {
        if first.len() == max {
            break;
        }
        let Some(url) = address::parse(&result.url) else {
            continue;
        };
        if !known.insert(address::canonical(&url)) {
            continue;
        }
        let count = of_site.entry(address::site(&url).to_owned()).or_default();
        *count += 1;
        if *count <= MAX_OF_SITE {
            first.push((result, url));
        } else if last.len() < max {
            last.push((result, url));
        }
    }
    let merged = first.into_iter().chain(last).take(max);
    merged.map(|(result, url)| cleaned(&result, url)).collect()
}

fn cleaned(raw: &Raw, url: Url) -> SearchResult {
    let title = text(&raw.title, MAX_TITLE_TOKENS);
    SearchResult {
        title: if title.is_empty() {
            url.host_str().unwrap_or_default().to_owned()
        } else {
            title
        },
        snippet: text(&raw.snippet, MAX_SNIPPET_TOKENS),
        url: url.into(),
    }
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

/// The results with at most so many tokens of each snippet.
pub(super) fn shortened(results: &[SearchResult], max_tokens: usize) -> Arc<[SearchResult]> {
    let shortened = results.iter().map(|result| SearchResult {
        snippet: plain_text::shortened(&result.snippet, max_tokens),
        ..result.clone()
    });
    shortened.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(urls: &[&str], max: usize) -> Vec<String> {
        let raw = urls.iter().map(|url| Raw {
            url: (*url).to_owned(),
            title: "T".to_owned(),
            snippet: String::new(),
        });
        let results = merge(raw, max).into_iter();
        results.map(|result| result.url).collect()
    }

    #[test]
    fn a_site_has_two_places_before_all_others_have_theirs() {
        let of_a = [
            "https://a.example/1",
            "https://a.example/2",
            "https://a.example/3",
        ];
        let [a1, a2, a3] = of_a;
        let (www, b, c) = (
            "https://www.a.example/4",
            "https://b.example/",
            "https://c.example/",
        );
        let found = [a1, a2, a3, www, b, a1, c];
        assert_eq!(merged(&found, 20), [a1, a2, b, c, a3, www]);
        assert_eq!(merged(&found, 4), [a1, a2, b, c]);
        // Where there is nothing else, all places are the site's.
        assert_eq!(merged(&of_a, 3), of_a);
    }
}
