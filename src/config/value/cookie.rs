//! Cookies.

use llm2api_core::config::notation;
use secrecy::SecretString;

use super::SettingValue;

/// The name of a cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CookieName(pub(crate) String);

impl SettingValue for CookieName {
    const TAKES: &'static str = "the name of a cookie: hf-chat";

    fn from_text(text: &str) -> Option<Self> {
        notation::cookie_name(text).map(|name| Self(name.to_owned()))
    }
}

/// Cookies, each a session cookie's value or a whole `Cookie` header; at least one.
#[derive(Debug, Clone)]
pub(crate) struct Cookies(pub(crate) Vec<SecretString>);

impl Cookies {
    fn from_items<'a>(items: impl Iterator<Item = &'a str>) -> Option<Self> {
        let cookies: Vec<SecretString> = items
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(|item| {
                // A cookie travels in a header.
                let is_sendable = item
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() || byte == b' ');
                is_sendable.then(|| SecretString::from(item))
            })
            .collect::<Option<_>>()?;
        (!cookies.is_empty()).then_some(Self(cookies))
    }
}

impl SettingValue for Cookies {
    const TAKES: &'static str = "cookies of visible ASCII characters, separated by line ends or two bars; in the file an array";
    const SECRET: bool = true;

    fn from_text(text: &str) -> Option<Self> {
        Self::from_items(text.split(['\n', '\r']).flat_map(|line| line.split("||")))
    }

    fn from_list(items: &[String]) -> Option<Self> {
        Self::from_items(items.iter().map(String::as_str))
    }
}
