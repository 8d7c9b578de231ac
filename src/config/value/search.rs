//! What is said about searching the web.

use llm2api_core::config::{SearchLanguage, notation};
use url::Url;

use super::{SettingValue, list, url::without_userinfo};

/// Whose instance is used where nobody names one.
pub(crate) const DEFAULT_INSTANCE: &str = "https://sousuo.emoe.top";

/// Addresses of SearXNG's instances, in order of preference; none where search is off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SearxngUrls(pub(crate) Vec<Url>);

impl SearxngUrls {
    fn from_items<'a>(items: impl Iterator<Item = &'a str>) -> Option<Self> {
        let urls: Vec<Url> = items.map(notation::http_url).collect::<Option<_>>()?;
        (!urls.is_empty()).then_some(Self(urls))
    }

    /// Whether this is what is used where nobody names one.
    pub(crate) fn is_default(&self) -> bool {
        let default = notation::http_url(DEFAULT_INSTANCE);
        self.0.len() == 1 && self.0.first() == default.as_ref()
    }
}

impl SettingValue for SearxngUrls {
    const TAKES: &'static str =
        "http:// or https:// addresses, comma-separated: http://searxng:8080; or off";

    fn from_text(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("off") {
            return Some(Self(Vec::new()));
        }
        Self::from_items(list::items(text))
    }

    fn from_list(items: &[String]) -> Option<Self> {
        Self::from_items(items.iter().map(String::as_str))
    }

    fn shown(text: &str) -> String {
        list::items(text)
            .map(without_userinfo)
            .collect::<Vec<_>>()
            .join(",")
    }
}

/// How many results an answer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResultCount(pub(crate) usize);

impl SettingValue for ResultCount {
    const TAKES: &'static str = "a whole number, 1 to 20";

    fn from_text(text: &str) -> Option<Self> {
        let count = text.parse().ok()?;
        (1..=20).contains(&count).then_some(Self(count))
    }
}

/// How many pages are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageCount(pub(crate) usize);

impl SettingValue for PageCount {
    const TAKES: &'static str = "a whole number, 0 to 10";

    fn from_text(text: &str) -> Option<Self> {
        let count = text.parse().ok()?;
        (0..=10).contains(&count).then_some(Self(count))
    }
}

/// The language of the results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LanguageChoice(pub(crate) SearchLanguage);

impl SettingValue for LanguageChoice {
    const TAKES: &'static str = "auto, all, or a language, with or without a region: en, pt-BR";

    fn from_text(text: &str) -> Option<Self> {
        let language = match text {
            "auto" => SearchLanguage::Auto,
            text => SearchLanguage::Fixed(notation::search_language(text)?),
        };
        Some(Self(language))
    }
}

/// Texts by which messages are known that are not to be searched for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SkippedTexts(pub(crate) Vec<String>);

impl SkippedTexts {
    fn from_items<'a>(items: impl Iterator<Item = &'a str>) -> Self {
        let items = items.map(str::trim).filter(|item| !item.is_empty());
        Self(items.map(str::to_owned).collect())
    }
}

impl SettingValue for SkippedTexts {
    const TAKES: &'static str =
        "texts, comma-separated; those with a comma as an array of the file";

    fn from_text(text: &str) -> Option<Self> {
        Some(Self::from_items(list::items(text)))
    }

    fn from_list(items: &[String]) -> Option<Self> {
        Some(Self::from_items(items.iter().map(String::as_str)))
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}
