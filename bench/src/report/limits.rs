//! What has a limit, and whether it is within it.

use std::time::Duration;

use super::{mebibytes, median};
use crate::{
    Capacity, Choosing, Measured, Syscalls,
    departures::Departures,
    deployment::Kind,
    rounds::{Round, Sample},
};

/// One thing that has a limit.
#[derive(Debug)]
pub(super) struct Line {
    /// Its name.
    pub(super) what: &'static str,
    /// What came out, with its unit.
    pub(super) measured: String,
    /// What we want.
    pub(super) aim: String,
    /// What we accept.
    pub(super) limit: String,
    /// How the first compares with the other two.
    pub(super) verdict: Verdict,
}

/// How good a figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As we want it.
    Aim,
    /// Acceptable.
    Limit,
    /// Too much.
    Over,
}

impl Verdict {
    /// As the table says it.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Aim => "aim met",
            Self::Limit => "within the limit",
            Self::Over => "**over the limit**",
        }
    }
}

/// Everything that has a limit and was measured.
pub(super) fn lines(measured: &Measured) -> Vec<Line> {
    let mut lines = of_rounds(&measured.rounds);
    if let Some(syscalls) = &measured.syscalls {
        let Syscalls { serve, .. } = syscalls;
        lines.push(plain(
            "system calls a chunk",
            serve.per_chunk,
            2.3,
            2.6,
            "",
            2,
        ));
        lines.push(plain(
            "system calls a request",
            serve.per_request,
            4.6,
            6.0,
            "",
            2,
        ));
    }
    if let Some(memory) = measured.memory.get(&Kind::Serve) {
        let held = mebibytes(memory.bytes_per_stream * 1_000.0);
        let idle = mebibytes(memory.idle_bytes as f64);
        lines.push(plain(
            "memory for 1,000 held streams",
            held,
            40.0,
            60.0,
            " MiB",
            1,
        ));
        lines.push(plain("memory idle", idle, 16.0, 24.0, " MiB", 1));
    }
    lines.extend(measured.capacities.iter().map(of_capacity));
    lines.extend(measured.departures.iter().map(of_departures));
    if let Some(Choosing {
        of_ten,
        of_ten_thousand,
    }) = &measured.choosing
    {
        let microseconds = |duration: &Duration| duration.as_secs_f64() * 1e6;
        lines.push(plain(
            "choosing one of 10 credentials, and giving it back",
            microseconds(of_ten),
            1.0,
            2.0,
            " µs",
            2,
        ));
        // What is not in the processor's nearest cache costs a little more.
        lines.push(plain(
            "choosing one of 10,000",
            microseconds(of_ten_thousand),
            1.0,
            2.0,
            " µs",
            2,
        ));
    }
    if let Some(watching) = measured.watching {
        lines.push(plain(
            "noting what is done for a chat, and counting it",
            watching.as_secs_f64() * 1e6,
            3.0,
            5.0,
            " µs",
            2,
        ));
    }
    lines
}

fn of_rounds(rounds: &[Round]) -> Vec<Line> {
    if rounds.is_empty() {
        return Vec::new();
    }
    let ratio = |kind, of: fn(&Sample) -> f64| {
        median(
            rounds
                .iter()
                .map(|round| of(&round[&kind]) / of(&round[&Kind::Nginx])),
        )
    };
    let added = |of: fn(&Sample) -> f64| {
        median(
            rounds
                .iter()
                .map(|round| of(&round[&Kind::Serve]) - of(&round[&Kind::Direct])),
        )
    };
    let request = |sample: &Sample| sample.cpu_per_request;
    let paced = |sample: &Sample| sample.cpu_per_paced_chunk;
    let burst = |sample: &Sample| sample.cpu_per_burst_chunk;
    let latency = |sample: &Sample| sample.latency.p50;
    let latency_tail = |sample: &Sample| sample.latency.p99;
    let first_token = |sample: &Sample| sample.first_token.p50;
    let first_token_tail = |sample: &Sample| sample.first_token.p99;
    vec![
        times(
            "CPU a request that isn't streamed, × nginx",
            ratio(Kind::Serve, request),
            2.0,
            2.8,
        ),
        times(
            "CPU a chunk, tokens 10 ms apart, × nginx",
            ratio(Kind::Serve, paced),
            1.1,
            1.3,
        ),
        times(
            "CPU a chunk in a burst, × nginx",
            ratio(Kind::Serve, burst),
            3.0,
            7.0,
        ),
        times(
            "two processes: CPU a request, × nginx",
            ratio(Kind::Split, request),
            2.5,
            4.3,
        ),
        times(
            "two processes: CPU a chunk, × nginx",
            ratio(Kind::Split, paced),
            1.6,
            2.4,
        ),
        plain("added latency, p50", added(latency), 280.0, 470.0, " µs", 0),
        plain(
            "added time to the first token, p50",
            added(first_token),
            240.0,
            400.0,
            " µs",
            0,
        ),
        tail(
            "added latency, p99",
            added(latency_tail),
            spread(rounds, latency_tail),
        ),
        tail(
            "added time to the first token, p99",
            added(first_token_tail),
            spread(rounds, first_token_tail),
        ),
    ]
}

fn of_capacity(capacity: &Capacity) -> Line {
    let tried: Vec<String> = capacity
        .tried
        .iter()
        .map(|held| {
            let late_ms = held.late_p99.as_millis();
            let error = held.error.as_deref().map(|error| format!(", {error}"));
            format!(
                "{} asked, {} open at once, tokens {late_ms} ms late at p99{}",
                held.stream_count,
                held.peak,
                error.unwrap_or_default(),
            )
        })
        .collect();
    let most = capacity
        .tried
        .iter()
        .filter(|held| held.is_success())
        .map(|held| held.stream_count)
        .max();
    Line {
        what: capacity.what,
        measured: tried.join("; "),
        aim: capacity.aim.to_string(),
        limit: capacity.limit.to_string(),
        verdict: match most {
            Some(most) if most >= capacity.aim => Verdict::Aim,
            Some(most) if most >= capacity.limit => Verdict::Limit,
            _ => Verdict::Over,
        },
    }
}

fn of_departures(departures: &Departures) -> Line {
    Line {
        what: match departures.kind {
            Kind::Split => "10,000 hang-ups, two processes",
            Kind::Direct | Kind::Nginx | Kind::Serve => "10,000 hang-ups",
        },
        measured: format!(
            "{}; {} other answers, all right; memory {:.1} → {:.1} MiB after {} s; the upstream freed {}",
            departures.error.as_deref().unwrap_or("no error"),
            departures.steady_answers,
            mebibytes(departures.before_bytes as f64),
            mebibytes(departures.after_bytes as f64),
            departures.recovery.as_secs(),
            departures.upstream_freed.map_or_else(
                || "not within 1 s".to_owned(),
                |freed| format!("after {} ms", freed.as_millis())
            ),
        ),
        aim: "no error; memory within 20 % in 60 s".to_owned(),
        limit: "same".to_owned(),
        verdict: if departures.is_success() {
            Verdict::Aim
        } else {
            Verdict::Over
        },
    }
}

/// A ratio to nginx.
fn times(what: &'static str, value: f64, aim: f64, limit: f64) -> Line {
    Line {
        what,
        measured: format!("{value:.2}×"),
        aim: format!("≤ {aim:.2}×"),
        limit: format!("{limit:.2}×"),
        verdict: judge(value, aim, limit),
    }
}

/// A figure that should be at most `aim` and may be at most `limit`.
pub(super) fn plain(
    what: &'static str,
    value: f64,
    aim: f64,
    limit: f64,
    unit: &str,
    digits: usize,
) -> Line {
    Line {
        what,
        measured: format!("{value:.digits$}{unit}"),
        aim: format!("≤ {aim}{unit}"),
        limit: format!("{limit}{unit}"),
        verdict: judge(value, aim, limit),
    }
}

/// A p99: it should drown in what the direct run's own varies by, and may be 2 ms more.
fn tail(what: &'static str, added_micros: f64, direct_spread_micros: f64) -> Line {
    let limit_micros = direct_spread_micros + 2_000.0;
    Line {
        what,
        measured: format!("{added_micros:.0} µs"),
        aim: format!("≤ {direct_spread_micros:.0} µs, the direct run's own spread"),
        limit: format!("{limit_micros:.0} µs"),
        verdict: judge(added_micros, direct_spread_micros, limit_micros),
    }
}

fn judge(value: f64, aim: f64, limit: f64) -> Verdict {
    if value <= aim {
        Verdict::Aim
    } else if value <= limit {
        Verdict::Limit
    } else {
        // Not a number is over, too.
        Verdict::Over
    }
}

/// By how much the direct run differs from round to round.
fn spread(rounds: &[Round], of: fn(&Sample) -> f64) -> f64 {
    let values = rounds.iter().map(|round| of(&round[&Kind::Direct]));
    let (least, most) = values.fold((f64::INFINITY, 0.0_f64), |(least, most), value| {
        (least.min(value), most.max(value))
    });
    most - least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_measured_is_over_the_limit() {
        assert_eq!(judge(f64::NAN, 1.0, 2.0), Verdict::Over);
    }
}
