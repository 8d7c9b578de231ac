//! `llm2api cookie list`.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use llm2api_gateway::objects::{CookieObject, ListObject};
use llm2api_proto::v1::{Cookie, ListCookiesRequest};

use super::print_json;
use crate::{
    cli::CookieListOptions,
    commands::{
        instance::{Instance, explain},
        table::table,
    },
};

/// Cookies that are asked for at once: as many as there may be on a page.
const PAGE_SIZE: i32 = 1000;
/// Characters of an error that are shown.
const ERROR_LENGTH: usize = 60;

/// Lists them.
pub(super) async fn run(
    options: &CookieListOptions,
    instance: &Instance,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let request = ListCookiesRequest {
        upstream: options.upstream.clone(),
        state: options.state.clone(),
        ..ListCookiesRequest::default()
    };
    let cookies = all(&request, instance).await?;
    if json {
        let objects = cookies.into_iter().map(CookieObject::from).collect();
        print_json(&ListObject::new(objects, false, |cookie: &CookieObject| {
            &cookie.id
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if cookies.is_empty() {
        eprintln!("llm2api: there are none; `llm2api cookie add` adds some");
    }
    let rows: Vec<_> = cookies.iter().map(row).collect();
    let headings = [
        "ID",
        "STATE",
        "UPSTREAM",
        "PREVIEW",
        "NOW",
        "REQUESTS",
        "FAILED",
        "LABEL",
        "LAST ERROR",
    ];
    write!(io::stdout(), "{}", table(headings, &rows))?;
    Ok(ExitCode::SUCCESS)
}

/// All cookies, page by page.
pub(super) async fn all(
    request: &ListCookiesRequest,
    instance: &Instance,
) -> anyhow::Result<Vec<Cookie>> {
    let mut cookies = Vec::new();
    let mut client = instance.cookies();
    let mut page_token = String::new();
    loop {
        let request = ListCookiesRequest {
            page_size: PAGE_SIZE,
            page_token,
            ..request.clone()
        };
        let page = client.list_cookies(request).await.map_err(explain)?;
        let page = page.into_inner();
        cookies.extend(page.cookies);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(cookies);
        }
    }
}

fn row(cookie: &Cookie) -> [String; 9] {
    let shown = match cookie.preview.as_str() {
        "" => &cookie.kind,
        preview => preview,
    };
    [
        cookie.id.clone(),
        state(cookie),
        cookie.upstream.clone(),
        shown.to_owned(),
        cookie.in_flight.to_string(),
        cookie.requests.to_string(),
        cookie.failures.to_string(),
        cookie.label.clone(),
        shortened(&cookie.last_error),
    ]
}

/// A state with its reason and the time that is left of it: `cooling (rate_limit, 0:42)`.
pub(super) fn state(cookie: &Cookie) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_secs());
    state_at(cookie, i64::try_from(now).unwrap_or(i64::MAX))
}

fn state_at(cookie: &Cookie, now: i64) -> String {
    let left = cookie.cooldown_until.map(|until| until.seconds - now);
    let left = left.filter(|&left| left > 0).map(clock);
    let reason = Some(cookie.reason.clone()).filter(|reason| !reason.is_empty());
    let more: Vec<String> = reason.into_iter().chain(left).collect();
    match more.is_empty() {
        true => cookie.state.clone(),
        false => format!("{} ({})", cookie.state, more.join(", ")),
    }
}

fn clock(seconds: i64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

fn shortened(text: &str) -> String {
    let line = text.replace(['\n', '\r', '\t'], " ");
    if line.chars().count() <= ERROR_LENGTH {
        return line;
    }
    let begin: String = line.chars().take(ERROR_LENGTH - 1).collect();
    format!("{begin}…")
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;

    #[test]
    fn a_state_tells_why_and_for_how_long() {
        let mut cookie = Cookie {
            state: "valid".to_owned(),
            ..Cookie::default()
        };
        assert_eq!(state_at(&cookie, 100), "valid");
        cookie.state = "invalid".to_owned();
        cookie.reason = "expired".to_owned();
        assert_eq!(state_at(&cookie, 100), "invalid (expired)");
        cookie.state = "cooling".to_owned();
        cookie.reason = "rate_limit".to_owned();
        for (until, left) in [
            (142, "cooling (rate_limit, 0:42)"),
            (100 + 3661, "cooling (rate_limit, 1:01:01)"),
            (99, "cooling (rate_limit)"),
        ] {
            cookie.cooldown_until = Some(Timestamp {
                seconds: until,
                nanos: 0,
            });
            assert_eq!(state_at(&cookie, 100), left);
        }
    }

    #[test]
    fn a_long_error_is_cut_to_a_line() {
        assert_eq!(shortened("a\nb"), "a b");
        assert_eq!(shortened(&"好".repeat(61)), format!("{}…", "好".repeat(59)));
    }
}
