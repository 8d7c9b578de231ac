//! Keys.

use secrecy::SecretString;

use super::{SettingValue, list};

impl SettingValue for SecretString {
    const TAKES: &'static str = "a key of visible ASCII characters";
    const SECRET: bool = true;

    fn from_text(text: &str) -> Option<Self> {
        // A key travels in a header.
        text.bytes()
            .all(|byte| byte.is_ascii_graphic())
            .then(|| Self::from(text))
    }
}

/// What clients must send.
#[derive(Debug, Clone)]
pub(crate) enum ClientKeys {
    /// Nothing, whoever they are.
    Off,
    /// One of these keys; at least one.
    Keys(Vec<SecretString>),
}

impl ClientKeys {
    fn from_items<'a>(items: impl Iterator<Item = &'a str>) -> Option<Self> {
        let keys: Vec<SecretString> = items
            .map(|item| {
                // "off" among keys would be a key that everybody guesses.
                (!item.eq_ignore_ascii_case("off") && !item.is_empty())
                    .then(|| SecretString::from_text(item))
                    .flatten()
            })
            .collect::<Option<_>>()?;
        (!keys.is_empty()).then_some(Self::Keys(keys))
    }

    /// The first key, which administers where no other is given.
    pub(crate) fn first(&self) -> Option<&SecretString> {
        match self {
            Self::Off => None,
            Self::Keys(keys) => keys.first(),
        }
    }
}

impl SettingValue for ClientKeys {
    const TAKES: &'static str = "keys of visible ASCII characters, comma-separated, or off";
    const SECRET: bool = true;

    fn from_text(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("off") {
            return Some(Self::Off);
        }
        Self::from_items(list::items(text))
    }

    fn from_list(items: &[String]) -> Option<Self> {
        Self::from_items(items.iter().map(String::as_str))
    }

    fn shown(text: &str) -> String {
        if text.eq_ignore_ascii_case("off") {
            "off".to_owned()
        } else {
            super::MASK.to_owned()
        }
    }
}

/// What lets somebody read the metrics.
#[derive(Debug, Clone)]
pub(crate) enum MetricsKey {
    /// Nothing.
    Off,
    /// This key.
    Key(SecretString),
}

impl SettingValue for MetricsKey {
    const TAKES: &'static str = "a key of visible ASCII characters, or off";
    const SECRET: bool = true;

    fn from_text(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("off") {
            return Some(Self::Off);
        }
        SecretString::from_text(text).map(Self::Key)
    }

    fn shown(text: &str) -> String {
        ClientKeys::shown(text)
    }
}
