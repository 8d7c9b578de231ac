//! The one table that comes out: what was measured, beside what it may cost.

use std::{fmt::Write, fs, path::Path, time::Duration};

use anyhow::{Context, Result};

use crate::{
    Measured,
    deployment::Kind,
    memory::HELD_STREAMS,
    rounds::{Round, Sample},
};

const BEGIN: &str = "<!-- bench: begin -->";
const END: &str = "<!-- bench: end -->";

/// Everything measured, as the report shows it.
#[derive(Debug)]
pub(crate) struct Report {
    lines: Vec<Line>,
    costs: Vec<[String; 5]>,
    facts: Vec<String>,
}

/// One thing that has a limit.
#[derive(Debug)]
struct Line {
    what: &'static str,
    measured: String,
    aim: String,
    limit: String,
    verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Aim,
    Limit,
    Over,
}

impl Verdict {
    fn text(self) -> &'static str {
        match self {
            Self::Aim => "aim met",
            Self::Limit => "within the limit",
            Self::Over => "**over the limit**",
        }
    }
}

impl Report {
    /// Compares what was measured with what it may cost.
    pub(crate) fn new(measured: &Measured) -> Self {
        Self {
            lines: lines(measured),
            costs: costs(measured),
            facts: measured.facts.clone(),
        }
    }

    /// Whether everything is within its limit.
    pub(crate) fn is_success(&self) -> bool {
        self.lines.iter().all(|line| line.verdict != Verdict::Over)
    }

    /// The report as Markdown.
    pub(crate) fn to_markdown(&self) -> String {
        let mut text =
            String::from("| what | measured | aim | limit | |\n| --- | --- | --- | --- | --- |\n");
        for line in &self.lines {
            // Writing to a string can't fail.
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                line.what,
                line.measured,
                line.aim,
                line.limit,
                line.verdict.text()
            );
        }
        text +=
            "\n| | direct | nginx | serve | core + gateway |\n| --- | --- | --- | --- | --- |\n";
        for cost in &self.costs {
            let _ = writeln!(text, "| {} |", cost.join(" | "));
        }
        text += "\n";
        for fact in &self.facts {
            let _ = writeln!(text, "- {fact}");
        }
        text
    }

    /// Puts the report between the two markers of a document.
    ///
    /// # Errors
    ///
    /// Where the document can't be read or written, or lacks the markers.
    pub(crate) fn write_into(&self, document: &Path) -> Result<()> {
        let text = fs::read_to_string(document)?;
        let (before, rest) = text
            .split_once(BEGIN)
            .with_context(|| format!("{} has no line {BEGIN}", document.display()))?;
        let (_, after) = rest
            .split_once(END)
            .with_context(|| format!("{} has no line {END}", document.display()))?;
        let table = self.to_markdown();
        fs::write(document, format!("{before}{BEGIN}\n{table}{END}{after}"))?;
        Ok(())
    }
}

/// The rows of the table in docs/performance.md that names the aims.
fn lines(measured: &Measured) -> Vec<Line> {
    let ratio = |kind, of: fn(&Sample) -> f64| {
        median(
            measured
                .rounds
                .iter()
                .map(|round| of(&round[&kind]) / of(&round[&Kind::Nginx])),
        )
    };
    let added = |of: fn(&Sample) -> f64| {
        median(
            measured
                .rounds
                .iter()
                .map(|round| of(&round[&Kind::Serve]) - of(&round[&Kind::Direct])),
        )
    };
    let request = |sample: &Sample| sample.cpu_per_request;
    let paced = |sample: &Sample| sample.cpu_per_paced_chunk;
    let burst = |sample: &Sample| sample.cpu_per_burst_chunk;
    let answered_p99 = |sample: &Sample| sample.latency.p99;
    let first_token_p99 = |sample: &Sample| sample.first_token.p99;

    let mut lines = vec![
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
    ];
    if let Some(syscalls) = &measured.syscalls {
        lines.push(plain(
            "system calls a chunk",
            syscalls.serve.per_chunk,
            2.3,
            2.6,
            "",
            2,
        ));
        lines.push(plain(
            "system calls a request",
            syscalls.serve.per_request,
            4.6,
            6.0,
            "",
            2,
        ));
    }
    lines.extend([
        plain(
            "added latency, p50",
            added(|sample| sample.latency.p50),
            280.0,
            470.0,
            " µs",
            0,
        ),
        plain(
            "added time to the first token, p50",
            added(|sample| sample.first_token.p50),
            240.0,
            400.0,
            " µs",
            0,
        ),
        tail(
            "added latency, p99",
            added(answered_p99),
            spread(&measured.rounds, answered_p99),
        ),
        tail(
            "added time to the first token, p99",
            added(first_token_p99),
            spread(&measured.rounds, first_token_p99),
        ),
    ]);
    if let Some(memory) = measured.memory.get(&Kind::Serve) {
        let held = mebibytes(memory.bytes_per_stream * 1_000.0);
        lines.push(plain(
            "memory for 1,000 held streams",
            held,
            40.0,
            60.0,
            " MiB",
            1,
        ));
        lines.push(plain(
            "memory idle",
            mebibytes(memory.idle_bytes as f64),
            16.0,
            24.0,
            " MiB",
            1,
        ));
    }
    for capacity in &measured.capacities {
        lines.push(Line {
            what: capacity.what,
            measured: capacity
                .tried
                .iter()
                .map(|held| {
                    format!(
                        "{} asked, {} open at once, tokens {} ms late at p99{}",
                        held.stream_count,
                        held.peak,
                        held.late_p99.as_millis(),
                        held.error
                            .as_deref()
                            .map(|error| format!(", {error}"))
                            .unwrap_or_default(),
                    )
                })
                .collect::<Vec<_>>()
                .join("; "),
            aim: capacity.aim.to_string(),
            limit: capacity.limit.to_string(),
            verdict: match capacity.tried.iter().find(|held| held.is_success()) {
                Some(held) if held.stream_count >= capacity.aim => Verdict::Aim,
                Some(held) if held.stream_count >= capacity.limit => Verdict::Limit,
                _ => Verdict::Over,
            },
        });
    }
    lines.push(times(
        "two processes: CPU a request, × nginx",
        ratio(Kind::Split, request),
        2.5,
        4.3,
    ));
    lines.push(times(
        "two processes: CPU a chunk, × nginx",
        ratio(Kind::Split, paced),
        1.6,
        2.4,
    ));
    for departures in &measured.departures {
        lines.push(Line {
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
                    |freed: Duration| format!("after {} ms", freed.as_millis())
                ),
            ),
            aim: "no error; memory within 20 % in 60 s".to_owned(),
            limit: "same".to_owned(),
            verdict: if departures.is_success() { Verdict::Aim } else { Verdict::Over },
        });
    }
    lines
}

/// What each deployment costs, without a judgement.
fn costs(measured: &Measured) -> Vec<[String; 5]> {
    let row = |name: &str, of: &dyn Fn(Kind) -> Option<f64>, digits: usize| {
        let cell =
            |kind| of(kind).map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"));
        let [direct, nginx, serve, split] = Kind::ALL.map(cell);
        [name.to_owned(), direct, nginx, serve, split]
    };
    let sampled = |of: fn(&Sample) -> f64| {
        move |kind: Kind| {
            Some(median(
                measured.rounds.iter().map(|round| of(&round[&kind])),
            ))
        }
    };
    // The direct run has no process of its own to look at.
    let own = |of: fn(&Sample) -> f64| {
        move |kind: Kind| sampled(of)(kind).filter(|_| kind != Kind::Direct)
    };
    let counted = |of: fn(&crate::SyscallsPerUnit) -> f64| {
        move |kind: Kind| {
            let syscalls = measured.syscalls.as_ref()?;
            match kind {
                Kind::Nginx => Some(of(&syscalls.nginx)),
                Kind::Serve => Some(of(&syscalls.serve)),
                Kind::Direct | Kind::Split => None,
            }
        }
    };
    let mut rows = vec![
        row(
            "CPU µs a request, 32 connections",
            &own(|sample| sample.cpu_per_request),
            1,
        ),
        row(
            "requests a second in that loop",
            &sampled(|sample| sample.requests_per_second),
            0,
        ),
        row(
            "CPU µs a chunk, 64 streams, tokens 10 ms apart",
            &own(|sample| sample.cpu_per_paced_chunk),
            1,
        ),
        row(
            "CPU µs a chunk, burst",
            &own(|sample| sample.cpu_per_burst_chunk),
            2,
        ),
        row(
            "latency p50 µs, 200 requests a second",
            &sampled(|sample| sample.latency.p50),
            0,
        ),
        row("latency p99 µs", &sampled(|sample| sample.latency.p99), 0),
        row(
            "first token p50 µs, 100 streams a second",
            &sampled(|sample| sample.first_token.p50),
            0,
        ),
        row(
            "first token p99 µs",
            &sampled(|sample| sample.first_token.p99),
            0,
        ),
    ];
    if let Some(syscalls) = &measured.syscalls {
        let by = syscalls.counter;
        rows.push(row(
            &format!("system calls a request ({by})"),
            &counted(|unit| unit.per_request),
            2,
        ));
        rows.push(row(
            &format!("system calls a chunk ({by})"),
            &counted(|unit| unit.per_chunk),
            2,
        ));
    }
    let weighed = |kind: Kind| measured.memory.get(&kind);
    rows.push(row(
        &format!("KiB a held stream, of {HELD_STREAMS}"),
        &|kind| Some(weighed(kind)?.bytes_per_stream / 1024.0),
        1,
    ));
    rows.push(row(
        "MiB idle (PSS)",
        &|kind| Some(mebibytes(weighed(kind)?.idle_bytes as f64)),
        1,
    ));
    rows
}

fn times(what: &'static str, value: f64, aim: f64, limit: f64) -> Line {
    Line {
        what,
        measured: format!("{value:.2}×"),
        aim: format!("≤ {aim:.2}×"),
        limit: format!("{limit:.2}×"),
        verdict: judge(value, aim, limit),
    }
}

fn plain(what: &'static str, value: f64, aim: f64, limit: f64, unit: &str, digits: usize) -> Line {
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
    Line {
        what,
        measured: format!("{added_micros:.0} µs"),
        aim: format!("≤ {direct_spread_micros:.0} µs, the direct run's own spread"),
        limit: "2000 µs".to_owned(),
        verdict: judge(added_micros, direct_spread_micros, 2_000.0),
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

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

fn mebibytes(bytes: f64) -> f64 {
    bytes / (1024.0 * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_replaces_only_what_is_between_the_markers() {
        let folder = tempfile::tempdir().unwrap();
        let document = folder.path().join("document.md");
        fs::write(&document, format!("before\n{BEGIN}\nold\n{END}\nafter\n")).unwrap();
        let report = Report {
            lines: vec![plain("a thing", 3.0, 2.0, 4.0, " µs", 1)],
            costs: Vec::new(),
            facts: vec!["a machine".to_owned()],
        };
        report.write_into(&document).unwrap();
        assert_eq!(
            fs::read_to_string(&document).unwrap(),
            format!(
                "before\n{BEGIN}\n\
                 | what | measured | aim | limit | |\n| --- | --- | --- | --- | --- |\n\
                 | a thing | 3.0 µs | ≤ 2 µs | 4 µs | within the limit |\n\n\
                 | | direct | nginx | serve | core + gateway |\n| --- | --- | --- | --- | --- |\n\n\
                 - a machine\n{END}\nafter\n"
            )
        );
    }

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert!((median([3.0, 1.0, 2.0].into_iter()) - 2.0).abs() < f64::EPSILON);
        assert!((median([4.0, 1.0, 2.0, 3.0].into_iter()) - 2.5).abs() < f64::EPSILON);
    }

    #[test]
    fn what_could_not_be_measured_is_over_the_limit() {
        assert_eq!(judge(f64::NAN, 1.0, 2.0), Verdict::Over);
    }
}
