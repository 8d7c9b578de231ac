//! `llm2api key list`.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use llm2api_gateway::objects::{KeyObject, ListObject};
use llm2api_proto::v1::{Key, ListKeysRequest};
use prost_types::Timestamp;
use time::OffsetDateTime;

use crate::commands::{
    cookie::print_json,
    instance::{Instance, explain},
    table::table,
};

/// Keys that are asked for at once: as many as there may be on a page.
const PAGE_SIZE: i32 = 1000;

/// Lists them.
pub(super) async fn run(instance: &Instance, json: bool) -> anyhow::Result<ExitCode> {
    let keys = all(instance).await?;
    if json {
        let objects = keys.into_iter().map(KeyObject::from).collect();
        print_json(&ListObject::new(objects, false, |key: &KeyObject| &key.id))?;
        return Ok(ExitCode::SUCCESS);
    }
    if keys.is_empty() {
        eprintln!("llm2api: there are none; `llm2api key create` makes one");
    }
    let rows: Vec<_> = keys.iter().map(row).collect();
    let headings = [
        "ID",
        "STATE",
        "KEY",
        "LABEL",
        "EXPIRES",
        "REQUESTS",
        "THIS MINUTE",
        "TOKENS",
        "TODAY",
        "MODELS",
        "NETWORKS",
        "WEB SEARCH",
    ];
    write!(io::stdout(), "{}", table(headings, &rows))?;
    Ok(ExitCode::SUCCESS)
}

/// The ids of all keys.
pub(super) async fn ids(instance: &Instance) -> anyhow::Result<Vec<String>> {
    let keys = all(instance).await?;
    Ok(keys.into_iter().map(|key| key.id).collect())
}

/// All keys, page by page.
async fn all(instance: &Instance) -> anyhow::Result<Vec<Key>> {
    let mut keys = Vec::new();
    let mut client = instance.keys();
    let mut page_token = String::new();
    loop {
        let request = ListKeysRequest {
            page_size: PAGE_SIZE,
            page_token,
        };
        let page = client.list_keys(request).await.map_err(explain)?;
        let page = page.into_inner();
        keys.extend(page.keys);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(keys);
        }
    }
}

fn row(key: &Key) -> [String; 12] {
    let list = |texts: &[String]| match texts {
        [] => "all".to_owned(),
        texts => texts.join(", "),
    };
    let tokens = key.input_tokens.saturating_add(key.output_tokens);
    [
        key.id.clone(),
        key.state.clone(),
        key.preview.clone(),
        key.label.clone(),
        key.expires_at
            .as_ref()
            .map(date)
            .unwrap_or_else(|| "never".to_owned()),
        key.requests.to_string(),
        of(key.requests_this_minute, key.requests_per_minute),
        of(tokens, key.tokens_total),
        of(key.tokens_today, key.tokens_per_day),
        list(&key.models),
        list(&key.networks),
        if key.web_search { "on" } else { "off" }.to_owned(),
    ]
}

/// A count, and the bound that it has: `7 of 60`.
fn of(count: i64, bound: i64) -> String {
    match bound {
        0 => count.to_string(),
        bound => format!("{count} of {bound}"),
    }
}

/// A time in UTC, to the minute.
fn date(time: &Timestamp) -> String {
    let Ok(time) = OffsetDateTime::from_unix_timestamp(time.seconds) else {
        return "in a far future".to_owned();
    };
    format!("{} {:02}:{:02}Z", time.date(), time.hour(), time.minute())
}

/// A key in a line: `key_…  sk-…9f2c  active until 2027-01-31 00:00Z  team a`.
pub(super) fn line(key: &Key, now: SystemTime) -> String {
    let seconds = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_secs());
    let is_ahead = |end: &&Timestamp| u64::try_from(end.seconds).is_ok_and(|end| end > seconds);
    let state = match key.expires_at.as_ref().filter(is_ahead) {
        Some(end) => format!("{} until {}", key.state, date(end)),
        None => key.state.clone(),
    };
    let parts = [key.id.as_str(), &key.preview, &state, &key.label];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_key_is_told_in_a_line_with_its_end() {
        let mut key = Key {
            id: "key_1".to_owned(),
            preview: "sk-…9f2c".to_owned(),
            state: "active".to_owned(),
            ..Key::default()
        };
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(line(&key, now), "key_1  sk-…9f2c  active");
        key.label = "team a".to_owned();
        key.expires_at = Some(Timestamp {
            seconds: 1_801_353_600,
            nanos: 0,
        });
        assert_eq!(
            line(&key, now),
            "key_1  sk-…9f2c  active until 2027-01-31 00:00Z  team a"
        );
    }

    #[test]
    fn a_count_tells_its_bound_where_there_is_one() {
        assert_eq!(
            (of(7, 60), of(7, 0)),
            ("7 of 60".to_owned(), "7".to_owned())
        );
    }
}
