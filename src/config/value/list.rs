//! Lists: comma-separated in a variable, arrays or tables in the file.

use std::collections::BTreeMap;

use super::SettingValue;

/// The items of a comma-separated text, without the empty ones.
pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

/// Other names for models.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Aliases(pub(crate) BTreeMap<String, String>);

impl Aliases {
    fn from_pairs<'a>(pairs: impl Iterator<Item = Option<(&'a str, &'a str)>>) -> Option<Self> {
        let mut aliases = BTreeMap::new();
        for pair in pairs {
            let (alias, model) = pair?;
            let (alias, model) = (alias.trim(), model.trim());
            if alias.is_empty() || model.is_empty() {
                return None;
            }
            // Twice the same name would leave one of the two models without effect.
            if aliases.insert(alias.to_owned(), model.to_owned()).is_some() {
                return None;
            }
        }
        Some(Self(aliases))
    }
}

impl SettingValue for Aliases {
    const TAKES: &'static str =
        "pairs ALIAS=MODEL, comma-separated, each alias once: gpt-4o=qwen3,fast=llama3";

    fn from_text(text: &str) -> Option<Self> {
        Self::from_pairs(items(text).map(|item| item.split_once('=')))
    }

    fn from_list(items: &[String]) -> Option<Self> {
        Self::from_pairs(items.iter().map(|item| item.split_once('=')))
    }

    fn from_table(entries: &[(String, String)]) -> Option<Self> {
        Self::from_pairs(
            entries
                .iter()
                .map(|(alias, model)| Some((alias.as_str(), model.as_str()))),
        )
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

/// Names of models, in order; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelIds(pub(crate) Vec<String>);

impl ModelIds {
    fn from_items<'a>(items: impl Iterator<Item = &'a str>) -> Option<Self> {
        let ids: Vec<String> = items.map(|item| item.trim().to_owned()).collect();
        (!ids.is_empty() && ids.iter().all(|id| !id.is_empty())).then_some(Self(ids))
    }
}

impl SettingValue for ModelIds {
    const TAKES: &'static str = "names of models, at least one: [\"qwen3\", \"llama3\"]";

    fn from_text(text: &str) -> Option<Self> {
        Self::from_items(items(text))
    }

    fn from_list(items: &[String]) -> Option<Self> {
        Self::from_items(items.iter().map(String::as_str))
    }
}
