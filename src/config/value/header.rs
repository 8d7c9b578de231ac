//! Headers of an operator's own.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, ORIGIN,
        TRANSFER_ENCODING,
    },
};

use super::SettingValue;

/// Headers that requests have anyway.
const OWN: [HeaderName; 9] = [
    ACCEPT,
    ACCEPT_ENCODING,
    CONNECTION,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    COOKIE,
    HOST,
    ORIGIN,
    TRANSFER_ENCODING,
];

/// Headers to be added to requests; their values may be secrets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Headers(pub(crate) HeaderMap);

impl Headers {
    fn from_pairs<'a>(pairs: impl Iterator<Item = Option<(&'a str, &'a str)>>) -> Option<Self> {
        let mut headers = HeaderMap::new();
        for pair in pairs {
            let (name, value) = pair?;
            let name = HeaderName::try_from(name.trim()).ok()?;
            let mut value = HeaderValue::try_from(value.trim()).ok()?;
            value.set_sensitive(true);
            // Twice the same name would leave one of the two values without effect.
            if OWN.contains(&name) || headers.insert(name, value).is_some() {
                return None;
            }
        }
        Some(Self(headers))
    }
}

impl SettingValue for Headers {
    const TAKES: &'static str = "headers, each name once, beside those that requests have anyway (Cookie, Origin and so on): { \"X-Email\" = \"me@example.org\" }";
    const SECRET: bool = true;

    fn from_text(text: &str) -> Option<Self> {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        Self::from_pairs(lines.map(|line| line.split_once(':')))
    }

    fn from_table(entries: &[(String, String)]) -> Option<Self> {
        Self::from_pairs(
            entries
                .iter()
                .map(|(name, value)| Some((name.as_str(), value.as_str()))),
        )
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}
