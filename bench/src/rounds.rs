//! The interleaved rounds: each measure on each deployment in turn, again and again, so that what else the machine does meets all
//! alike. Ratios are taken within a round; the report shows medians.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};

use crate::{
    client::Question,
    deployment::{Deployment, Kind},
    load::{self, Until},
    script::Script,
};

/// Connections of the closed loop: enough to keep two cores busy.
pub(crate) const SATURATING_CONNECTIONS: u32 = 32;
/// Streams of the paced loop: 6,400 chunks a second.
pub(crate) const PACED_STREAMS: u32 = 64;
/// Streams of the burst loop.
const BURST_STREAMS: u32 = 8;
/// The open loop's rate: far from saturation on any deployment.
const REQUESTS_PER_SECOND: u32 = 200;
/// Streams begun a second where the first token is timed.
const STREAMS_PER_SECOND: u32 = 100;

/// What one deployment showed in one round. Times are in microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sample {
    /// Processor time a request that isn't streamed, saturated.
    pub(crate) cpu_per_request: f64,
    /// Answers a second in that loop.
    pub(crate) requests_per_second: f64,
    /// Processor time a chunk, tokens 10 ms apart.
    pub(crate) cpu_per_paced_chunk: f64,
    /// Processor time a chunk, as fast as they are taken.
    pub(crate) cpu_per_burst_chunk: f64,
    /// Time until the answer to a request that isn't streamed, in open loop.
    pub(crate) latency: Percentiles,
    /// Time until the first token, in open loop.
    pub(crate) first_token: Percentiles,
}

/// The middle and the tail of a distribution, in microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Percentiles {
    /// Half are below.
    pub(crate) p50: f64,
    /// All but one in a hundred are below.
    pub(crate) p99: f64,
}

/// What one round showed.
pub(crate) type Round = BTreeMap<Kind, Sample>;

#[derive(Debug, Clone, Copy)]
enum Measure {
    Request,
    PacedChunk,
    BurstChunk,
    Latency,
    FirstToken,
}

/// Runs this many rounds, each measure for this long.
///
/// # Errors
///
/// Where any answer is wrong.
pub(crate) async fn run(
    deployments: &[Deployment],
    count: u32,
    window: Duration,
) -> Result<Vec<Round>> {
    for deployment in deployments {
        // Connections opened, lists fetched, code paged in.
        let mut warm_up = Sample::default();
        measure(
            Measure::Request,
            deployment,
            Duration::from_millis(500),
            &mut warm_up,
        )
        .await?;
    }
    let mut rounds = Vec::new();
    for number in 1..=count {
        eprintln!("round {number} of {count}");
        let mut round = Round::new();
        for measure_ in [
            Measure::Request,
            Measure::PacedChunk,
            Measure::BurstChunk,
            Measure::Latency,
            Measure::FirstToken,
        ] {
            for deployment in deployments {
                let sample = round.entry(deployment.kind).or_default();
                measure(measure_, deployment, window, sample)
                    .await
                    .with_context(|| {
                        format!(
                            "{measure_:?} through {}\n{}",
                            deployment.kind.name(),
                            deployment.last_words()
                        )
                    })?;
            }
        }
        rounds.push(round);
    }
    Ok(rounds)
}

async fn measure(
    measure: Measure,
    deployment: &Deployment,
    window: Duration,
    sample: &mut Sample,
) -> Result<()> {
    let address = deployment.address;
    match measure {
        Measure::Request => {
            let question = Question::new(Script::Whole, false);
            let load = load::closed_loop_for(
                address,
                &question,
                SATURATING_CONNECTIONS,
                Duration::ZERO,
                window,
            );
            let (answer_count, cpu) = with_cpu_time(deployment, load).await?;
            sample.cpu_per_request = micros(cpu) / answer_count as f64;
            sample.requests_per_second = answer_count as f64 / window.as_secs_f64();
        }
        Measure::PacedChunk => {
            let question = Question::new(Script::Paced, true);
            let load = load::closed_loop_for(
                address,
                &question,
                PACED_STREAMS,
                Duration::from_secs(1),
                window,
            );
            let (answer_count, cpu) = with_cpu_time(deployment, load).await?;
            sample.cpu_per_paced_chunk = micros(cpu) / chunk_count(Script::Paced, answer_count);
        }
        Measure::BurstChunk => {
            let question = Question::new(Script::Burst, true);
            let load =
                load::closed_loop_for(address, &question, BURST_STREAMS, Duration::ZERO, window);
            let (answer_count, cpu) = with_cpu_time(deployment, load).await?;
            sample.cpu_per_burst_chunk = micros(cpu) / chunk_count(Script::Burst, answer_count);
        }
        Measure::Latency => {
            let question = Question::new(Script::Whole, false);
            sample.latency = percentiles(
                load::open_loop(
                    address,
                    &question,
                    Until::Answered,
                    REQUESTS_PER_SECOND,
                    window,
                )
                .await?,
            );
        }
        Measure::FirstToken => {
            let question = Question::new(Script::Short, true);
            sample.first_token = percentiles(
                load::open_loop(
                    address,
                    &question,
                    Until::FirstToken,
                    STREAMS_PER_SECOND,
                    window,
                )
                .await?,
            );
        }
    }
    Ok(())
}

/// The chunks with text in this many answers.
pub(crate) fn chunk_count(script: Script, answer_count: u64) -> f64 {
    answer_count as f64 * script.token_count() as f64
}

async fn with_cpu_time(
    deployment: &Deployment,
    load: impl Future<Output = Result<u64>>,
) -> Result<(u64, Duration)> {
    let before = deployment.cpu_time();
    let answer_count = load.await?;
    Ok((answer_count, deployment.cpu_time().saturating_sub(before)))
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn percentiles(mut latencies: Vec<Duration>) -> Percentiles {
    latencies.sort_unstable();
    let at = |share: f64| {
        let index = (latencies.len() as f64 * share) as usize;
        latencies.get(index).copied().map_or(f64::NAN, micros)
    };
    Percentiles {
        p50: at(0.5),
        p99: at(0.99),
    }
}
