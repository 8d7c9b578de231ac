//! The types that settings have: each knows what it takes, reads it from text, and tells how it may be shown.

mod address;
mod authority;
mod choice;
mod cookie;
mod header;
mod key;
mod list;
mod name;
mod quantity;
mod search;
mod store;
mod url;

pub(crate) use self::{
    address::{GrpcListen, PeerNetworks, reachable},
    authority::{AuthorityKey, AuthorityUrl},
    choice::{EntryKind, KindChoice, LogFilter, LogFormat, Origins, RuntimeKind, Switch},
    cookie::{CookieName, Cookies},
    header::Headers,
    key::{ClientKeys, MetricsKey},
    list::{Aliases, ModelIds},
    name::{ApiPath, ModelName, NoProxy, UpstreamName},
    quantity::{ByteSize, PositiveDuration},
    search::{DEFAULT_INSTANCE, LanguageChoice, PageCount, ResultCount, SearxngUrls, SkippedTexts},
    store::DatabaseFile,
    url::{CoreUrl, CoreUrls, HttpUrl, ProxyUrl},
};

/// A value that a setting may have.
pub(crate) trait SettingValue: Sized {
    /// What the setting takes, as a noun with examples: follows "it takes".
    const TAKES: &'static str;
    /// Whether the value is secret: masked wherever it is shown, and also read from the file that `<NAME>_FILE` names.
    const SECRET: bool = false;

    /// Reads the value from text that is not empty; `None` where it is not what the setting takes.
    fn from_text(text: &str) -> Option<Self>;

    /// Reads the value from an array of the TOML file.
    fn from_list(_items: &[String]) -> Option<Self> {
        None
    }

    /// Reads the value from a table of the TOML file.
    fn from_table(_entries: &[(String, String)]) -> Option<Self> {
        None
    }

    /// The value of a setting that is not given, where that is not its default read as text.
    fn absent() -> Option<Self> {
        None
    }

    /// The value's text, right or wrong, as it may be shown.
    fn shown(text: &str) -> String {
        if Self::SECRET {
            MASK.to_owned()
        } else {
            text.to_owned()
        }
    }
}

/// What is shown in a secret's place.
pub(crate) const MASK: &str = "****";

impl<T: SettingValue> SettingValue for Option<T> {
    const TAKES: &'static str = T::TAKES;
    const SECRET: bool = T::SECRET;

    fn from_text(text: &str) -> Option<Self> {
        T::from_text(text).map(Some)
    }

    fn from_list(items: &[String]) -> Option<Self> {
        T::from_list(items).map(Some)
    }

    fn from_table(entries: &[(String, String)]) -> Option<Self> {
        T::from_table(entries).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn shown(text: &str) -> String {
        T::shown(text)
    }
}
