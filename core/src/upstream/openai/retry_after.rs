//! When an upstream wants to be asked again, by the headers of its answer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;

/// A number from which `x-ratelimit-reset` is a point in time, in seconds since 1970, and not a number of seconds: 2001.
const FIRST_INSTANT_SECONDS: f64 = 1e9;

/// The same in milliseconds.
const FIRST_INSTANT_MILLISECONDS: f64 = 1e12;

/// Reads, in this order: `retry-after-ms`; `Retry-After`, seconds or a date; the `x-ratelimit-reset…` of the limits that are
/// used up, else of all.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    text("retry-after-ms")
        .and_then(|text| seconds(text.parse::<f64>().ok()? / 1000.0))
        .or_else(|| retry_after_value(text("retry-after")?, now))
        .or_else(|| {
            let resets = |is_wanted: &dyn Fn(&str) -> bool| {
                ["requests", "tokens"]
                    .iter()
                    .filter(|limit| is_wanted(limit))
                    .filter_map(|limit| go_duration(text(&format!("x-ratelimit-reset-{limit}"))?))
                    .max()
            };
            let is_used_up =
                |limit: &str| text(&format!("x-ratelimit-remaining-{limit}")) == Some("0");
            resets(&is_used_up).or_else(|| resets(&|_| true))
        })
        .or_else(|| reset_value(text("x-ratelimit-reset")?, now))
}

fn retry_after_value(text: &str, now: SystemTime) -> Option<Duration> {
    match text.parse() {
        Ok(number) => seconds(number),
        Err(_) => Some(until(httpdate::parse_http_date(text).ok()?, now)),
    }
}

/// A number of seconds, a point in time in seconds or milliseconds (OpenRouter), or a duration.
fn reset_value(text: &str, now: SystemTime) -> Option<Duration> {
    let Ok(number) = text.parse::<f64>() else {
        return go_duration(text);
    };
    let instant = if number >= FIRST_INSTANT_MILLISECONDS {
        number / 1000.0
    } else if number >= FIRST_INSTANT_SECONDS {
        number
    } else {
        return seconds(number);
    };
    Some(until(UNIX_EPOCH.checked_add(seconds(instant)?)?, now))
}

fn until(instant: SystemTime, now: SystemTime) -> Duration {
    instant.duration_since(now).unwrap_or_default()
}

fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number).ok()
}

/// A duration as Go writes it: `1s`, `6m0s`, `120ms`, `1h2m3.5s`.
fn go_duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest
            .find(|character: char| character.is_ascii_digit())
            .unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        rest = &rest[end..];
        total = total.checked_add(seconds(number * unit)?)?;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::retry_after;

    #[test]
    fn the_soonest_time_to_ask_again_is_read_from_whichever_header_tells_it() {
        type Headers = &'static [(&'static str, &'static str)];
        let table: &[(Headers, Option<u64>)] = &[
            (&[], None),
            (&[("retry-after", "7")], Some(7_000)),
            (&[("retry-after", " 0.5 ")], Some(500)),
            (
                &[("retry-after", "Thu, 01 Jan 1970 00:20:00 GMT")],
                Some(200_000),
            ),
            (&[("retry-after", "Thu, 01 Jan 1970 00:00:01 GMT")], Some(0)),
            (&[("retry-after", "-1")], None),
            (&[("retry-after", "NaN")], None),
            (&[("retry-after", "1e300")], None),
            (&[("retry-after", "soon")], None),
            (
                &[("retry-after", "7"), ("retry-after-ms", "1500.5")],
                Some(1_500),
            ),
            (
                &[
                    ("retry-after", "soon"),
                    ("x-ratelimit-reset-requests", "6m0s"),
                ],
                Some(360_000),
            ),
            (&[("x-ratelimit-reset-tokens", "120ms")], Some(120)),
            (
                &[
                    ("x-ratelimit-reset-requests", "1h1m1.5s"),
                    ("x-ratelimit-reset-tokens", "2s"),
                ],
                Some(3_661_500),
            ),
            (
                &[
                    ("x-ratelimit-reset-requests", "1h"),
                    ("x-ratelimit-remaining-requests", "3"),
                    ("x-ratelimit-reset-tokens", "2s"),
                    ("x-ratelimit-remaining-tokens", "0"),
                ],
                Some(2_000),
            ),
            (&[("x-ratelimit-reset", "30")], Some(30_000)),
            (&[("x-ratelimit-reset", "1s")], Some(1_000)),
            (
                &[("x-ratelimit-reset", "1000000010")],
                Some(999_999_010_000),
            ),
            (
                &[("x-ratelimit-reset", "1000000001000")],
                Some(999_999_001_000),
            ),
            (&[("x-ratelimit-reset", "5 parsecs")], None),
        ];
        for (headers, milliseconds) in table {
            let map: HeaderMap = headers
                .iter()
                .map(|(name, value)| {
                    (
                        HeaderName::from_static(name),
                        HeaderValue::from_static(value),
                    )
                })
                .collect();
            let found = retry_after(&map, UNIX_EPOCH + Duration::from_secs(1000));
            let found = found.map(|duration| u64::try_from(duration.as_millis()).expect("small"));
            assert_eq!(found, *milliseconds, "{headers:?}");
        }
    }
}
