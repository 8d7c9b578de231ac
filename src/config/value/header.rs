//! Headers of an operator's own.

use http::HeaderMap;
use llm2api_core::config::notation;

use super::SettingValue;

/// Headers to be added to requests; their values may be secrets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Headers(pub(crate) HeaderMap);

impl SettingValue for Headers {
    const TAKES: &'static str = "headers, each name once, beside those that requests have anyway (Cookie, Origin and so on): { \"X-Email\" = \"me@example.org\" }";
    const SECRET: bool = true;

    fn from_text(text: &str) -> Option<Self> {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let pairs: Vec<_> = lines
            .map(|line| line.split_once(':'))
            .collect::<Option<_>>()?;
        notation::headers(pairs).map(Self)
    }

    fn from_table(entries: &[(String, String)]) -> Option<Self> {
        let pairs = entries.iter();
        notation::headers(pairs.map(|(name, value)| (name.as_str(), value.as_str()))).map(Self)
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}
