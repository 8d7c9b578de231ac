//! How operators write the settings of an upstream, wherever they do: in the configuration file, in a variable, on a page.
//!
//! Each function reads one kind of value. `None`: it is none.

use std::time::Duration;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, ORIGIN,
        TRANSFER_ENCODING,
    },
};
use url::Url;

use super::{Cooldown, WebSearch};

/// The longest duration that a setting takes, in milliseconds: a year. Longer ones would be mistakes, and sums of instants and
/// durations stay far from overflow.
const LONGEST_MS: u64 = 365 * 24 * 60 * 60 * 1000;

/// The longest name of an upstream.
const LONGEST_NAME: usize = 32;

/// Headers that requests to an upstream have anyway.
const OWN_HEADERS: [HeaderName; 9] = [
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

/// The name of an upstream: 1 to 32 letters `a-z`, digits and hyphens.
#[must_use]
pub fn upstream_name(text: &str) -> Option<&str> {
    let fits = (1..=LONGEST_NAME).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    fits.then_some(text)
}

/// Who searches the web for an upstream: `ours` or `upstream`.
#[must_use]
pub fn web_search(text: &str) -> Option<WebSearch> {
    match text {
        "ours" => Some(WebSearch::Ours),
        "upstream" => Some(WebSearch::Upstream),
        _ => None,
    }
}

/// An `http:` or `https:` address.
#[must_use]
pub fn http_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

/// The address of an http, https, socks5 or socks5h proxy; `host:port` is customary too, and means http.
#[must_use]
pub fn proxy_url(text: &str) -> Option<Url> {
    let url = if text.contains("://") {
        Url::parse(text).ok()?
    } else {
        Url::parse(&format!("http://{text}")).ok()?
    };
    (matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") && url.has_host())
        .then_some(url)
}

/// The language of a search, as SearXNG takes it: `all`, or two or three letters, and a region if any.
#[must_use]
pub fn search_language(text: &str) -> Option<String> {
    let (language, region) = match text.split_once('-') {
        Some((language, region)) => (language, Some(region)),
        None => (text, None),
    };
    let is_language =
        matches!(language.len(), 2..=3) && language.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_region = region
        .is_none_or(|region| region.len() == 2 && region.bytes().all(|b| b.is_ascii_alphabetic()));
    (is_language && is_region).then(|| text.to_owned())
}

/// A duration of at most a year: `500ms`, `30s`, `5m`, `1h`, `1d`; a bare number is seconds.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return None,
    };
    let ms = number.checked_mul(unit_ms)?;
    (ms <= LONGEST_MS).then(|| Duration::from_millis(ms))
}

/// A duration, as [`duration`] reads it.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    match (duration.as_secs(), duration.subsec_millis()) {
        (seconds, 0) => format!("{seconds}s"),
        _ => format!("{}ms", duration.as_millis()),
    }
}

/// What a rate limit without a time does: a duration, or `off`.
#[must_use]
pub fn cooldown(text: &str) -> Option<Cooldown> {
    if text.eq_ignore_ascii_case("off") {
        Some(Cooldown::Off)
    } else {
        duration(text).map(Cooldown::For)
    }
}

/// A whole number with the unit behind it.
#[must_use]
pub fn split_unit(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// The name of a cookie (a token, RFC 6265).
#[must_use]
pub fn cookie_name(text: &str) -> Option<&str> {
    let is_token = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    is_token.then_some(text)
}

/// Headers to be added to requests, each once, and none of those that requests have anyway. Their values may be secrets.
#[must_use]
pub fn headers<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::try_from(name.trim()).ok()?;
        let mut value = HeaderValue::try_from(value.trim()).ok()?;
        value.set_sensitive(true);
        // Twice the same name would leave one of the two values without effect.
        if OWN_HEADERS.contains(&name) || headers.insert(name, value).is_some() {
            return None;
        }
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_reads_back_what_it_was_written_as() {
        for text in ["500ms", "30s", "300s"] {
            assert_eq!(duration_text(duration(text).expect("one")), text);
        }
        assert_eq!(duration("5m"), Some(Duration::from_secs(300)));
        for other in ["", "s", "5x", "-1s", "1.5s", "400d"] {
            assert_eq!(duration(other), None, "{other}");
        }
    }

    #[test]
    fn an_upstreams_name_is_short_and_plain() {
        assert_eq!(upstream_name("chat-2"), Some("chat-2"));
        for other in ["", "Chat", "a b", "a/b", &"a".repeat(33)] {
            assert_eq!(upstream_name(other), None, "{other}");
        }
    }
}
