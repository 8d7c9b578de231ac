//! Settings with few possible values.

use llm2api_core::config::{UpstreamKind, WebSearch, notation};
use llm2api_gateway::config::CorsOrigins;
use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use url::Url;

use super::{SettingValue, list};

/// How the process uses its cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuntimeKind {
    /// One runtime a worker, each with listeners and connections of its own.
    PerCore,
    /// One work-stealing runtime.
    Shared,
}

impl SettingValue for RuntimeKind {
    const TAKES: &'static str = "per-core or shared";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "per-core" => Some(Self::PerCore),
            "shared" => Some(Self::Shared),
            _ => None,
        }
    }
}

/// Something that is on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Switch(pub(crate) bool);

impl SettingValue for Switch {
    const TAKES: &'static str = "on or off (true, false, 1, 0)";

    fn from_text(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "on" | "true" | "1" => Some(Self(true)),
            "off" | "false" | "0" => Some(Self(false)),
            _ => None,
        }
    }
}

impl SettingValue for WebSearch {
    const TAKES: &'static str = "ours or upstream";

    fn from_text(text: &str) -> Option<Self> {
        notation::web_search(text)
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl SettingValue for LogFormat {
    const TAKES: &'static str = "text or json";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Which log lines are written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LogFilter(pub(crate) Targets);

/// What all targets of our own begin with.
const OWN_TARGETS: &str = "llm2api";

impl SettingValue for LogFilter {
    const TAKES: &'static str = "off, error, warn, info, debug or trace; after it, for a library, its name and level: info,hyper=debug";

    fn from_text(text: &str) -> Option<Self> {
        let mut own_level = LevelFilter::INFO;
        let mut named = Vec::new();
        for item in list::items(text) {
            match item.split_once('=') {
                None => own_level = item.parse().ok()?,
                Some((target, level)) if !target.trim().is_empty() => {
                    named.push((target.trim(), level.trim().parse::<LevelFilter>().ok()?));
                }
                Some(_) => return None,
            }
        }
        // Libraries are heard only when something is wrong, and never more than we are.
        let filter = Targets::new()
            .with_default(own_level.min(LevelFilter::from_level(Level::WARN)))
            .with_target(OWN_TARGETS, own_level)
            .with_targets(named);
        Some(Self(filter))
    }
}

/// Which protocol an upstream speaks, as far as the operator says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KindChoice {
    /// What it shows to speak.
    Auto,
    /// This one.
    Fixed(UpstreamKind),
}

impl KindChoice {
    /// The kind to use.
    pub(crate) fn kind(self) -> UpstreamKind {
        match self {
            Self::Auto => UpstreamKind::Auto,
            Self::Fixed(kind) => kind,
        }
    }
}

impl SettingValue for KindChoice {
    const TAKES: &'static str = "auto, openai or chat-ui";

    fn from_text(text: &str) -> Option<Self> {
        if text == "auto" {
            return Some(Self::Auto);
        }
        [UpstreamKind::OpenAi, UpstreamKind::ChatUi]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .map(Self::Fixed)
    }
}

/// What an upstream of the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// A service at an address.
    Remote(KindChoice),
    /// The model on this machine's processor.
    Local,
}

impl SettingValue for EntryKind {
    const TAKES: &'static str = "auto, openai, chat-ui or local";

    fn from_text(text: &str) -> Option<Self> {
        if text == UpstreamKind::Local.as_str() {
            return Some(Self::Local);
        }
        KindChoice::from_text(text).map(Self::Remote)
    }
}

/// Origins whose pages may call the client endpoints.
#[derive(Debug, Clone)]
pub(crate) struct Origins(pub(crate) CorsOrigins);

impl Origins {
    fn from_items<'a>(items: impl Iterator<Item = &'a str>) -> Option<Self> {
        let origins: Vec<String> = items.map(origin).collect::<Option<_>>()?;
        (!origins.is_empty()).then_some(Self(CorsOrigins::List(origins)))
    }
}

impl SettingValue for Origins {
    const TAKES: &'static str = "*, or origins, comma-separated: https://chat.example.org";

    fn from_text(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self(CorsOrigins::Any));
        }
        Self::from_items(list::items(text))
    }

    fn from_list(items: &[String]) -> Option<Self> {
        match items {
            [item] => Self::from_text(item),
            _ => Self::from_items(items.iter().map(String::as_str)),
        }
    }
}

/// An origin as browsers write it: no path, no default port.
fn origin(text: &str) -> Option<String> {
    let url = Url::parse(text.trim()).ok()?;
    let bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let origin = url.origin();
    (bare && origin.is_tuple()).then(|| origin.ascii_serialization())
}
