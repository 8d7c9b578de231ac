//! Running gateway and core, together or apart: bind all, start all, wait, drain.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::Context;
use http::Uri;
use llm2api_core::Core;
use secrecy::SecretString;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{Configuration, LogFormat, Problem, Role},
    data_dir,
    export::Exporting,
    file_limit, listeners, memory,
    reload::{self, Reload},
    runtimes::{Runtimes, Work},
    servers::{self, CorePlace, Servers, sockets},
    shutdown::{self, DrainTimes, StopSignals, Stops},
    summary::{self, Facts},
};

/// What a process of this role needs beside the settings that have defaults.
#[derive(Debug)]
pub(crate) struct Plan {
    role: Role,
    grpc_address: Option<SocketAddr>,
    /// The cores of a gateway in a process of its own, and what proves it to them.
    cores_elsewhere: Option<(Vec<Uri>, SecretString)>,
}

impl Plan {
    /// Checks that the configuration has what the role needs.
    ///
    /// # Errors
    ///
    /// What is missing.
    pub(crate) fn new(role: Role, configuration: &Configuration) -> Result<Self, Vec<Problem>> {
        let grpc_address = configuration
            .grpc_address(role)
            .map_err(|problem| vec![problem])?;
        let cores_elsewhere = match role {
            Role::Serve | Role::Core => None,
            Role::Gateway => match (configuration.core_uris(), configuration.core_key()) {
                (Ok(uris), Ok(key)) => Some((uris, key)),
                (uris, key) => return Err([uris.err(), key.err()].into_iter().flatten().collect()),
            },
        };
        Ok(Self {
            role,
            grpc_address,
            cores_elsewhere,
        })
    }
}

/// Runs until a signal ends it.
///
/// # Errors
///
/// Why it could not start, or what broke while it ran.
pub(crate) fn run(
    plan: &Plan,
    configuration: &Configuration,
    config_option: Option<PathBuf>,
    format: LogFormat,
) -> anyhow::Result<()> {
    memory::close_to_others();
    file_limit::raise();
    let settings = &configuration.settings;
    let runtimes = Runtimes::build(settings.runtime, configuration.worker_count())
        .context("can't start the runtime")?;
    let entered = runtimes.enter();
    let stops = Stops::default();
    // Until the process ends.
    let _folders = match plan.role {
        Role::Serve | Role::Core => data_dir::lock_all(configuration)?,
        Role::Gateway => Vec::new(),
    };

    let opentelemetry = &configuration.opentelemetry;
    let mut exporting = Exporting::new(opentelemetry, plan.role)?;
    let core = match &plan.cores_elsewhere {
        Some((uris, key)) => CorePlace::Elsewhere {
            uris: uris.clone(),
            key: key.clone(),
        },
        None => {
            let mut config = reload::core_config(configuration, runtimes.count())?;
            config.telemetry = exporting.core(opentelemetry, plan.role);
            let core = runtimes.block_on(Core::new(config, stops.core.clone()))?;
            CorePlace::Here(Box::new(core))
        }
    };
    let bind = |setting, address| listeners::bind(setting, address, runtimes.count());
    let http = match plan.role {
        Role::Core => None,
        Role::Serve | Role::Gateway => Some(bind("LISTEN", settings.listen)?),
    };
    let grpc = plan
        .grpc_address
        .map(|address| bind("GRPC_LISTEN", address))
        .transpose()?;

    let facts = Facts::new(
        configuration,
        plan.role,
        http.as_ref().map(|listeners| listeners.address),
        grpc.as_ref().map(|listeners| listeners.address),
    );
    let times = DrainTimes {
        delay: settings.drain_delay,
        timeout: settings.drain_timeout,
    };

    let servers = TaskTracker::new();
    // One place for each server of each runtime: a failure never waits.
    let (failed, failures) = mpsc::channel(2 * runtimes.count());
    let gateway = configuration.gateway(core.uris());
    let telemetry = Arc::new(exporting.telemetry(opentelemetry, &core)?);
    let mut works = sockets(http, grpc, runtimes.count()).map(|sockets| -> Work {
        Box::pin(servers::serve(Servers {
            sockets,
            core: core.clone(),
            gateway: gateway.clone(),
            telemetry: Arc::clone(&telemetry),
            stops: stops.clone(),
            failed: failed.clone(),
            running: servers.token(),
        }))
    });
    let first = works.next();
    let others: Vec<Work> = works.collect();
    servers.close();

    let runtime_count = runtimes.count();
    let main = async {
        // Whatever runs here ends with the process.
        let mut tasks = JoinSet::new();
        let signals = StopSignals::listen().context("can't listen for signals")?;
        let reload = Reload::new(configuration, config_option, runtime_count)
            .context("can't listen for SIGHUP")?;
        tasks.spawn(first.context("there is no runtime")?);
        let core = core.here();
        tasks.spawn(reload.watch(core.clone()));
        // Ends by itself, once the answers have ended and what they left to be done is done.
        let mut background = JoinSet::new();
        if let Some(core) = core.clone() {
            background.spawn(async move { core.run().await });
        }
        tracing::info!(
            http = facts.http.map(tracing::field::display),
            grpc = facts.grpc.map(tracing::field::display),
            "listening"
        );
        tasks.spawn(summary::show(facts, core, format));
        let exports_end = CancellationToken::new();
        let mut exports = JoinSet::new();
        exports.spawn(exporting.run(exports_end.clone()));
        let result = supervise(signals, &stops, times, &servers, failures).await;
        stops.core.ending.cancel();
        background.join_all().await;
        // The last spans are there only now.
        exports_end.cancel();
        exports.join_all().await;
        result
    };
    drop(entered);
    runtimes.run(main, others).context("can't start a thread")?
}

async fn supervise(
    mut signals: StopSignals,
    stops: &Stops,
    times: DrainTimes,
    servers: &TaskTracker,
    mut failures: mpsc::Receiver<anyhow::Error>,
) -> anyhow::Result<()> {
    let signal = tokio::select! {
        signal = signals.next() => signal,
        Some(failure) = failures.recv() => return Err(failure),
    };
    tokio::select! {
        () = shutdown::stop(signal, stops, times, servers.wait()) => {}
        () = signals.end_process() => {}
    }
    tracing::info!("stopped");
    Ok(())
}
