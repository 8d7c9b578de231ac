//! What is served on one runtime: gateway, core or both.

use std::{net::TcpListener as StdTcpListener, sync::Arc};

use anyhow::Context;
use http::Uri;
use llm2api_core::{Core, InProcess};
use llm2api_gateway::{CoreLink, CoreService, Gateway, Telemetry, config::Config as GatewayConfig};
use secrecy::SecretString;
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::{listeners::Listeners, shutdown::Stops};

/// Where the core is.
#[derive(Clone)]
pub(crate) enum CorePlace {
    /// In this process.
    Here(Box<Core>),
    /// In others.
    Elsewhere {
        /// Their addresses, in order of preference.
        uris: Vec<Uri>,
        /// What proves us to them.
        key: SecretString,
    },
}

impl CorePlace {
    /// The core, where it is in this process.
    pub(crate) fn here(&self) -> Option<Core> {
        match self {
            Self::Here(core) => Some(Core::clone(core)),
            Self::Elsewhere { .. } => None,
        }
    }

    /// The cores' addresses, where they are in other processes.
    pub(crate) fn uris(&self) -> &[Uri] {
        match self {
            Self::Here(_) => &[],
            Self::Elsewhere { uris, .. } => uris,
        }
    }

    /// The core as a gateway calls it; what keeps it in reach runs in `background`.
    fn connect(&self, background: &mut JoinSet<()>) -> anyhow::Result<CoreService> {
        match self {
            Self::Here(core) => {
                let InProcess { chat, services, .. } = core.in_process();
                Ok(CoreService::in_process(chat, services))
            }
            Self::Elsewhere { uris, key } => {
                let (service, watch) = CoreLink::connect(uris.clone(), key)?;
                background.spawn(watch);
                Ok(service)
            }
        }
    }
}

/// The sockets of one runtime.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    http: Option<StdTcpListener>,
    grpc: Option<StdTcpListener>,
}

/// Deals the listeners out to the runtimes.
pub(crate) fn sockets(
    http: Option<Listeners>,
    grpc: Option<Listeners>,
    runtime_count: usize,
) -> impl Iterator<Item = Sockets> {
    let mut http = http.into_iter().flat_map(|listeners| listeners.sockets);
    let mut grpc = grpc.into_iter().flat_map(|listeners| listeners.sockets);
    (0..runtime_count).map(move |_| Sockets {
        http: http.next(),
        grpc: grpc.next(),
    })
}

/// What is served on one runtime.
pub(crate) struct Servers {
    /// Where.
    pub(crate) sockets: Sockets,
    /// Who answers.
    pub(crate) core: CorePlace,
    /// What the gateway is told.
    pub(crate) gateway: GatewayConfig,
    /// What the gateway tells its spans and counts to.
    pub(crate) telemetry: Arc<Telemetry>,
    /// How both are told to stop.
    pub(crate) stops: Stops,
    /// Takes what breaks.
    pub(crate) failed: mpsc::Sender<anyhow::Error>,
    /// Dropped when all servers here have ended.
    pub(crate) running: TaskTrackerToken,
}

/// Serves until gateway and core have ended on this runtime.
pub(crate) async fn serve(servers: Servers) {
    // Whatever runs here ends when the servers have.
    let mut background = JoinSet::new();
    let mut running = JoinSet::new();
    if let Some(socket) = servers.sockets.http {
        let core = servers.core.connect(&mut background);
        let (config, telemetry) = (servers.gateway, servers.telemetry);
        let stopping = servers.stops.gateway;
        running.spawn(async move {
            let listener = TcpListener::from_std(socket)?;
            let gateway = Gateway::new(config, core?, telemetry);
            gateway.serve(listener, stopping).await.context("HTTP")
        });
    }
    if let (CorePlace::Here(core), Some(socket)) = (servers.core, servers.sockets.grpc) {
        running.spawn(async move {
            let listener = TcpListener::from_std(socket)?;
            core.serve(listener).await.context("gRPC")
        });
    }
    while let Some(ended) = running.join_next().await {
        let result = ended.unwrap_or_else(|panic| Err(panic.into()));
        if let Err(failure) = result {
            // The receiver is gone only when the process stops for another failure.
            let _ = servers.failed.send(failure).await;
        }
    }
    drop(servers.running);
}
