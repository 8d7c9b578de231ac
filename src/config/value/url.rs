//! Addresses of other services.

use llm2api_core::config::notation;
use url::Url;

use super::{MASK, SettingValue, list};

/// An `http:` or `https:` address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HttpUrl(pub(crate) Url);

impl SettingValue for HttpUrl {
    const TAKES: &'static str = "an http:// or https:// address: https://api.example.org/v1";

    fn from_text(text: &str) -> Option<Self> {
        notation::http_url(text).map(Self)
    }

    fn shown(text: &str) -> String {
        without_userinfo(text)
    }
}

/// The `http:` address of a core's gRPC port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CoreUrl(pub(crate) Url);

impl SettingValue for CoreUrl {
    const TAKES: &'static str = "an http:// address: http://10.0.0.5:50051";

    fn from_text(text: &str) -> Option<Self> {
        let url = Url::parse(text.trim()).ok()?;
        (url.scheme() == "http" && url.has_host()).then_some(Self(url))
    }

    fn shown(text: &str) -> String {
        without_userinfo(text)
    }
}

/// Addresses of cores, in order of preference; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CoreUrls(pub(crate) Vec<CoreUrl>);

impl CoreUrls {
    fn from_items<'a>(items: impl Iterator<Item = &'a str>) -> Option<Self> {
        let urls: Vec<CoreUrl> = items.map(CoreUrl::from_text).collect::<Option<_>>()?;
        (!urls.is_empty()).then_some(Self(urls))
    }
}

impl SettingValue for CoreUrls {
    const TAKES: &'static str = "http:// addresses, comma-separated: http://10.0.0.5:50051";

    fn from_text(text: &str) -> Option<Self> {
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

/// The address of a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProxyUrl(pub(crate) Url);

impl SettingValue for ProxyUrl {
    const TAKES: &'static str =
        "the address of an http, https, socks5 or socks5h proxy: socks5h://127.0.0.1:1080";

    fn from_text(text: &str) -> Option<Self> {
        notation::proxy_url(text).map(Self)
    }

    fn shown(text: &str) -> String {
        without_userinfo(text)
    }
}

/// The address with a mask in place of user name and password.
pub(super) fn without_userinfo(text: &str) -> String {
    match text.rsplit_once('@') {
        None => text.to_owned(),
        Some((before, host)) => match before.split_once("://") {
            Some((scheme, _)) => format!("{scheme}://{MASK}@{host}"),
            None => format!("{MASK}@{host}"),
        },
    }
}
