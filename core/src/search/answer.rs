//! SearXNG's JSON: what is read of it (searx/webutils.py, `get_json_response`). Every member may be missing or null.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

use super::{
    MAX_RESULTS, SearchResult,
    results::{Raw, merge},
};
use crate::upstream::json_repair::repair;

/// Engines that are named where all are refused.
const NAMED_ENGINES: usize = 5;
/// Characters of what an engine's refusal is named by.
const MAX_ENGINE_CHARACTERS: usize = 60;

/// What an instance says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// These results, at least one.
    Results(Vec<SearchResult>),
    /// There is nothing.
    Empty,
    /// It could ask no engine; which ones, and why.
    Blocked(String),
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default, deserialize_with = "readable")]
    results: Vec<WireResult>,
    #[serde(default, deserialize_with = "readable")]
    infoboxes: Vec<WireInfobox>,
    #[serde(default, deserialize_with = "readable")]
    unresponsive_engines: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct WireResult {
    url: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    content: Option<String>,
}

/// A box beside the results, mostly an encyclopedia's.
#[derive(Deserialize)]
struct WireInfobox {
    infobox: String,
    #[serde(default)]
    content: Option<String>,
    #[serde(default, deserialize_with = "readable")]
    urls: Vec<WireLink>,
}

#[derive(Deserialize)]
struct WireLink {
    url: String,
}

/// Those of a list's items that are what they should be; engines leave members out, or fill them with what they like.
fn readable<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let items = Option::<Vec<Value>>::deserialize(deserializer)?;
    Ok(items
        .unwrap_or_default()
        .into_iter()
        .filter_map(|item| serde_json::from_value(item).ok())
        .collect())
}

/// Reads an answer.
///
/// # Errors
///
/// serde's, where it is no JSON object.
pub(super) fn read(body: &[u8]) -> Result<Answer, serde_json::Error> {
    let wire: Wire = serde_json::from_str(&repair(body))?;
    let boxes = wire.infoboxes.into_iter().filter_map(|infobox| {
        Some(Raw {
            url: infobox.urls.into_iter().next()?.url,
            title: infobox.infobox,
            snippet: infobox.content.filter(|content| !content.is_empty())?,
        })
    });
    let results = wire.results.into_iter().map(|result| Raw {
        url: result.url,
        title: result.title.unwrap_or_default(),
        snippet: result.content.unwrap_or_default(),
    });
    // The one box that most answers have is the best text there is.
    let merged = merge(boxes.take(1).chain(results), MAX_RESULTS);
    Ok(if !merged.is_empty() {
        Answer::Results(merged)
    } else if wire.unresponsive_engines.is_empty() {
        Answer::Empty
    } else {
        Answer::Blocked(engines(&wire.unresponsive_engines))
    })
}

fn engines(unresponsive: &[(String, String)]) -> String {
    let named: Vec<String> = unresponsive
        .iter()
        .take(NAMED_ENGINES)
        .map(|(engine, reason)| {
            let short = |text: &str| text.chars().take(MAX_ENGINE_CHARACTERS).collect::<String>();
            super::plain_text::plain(&format!("{}: {}", short(engine), short(reason)))
        })
        .collect();
    named.join(", ")
}
