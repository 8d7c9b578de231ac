//! What a holder's limits leave, as OpenAI tells it in headers: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`.
//!
//! In gRPC they are metadata of the same names: of an answer the initial metadata, of a refusal the status'.

use std::time::Duration;

use tonic::codegen::http::{HeaderMap, HeaderName, HeaderValue};

/// The names' beginning, which nothing else has.
const PREFIX: &str = "x-ratelimit-";

const REQUESTS: [&str; 3] = [
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
];
const TOKENS: [&str; 3] = [
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
];

/// All names, for those who let pages of other origins read them.
pub const RATE_LIMIT_HEADERS: [&str; 6] = [
    REQUESTS[0],
    REQUESTS[1],
    REQUESTS[2],
    TOKENS[0],
    TOKENS[1],
    TOKENS[2],
];

/// What one limit leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How much is allowed.
    pub limit: u64,
    /// How much of it is left.
    pub remaining: u64,
    /// After how long all of it is there again. `None`: it never is.
    pub reset: Option<Duration>,
}

/// What a holder's limits leave, as headers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RateLimits(Vec<(HeaderName, HeaderValue)>);

impl RateLimits {
    /// What the limits of requests and of tokens leave; where there is none, nothing is said of it.
    #[must_use]
    pub fn new(requests: Option<RateLimit>, tokens: Option<RateLimit>) -> Self {
        let mut headers = Vec::new();
        for (names, told) in [(REQUESTS, requests), (TOKENS, tokens)] {
            let Some(RateLimit {
                limit,
                remaining,
                reset,
            }) = told
            else {
                continue;
            };
            let [limit_name, remaining_name, reset_name] = names.map(HeaderName::from_static);
            headers.push((limit_name, limit.into()));
            headers.push((remaining_name, remaining.into()));
            if let Some(Ok(reset)) = reset.map(go_duration).map(HeaderValue::try_from) {
                headers.push((reset_name, reset));
            }
        }
        Self(headers)
    }

    /// Reads them from where [`Self::write`] put them.
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Self {
        let ours = headers
            .iter()
            .filter(|(name, _)| name.as_str().starts_with(PREFIX));
        Self(
            ours.map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        )
    }

    /// Puts them among other headers.
    pub fn write(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0 {
            headers.insert(name.clone(), value.clone());
        }
    }

    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A duration as Go writes it, and so OpenAI: `120ms`, `1s`, `6m0s`, `1h0m5s`. Fractions of a second above one are rounded up.
fn go_duration(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        return format!("{}ms", duration.as_nanos().div_ceil(1_000_000));
    }
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_read_back_what_they_write_and_nothing_else() {
        let limits = RateLimits::new(
            Some(RateLimit {
                limit: 60,
                remaining: 0,
                reset: Some(Duration::from_millis(59_001)),
            }),
            Some(RateLimit {
                limit: 1000,
                remaining: 7,
                reset: None,
            }),
        );
        let mut headers = HeaderMap::new();
        limits.write(&mut headers);
        let texts: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII")))
            .collect();
        assert_eq!(
            texts,
            [
                "x-ratelimit-limit-requests: 60",
                "x-ratelimit-remaining-requests: 0",
                "x-ratelimit-reset-requests: 1m0s",
                "x-ratelimit-limit-tokens: 1000",
                "x-ratelimit-remaining-tokens: 7",
            ]
        );
        headers.insert("retry-after", HeaderValue::from_static("60"));
        assert_eq!(RateLimits::read(&headers), limits);
        assert!(RateLimits::new(None, None).is_empty());
    }

    #[test]
    fn durations_are_written_as_go_does() {
        for (milliseconds, text) in [
            (0, "0ms"),
            (120, "120ms"),
            (1000, "1s"),
            (1001, "2s"),
            (360_000, "6m0s"),
            (3_605_000, "1h0m5s"),
        ] {
            assert_eq!(go_duration(Duration::from_millis(milliseconds)), text);
        }
    }
}
