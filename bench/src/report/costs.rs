//! What each deployment costs, without a judgement.

use super::{mebibytes, median};
use crate::{Measured, SyscallsPerUnit, deployment::Kind, memory::HELD_STREAMS, rounds::Sample};

/// One row a figure: its name, and one cell a deployment.
pub(super) fn costs(measured: &Measured) -> Vec<[String; 5]> {
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
    let counted = |of: fn(&SyscallsPerUnit) -> f64| {
        move |kind: Kind| {
            let syscalls = measured.syscalls.as_ref()?;
            match kind {
                Kind::Nginx => Some(of(&syscalls.nginx)),
                Kind::Serve => Some(of(&syscalls.serve)),
                Kind::Direct | Kind::Split => None,
            }
        }
    };
    let mut rows = Vec::new();
    if !measured.rounds.is_empty() {
        rows.extend([
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
        ]);
    }
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
    if !measured.memory.is_empty() {
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
    }
    rows
}
