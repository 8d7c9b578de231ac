//! Metrics of the requests that the gateway answers, those included that no core sees.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use llm2api_proto::v1::ErrorReason;

use super::request_trace::SCHEME;

/// The bounds that OpenTelemetry gives for the duration of HTTP requests, in seconds.
const BOUNDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

const DURATION: &str = "http_server_request_duration_seconds";
const ACTIVE: &str = "http_server_active_requests";

/// All meters of a process.
#[derive(Default)]
pub(crate) struct Meters(Mutex<Vec<Arc<Meter>>>);

/// Counts the requests of one gateway, so that runtimes don't wait for each other.
#[derive(Default)]
pub(crate) struct Meter(Mutex<HashMap<RequestKey, Durations>>);

/// What requests are told apart by: each of few values, whatever clients send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RequestKey {
    /// The method, or `_OTHER`.
    pub(crate) method: &'static str,
    /// The route's template. `None`: there is none.
    pub(crate) route: Option<&'static str>,
    /// The answer's status. `None`: the client left before there was one.
    pub(crate) status: Option<u16>,
    /// What failed.
    pub(crate) failure: Option<ErrorReason>,
}

#[derive(Default, Clone)]
struct Durations {
    /// One more than bounds: those above the last.
    counts: [u64; BOUNDS.len() + 1],
    sum: f64,
}

impl Meters {
    /// One more meter, for one gateway.
    pub(crate) fn add(&self) -> Arc<Meter> {
        let meter = Arc::<Meter>::default();
        self.meters().push(Arc::clone(&meter));
        meter
    }

    /// What all have counted, as Prometheus' text format 0.0.4 has it; `active` requests are being answered now.
    pub(crate) fn to_text(&self, active: usize) -> String {
        let mut all: HashMap<RequestKey, Durations> = HashMap::new();
        for meter in self.meters().iter() {
            for (key, durations) in meter.counted().iter() {
                match all.entry(*key) {
                    Entry::Vacant(entry) => {
                        entry.insert(durations.clone());
                    }
                    Entry::Occupied(mut entry) => entry.get_mut().add(durations),
                }
            }
        }
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        let mut text = format!(
            "# HELP {ACTIVE} HTTP requests that are being answered.\n# TYPE {ACTIVE} gauge\n{ACTIVE} {active}\n\
             # HELP {DURATION} Duration of HTTP requests, to the end of their answers.\n# TYPE {DURATION} histogram\n"
        );
        for (key, durations) in all {
            durations.write(&mut text, &key.labels());
        }
        text
    }

    fn meters(&self) -> MutexGuard<'_, Vec<Arc<Meter>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meter {
    /// Counts a request that has ended.
    pub(crate) fn count(&self, key: RequestKey, took: Duration) {
        let seconds = took.as_secs_f64();
        let mut counted = self.counted();
        let durations = counted.entry(key).or_default();
        durations.counts[BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
        durations.sum += seconds;
    }

    fn counted(&self) -> MutexGuard<'_, HashMap<RequestKey, Durations>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RequestKey {
    /// The labels, whose values need no escapes.
    fn labels(&self) -> String {
        let mut labels = format!(
            "http_request_method=\"{}\",url_scheme=\"{SCHEME}\"",
            self.method
        );
        let mut add = |name: &str, value: &str| {
            // Writing into a string doesn't fail.
            let _ = write!(labels, ",{name}=\"{value}\"");
        };
        if let Some(route) = self.route {
            add("http_route", route);
        }
        if let Some(status) = self.status {
            add("http_response_status_code", &status.to_string());
        }
        match (self.failure, self.status) {
            (Some(reason), _) => {
                add("error_type", &reason.as_info_reason().to_ascii_lowercase());
            }
            (None, Some(status @ 500..)) => add("error_type", &status.to_string()),
            (None, _) => {}
        }
        labels
    }
}

impl Durations {
    fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum += other.sum;
    }

    fn write(&self, text: &mut String, labels: &str) {
        let bounds = BOUNDS.iter().map(f64::to_string);
        let mut count = 0;
        for (bound, in_bucket) in bounds.chain(["+Inf".to_owned()]).zip(self.counts) {
            count += in_bucket;
            let _ = writeln!(text, "{DURATION}_bucket{{{labels},le=\"{bound}\"}} {count}");
        }
        let _ = writeln!(text, "{DURATION}_sum{{{labels}}} {}", self.sum);
        let _ = writeln!(text, "{DURATION}_count{{{labels}}} {count}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_gateways_counted_is_told_together() {
        let meters = Meters::default();
        let chat = RequestKey {
            method: "POST",
            route: Some("/v1/chat/completions"),
            status: Some(200),
            failure: None,
        };
        let left = RequestKey {
            method: "_OTHER",
            route: None,
            status: None,
            failure: None,
        };
        meters.add().count(chat, Duration::from_millis(10));
        let meter = meters.add();
        meter.count(chat, Duration::from_secs(20));
        meter.count(left, Duration::from_millis(250));
        let text = meters.to_text(3);
        let lines: Vec<_> = text
            .lines()
            .filter(|line| {
                !line.contains("le=\"") || line.contains("le=\"0.01\"") || line.contains("Inf")
            })
            .collect();
        assert_eq!(
            lines,
            [
                "# HELP http_server_active_requests HTTP requests that are being answered.",
                "# TYPE http_server_active_requests gauge",
                "http_server_active_requests 3",
                "# HELP http_server_request_duration_seconds Duration of HTTP requests, to the end of their answers.",
                "# TYPE http_server_request_duration_seconds histogram",
                r#"http_server_request_duration_seconds_bucket{http_request_method="POST",url_scheme="http",http_route="/v1/chat/completions",http_response_status_code="200",le="0.01"} 1"#,
                r#"http_server_request_duration_seconds_bucket{http_request_method="POST",url_scheme="http",http_route="/v1/chat/completions",http_response_status_code="200",le="+Inf"} 2"#,
                r#"http_server_request_duration_seconds_sum{http_request_method="POST",url_scheme="http",http_route="/v1/chat/completions",http_response_status_code="200"} 20.01"#,
                r#"http_server_request_duration_seconds_count{http_request_method="POST",url_scheme="http",http_route="/v1/chat/completions",http_response_status_code="200"} 2"#,
                r#"http_server_request_duration_seconds_bucket{http_request_method="_OTHER",url_scheme="http",le="0.01"} 0"#,
                r#"http_server_request_duration_seconds_bucket{http_request_method="_OTHER",url_scheme="http",le="+Inf"} 1"#,
                r#"http_server_request_duration_seconds_sum{http_request_method="_OTHER",url_scheme="http"} 0.25"#,
                r#"http_server_request_duration_seconds_count{http_request_method="_OTHER",url_scheme="http"} 1"#,
            ]
        );
    }

    #[test]
    fn a_failure_is_named_or_else_by_its_status() {
        let labels = |status, failure| {
            RequestKey {
                method: "GET",
                route: None,
                status,
                failure,
            }
            .labels()
        };
        assert!(
            labels(Some(200), Some(ErrorReason::UpstreamError))
                .ends_with(r#"http_response_status_code="200",error_type="upstream_error""#)
        );
        assert!(labels(Some(503), None).ends_with(r#"error_type="503""#));
        assert!(labels(Some(404), None).ends_with(r#"http_response_status_code="404""#));
    }
}
