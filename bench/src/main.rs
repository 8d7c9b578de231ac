//! Measures what llm2api costs, beside nginx, which moves the same bytes without a look at them.
//!
//! A scripted upstream and a client that checks every answer run in this process; what stands between them is started, measured
//! through `/proc` and ended again. Everything stays on loopback, nothing is left behind, and the run ends by itself: with one
//! table, and with status 1 where something is over its limit (docs/performance.md).

mod answer;
mod capacity;
mod client;
mod departures;
mod deployment;
mod load;
mod machine;
mod memory;
mod process;
mod report;
mod rounds;
mod script;
mod syscalls;
mod upstream;
mod wire;

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::{
    ctrl_c,
    unix::{SignalKind, signal},
};

use crate::{
    capacity::Held,
    client::Question,
    departures::Departures,
    deployment::{Deployment, Kind, Parts},
    memory::Memory,
    report::Report,
    rounds::Round,
    script::Script,
    syscalls::Counter,
    upstream::ScriptedUpstream,
};

/// Measures what llm2api costs, beside nginx as a plain reverse proxy.
#[derive(Debug, Parser)]
struct Arguments {
    /// The llm2api to measure, built for release.
    #[arg(long)]
    llm2api: PathBuf,
    /// Measures little and short: to see that all works, not to compare.
    #[arg(long)]
    quick: bool,
    /// Measures only this part; may be given more than once.
    #[arg(long, value_enum, conflicts_with = "write")]
    only: Vec<Part>,
    /// The document that gets the table, between its markers.
    #[arg(long)]
    write: Option<PathBuf>,
}

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Processor time and latencies, in interleaved rounds.
    Rounds,
    /// System calls.
    Syscalls,
    /// Memory, idle and for held streams.
    Memory,
    /// How many streams can be held.
    Capacity,
    /// Clients that hang up.
    HangUps,
    /// Choosing a credential.
    Pool,
    /// Watching what is done for a chat.
    Monitor,
}

/// Everything that was measured; what wasn't is empty.
#[derive(Debug)]
struct Measured {
    facts: Vec<String>,
    rounds: Vec<Round>,
    /// `None` also where nothing here can count them.
    syscalls: Option<Syscalls>,
    memory: BTreeMap<Kind, Memory>,
    capacities: Vec<Capacity>,
    departures: Vec<Departures>,
    choosing: Option<Choosing>,
    watching: Option<Duration>,
}

/// How long it takes to choose a credential, and to give it back.
#[derive(Debug)]
struct Choosing {
    of_ten: Duration,
    of_ten_thousand: Duration,
}

/// System calls, by whom they were counted.
#[derive(Debug)]
struct Syscalls {
    counter: &'static str,
    nginx: SyscallsPerUnit,
    serve: SyscallsPerUnit,
}

/// System calls for one of each.
#[derive(Debug)]
struct SyscallsPerUnit {
    per_request: f64,
    per_chunk: f64,
}

/// How many streams were held.
#[derive(Debug)]
struct Capacity {
    what: &'static str,
    tried: Vec<Held>,
    aim: usize,
    limit: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let open_file_limit = raise_open_file_limit()?;
    let upstream = ScriptedUpstream::start()?;
    let parts = Parts {
        llm2api: arguments.llm2api.clone(),
        nginx: find_program("nginx").context("nginx is not installed")?,
        upstream: upstream.address,
        core_count: std::thread::available_parallelism()?.get(),
        open_file_limit,
    };
    // Ended from outside, it still ends what it started: that is dropped.
    let mut terminated = signal(SignalKind::terminate())?;
    let measured = tokio::select! {
        measured = measure(&arguments, &parts, &upstream) => measured?,
        _ = terminated.recv() => bail!("terminated"),
        interrupted = ctrl_c() => {
            interrupted?;
            bail!("interrupted");
        }
    };
    let report = Report::new(&measured);
    println!("{}", report.to_markdown());
    if let Some(document) = &arguments.write {
        report.write_into(document)?;
    }
    Ok(if report.is_success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn measure(
    arguments: &Arguments,
    parts: &Parts,
    upstream: &ScriptedUpstream,
) -> Result<Measured> {
    let (round_count, window) = if arguments.quick {
        (1, Duration::from_secs(1))
    } else {
        (5, Duration::from_secs(4))
    };
    let wanted = |part| arguments.only.is_empty() || arguments.only.contains(&part);
    let mut measured = Measured {
        facts: machine::facts(parts),
        rounds: Vec::new(),
        syscalls: None,
        memory: BTreeMap::new(),
        capacities: Vec::new(),
        departures: Vec::new(),
        choosing: None,
        watching: None,
    };

    if wanted(Part::Rounds) || wanted(Part::Syscalls) {
        let mut deployments = Vec::new();
        for kind in Kind::ALL {
            deployments.push(Deployment::start(kind, parts).await?);
        }
        if wanted(Part::Rounds) {
            measured.rounds = rounds::run(&deployments, round_count, window).await?;
        }
        let counter = Counter::choose(find_program("perf"), find_program("strace"));
        if let Some(counter) = counter.filter(|_| wanted(Part::Syscalls)) {
            eprintln!("system calls");
            measured.syscalls = Some(count_syscalls(&counter, &deployments, window).await?);
        }
    }
    if wanted(Part::Memory) {
        eprintln!("memory");
        for kind in [Kind::Nginx, Kind::Serve, Kind::Split] {
            let memory = memory::weigh(kind, parts).await?;
            measured.memory.insert(kind, memory);
        }
    }
    if wanted(Part::Capacity) {
        measured.capacities = measure_capacities(arguments.quick, parts, upstream).await?;
    }
    if wanted(Part::HangUps) {
        for kind in [Kind::Serve, Kind::Split] {
            eprintln!("hang-ups, {}", kind.name());
            let departures = departures::run(kind, parts, upstream).await?;
            measured.departures.push(departures);
        }
    }
    if wanted(Part::Pool) {
        eprintln!("choosing a credential");
        measured.choosing = Some(Choosing {
            of_ten: llm2api_core::measure::choosing(10),
            of_ten_thousand: llm2api_core::measure::choosing(10_000),
        });
    }
    if wanted(Part::Monitor) {
        eprintln!("watching a chat");
        measured.watching = Some(llm2api_core::measure::watching());
    }
    Ok(measured)
}

async fn measure_capacities(
    quick: bool,
    parts: &Parts,
    upstream: &ScriptedUpstream,
) -> Result<Vec<Capacity>> {
    let mut capacities = Vec::new();
    for (what, script, aim, limit) in [
        ("streams at 1 token a second", Script::Slow, 9_000, 5_000),
        ("streams at 20 tokens a second", Script::Brisk, 2_500, 1_000),
    ] {
        eprintln!("{what}");
        let stream_counts: &[usize] = if quick { &[limit] } else { &[aim, limit] };
        let tried =
            capacity::most_held(Kind::Serve, script, stream_counts, parts, upstream).await?;
        capacities.push(Capacity {
            what,
            tried,
            aim,
            limit,
        });
    }
    Ok(capacities)
}

async fn count_syscalls(
    counter: &Counter,
    deployments: &[Deployment],
    window: Duration,
) -> Result<Syscalls> {
    let mut units = Vec::new();
    for kind in [Kind::Nginx, Kind::Serve] {
        let deployment = deployments
            .iter()
            .find(|deployment| deployment.kind == kind)
            .with_context(|| format!("{} was not started", kind.name()))?;
        let question = Question::new(Script::Whole, false);
        let requests = load::closed_loop_for(
            deployment.address,
            &question,
            rounds::SATURATING_CONNECTIONS,
            Duration::ZERO,
            window,
        );
        let (request_calls, request_count) = counter.count(deployment, requests).await?;
        let question = Question::new(Script::Paced, true);
        let streams = load::closed_loop_for(
            deployment.address,
            &question,
            rounds::PACED_STREAMS,
            Duration::from_secs(1),
            window,
        );
        let (stream_calls, stream_count) = counter.count(deployment, streams).await?;
        units.push(SyscallsPerUnit {
            per_request: request_calls as f64 / request_count as f64,
            per_chunk: stream_calls as f64 / rounds::chunk_count(Script::Paced, stream_count),
        });
    }
    let mut units = units.into_iter();
    let (Some(nginx), Some(serve)) = (units.next(), units.next()) else {
        bail!("the system calls of two deployments are needed");
    };
    Ok(Syscalls {
        counter: counter.name(),
        nginx,
        serve,
    })
}

/// Lets this process and those that it starts open as many files as the system allows; tells how many that is.
fn raise_open_file_limit() -> Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )
    .context("can't raise the limit of open files")?;
    Ok(limit.maximum.unwrap_or(1 << 20))
}

/// Where a program is, in the folders of `PATH` and in Debian's for administrators.
fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(name))
        .find(|program| Path::is_file(program))
}
