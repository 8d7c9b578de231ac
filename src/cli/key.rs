//! The commands that administer client keys.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use llm2api_core::config::notation;
use time::{
    Date, OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description,
};

/// What `key` does.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key. Its value is written to standard output, and never shown again.
    ///
    /// From then on clients need a key, also those on this machine and in private networks.
    #[command(after_help = "\
Examples:
  llm2api key create --label phone
  llm2api key create --label team-a --expires 90d --model qwen3 --requests-per-minute 60 --tokens-per-day 1000000
  llm2api key create --label office --network 10.0.0.0/8 --no-web-search")]
    Create(KeyCreateOptions),
    /// List the keys, with what they have used, those first that were made first.
    List,
    /// Change what a key allows; what it has used stays counted.
    #[command(after_help = "\
Examples:
  llm2api key update key_01a9 --tokens-total 5000000
  llm2api key update key_01a9 --expires never --model all --requests-per-minute 0")]
    Update(KeyUpdateOptions),
    /// Revoke keys: whoever still sends one is refused, within a second. On a terminal, after asking.
    Revoke(KeyRevokeOptions),
    /// Give a key another value, which is written to standard output. The old one opens nothing any more.
    Rotate(KeyId),
    /// Show the key for administration, as this machine's settings and DATA_DIR have it.
    Admin,
}

/// What a key allows.
#[derive(Debug, Args)]
pub(crate) struct KeyCreateOptions {
    /// What to call it.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    pub(crate) label: String,
    /// When it ends: after a time such as 12h or 90d, or at a date such as 2027-01-31 or 2027-01-31T12:00:00Z.
    #[arg(long, value_name = "WHEN", value_parser = expiry)]
    pub(crate) expires: Option<Expiry>,
    /// A model that it may ask for; may be given several times. Without it, all.
    #[arg(long = "model", short, value_name = "NAME")]
    pub(crate) models: Vec<String>,
    /// A network that it may come from, such as 10.0.0.0/8; may be given several times. Without it, all.
    #[arg(long = "network", value_name = "CIDR")]
    pub(crate) networks: Vec<String>,
    /// The most chats within any 60 seconds.
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub(crate) requests_per_minute: i64,
    /// The most tokens a day, read and written, by UTC's days.
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub(crate) tokens_per_day: i64,
    /// The most tokens in all, read and written.
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub(crate) tokens_total: i64,
    /// It may not have the web searched.
    #[arg(long)]
    pub(crate) no_web_search: bool,
    /// It may ask what authorization codes are worth.
    #[arg(long)]
    pub(crate) introspection: bool,
}

/// What is to be another of a key; what is not given stays as it is.
#[derive(Debug, Args)]
pub(crate) struct KeyUpdateOptions {
    #[command(flatten)]
    pub(crate) key: KeyId,
    /// What to call it; empty for nothing.
    #[arg(long, short)]
    pub(crate) label: Option<String>,
    /// When it ends, as in `key create`; never: it holds for ever.
    #[arg(long, value_name = "WHEN", value_parser = expiry)]
    pub(crate) expires: Option<Expiry>,
    /// A model that it may ask for; may be given several times; all: any.
    #[arg(long = "model", short, value_name = "NAME")]
    pub(crate) models: Vec<String>,
    /// A network that it may come from; may be given several times; all: any.
    #[arg(long = "network", value_name = "CIDR")]
    pub(crate) networks: Vec<String>,
    /// The most chats within any 60 seconds; 0: any number.
    #[arg(long, value_name = "COUNT")]
    pub(crate) requests_per_minute: Option<i64>,
    /// The most tokens a day; 0: any number.
    #[arg(long, value_name = "COUNT")]
    pub(crate) tokens_per_day: Option<i64>,
    /// The most tokens in all, those counted so far among them; 0: any number.
    #[arg(long, value_name = "COUNT")]
    pub(crate) tokens_total: Option<i64>,
    /// Whether it may have the web searched: on or off.
    #[arg(long, value_parser = switch)]
    pub(crate) web_search: Option<bool>,
    /// Whether it may ask what authorization codes are worth: on or off.
    #[arg(long, value_parser = switch)]
    pub(crate) introspection: Option<bool>,
}

/// Which key.
#[derive(Debug, Args)]
pub(crate) struct KeyId {
    /// An id, as `key list` shows it, or the beginning of one.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}

/// What `key revoke` takes.
#[derive(Debug, Args)]
pub(crate) struct KeyRevokeOptions {
    /// Ids, as `key list` shows them, or the beginnings of ids.
    #[arg(value_name = "ID", required = true)]
    pub(crate) ids: Vec<String>,
    /// Don't ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// When a key ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// Never.
    Never,
    /// Then.
    At(SystemTime),
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn expiry(text: &str) -> Result<Expiry, String> {
    expiry_from(text, SystemTime::now()).ok_or_else(|| {
        "takes a time such as 12h or 90d, a date such as 2027-01-31, or never".to_owned()
    })
}

fn expiry_from(text: &str, now: SystemTime) -> Option<Expiry> {
    if text == "never" {
        return Some(Expiry::Never);
    }
    if let Some(days) = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<u32>().ok())
    {
        return now.checked_add(DAY * days).map(Expiry::At);
    }
    // A bare number could be seconds or a year.
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(duration) = notation::duration(text).filter(|_| !is_number) {
        return now.checked_add(duration).map(Expiry::At);
    }
    let date = || Date::parse(text, format_description!("[year]-[month]-[day]"));
    let time = OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| date().map(|date| date.midnight().assume_utc()));
    let seconds = u64::try_from(time.ok()?.unix_timestamp()).ok()?;
    UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds))
        .map(Expiry::At)
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("takes on or off".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_time_from_now_or_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let seconds = |text| match expiry_from(text, now) {
            Some(Expiry::At(end)) => Some(end.duration_since(UNIX_EPOCH).unwrap().as_secs()),
            _ => None,
        };
        assert_eq!(seconds("90d"), Some(1_000_000 + 90 * 86_400));
        assert_eq!(seconds("12h"), Some(1_000_000 + 12 * 3600));
        assert_eq!(seconds("2027-01-31"), Some(1_801_353_600));
        assert_eq!(seconds("2027-01-31T12:00:00Z"), Some(1_801_396_800));
        assert_eq!(expiry_from("never", now), Some(Expiry::Never));
        for wrong in ["", "soon", "2027", "2027-13-01", "-1d"] {
            assert_eq!(expiry_from(wrong, now), None, "{wrong}");
        }
    }
}
