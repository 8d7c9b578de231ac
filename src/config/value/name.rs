//! Names, paths and other text.

use std::path::PathBuf;

use llm2api_core::config::notation;

use super::{MASK, SettingValue};

impl SettingValue for PathBuf {
    const TAKES: &'static str = "a path";

    fn from_text(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

/// An upstream's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UpstreamName(pub(crate) String);

impl SettingValue for UpstreamName {
    const TAKES: &'static str = "a name of 1 to 32 letters a-z, digits and hyphens";

    fn from_text(text: &str) -> Option<Self> {
        notation::upstream_name(text).map(|name| Self(name.to_owned()))
    }
}

/// The name of a model, which may have any form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelName(pub(crate) String);

impl SettingValue for ModelName {
    const TAKES: &'static str = "the name of a model";

    fn from_text(text: &str) -> Option<Self> {
        Some(Self(text.to_owned()))
    }
}

/// Hosts that are reached without a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoProxy(pub(crate) String);

impl SettingValue for NoProxy {
    const TAKES: &'static str =
        "hosts, domains or networks, comma-separated: .example.org,10.0.0.0/8";

    fn from_text(text: &str) -> Option<Self> {
        Some(Self(text.to_owned()))
    }

    fn from_list(items: &[String]) -> Option<Self> {
        Some(Self(items.join(",")))
    }
}

/// The prefix under which everything but the probes lives, without slashes at its ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiPath(pub(crate) Option<String>);

impl SettingValue for ApiPath {
    const TAKES: &'static str =
        "a path of one or more segments of letters, digits and - . _ ~, which are not . or ..";

    fn from_text(text: &str) -> Option<Self> {
        let path = text.strip_prefix('/').unwrap_or(text);
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            // `/` alone is no prefix.
            return Some(Self(None));
        }
        let fits = path.split('/').all(|segment| {
            !matches!(segment, "" | "." | "..")
                && segment
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
        });
        fits.then(|| Self(Some(path.to_owned())))
    }

    fn absent() -> Option<Self> {
        Some(Self(None))
    }

    fn shown(_text: &str) -> String {
        MASK.to_owned()
    }
}
