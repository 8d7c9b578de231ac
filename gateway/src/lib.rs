//! llm2api's HTTP facade: OpenAI's JSON and SSE on one side, the gRPC contract on the other. It knows the core only through
//! `llm2api-proto`, in one process as in two.

mod access;
mod body;
mod calls;
mod client_address;
mod compression;
pub mod config;
mod connection;
mod core_client;
mod core_service;
mod error;
mod facade;
mod front;
mod json_body;
pub mod objects;
mod openai;
mod prefix;
mod request_id;
mod routes;
mod server;
mod span_link;
mod sse;
mod telemetry;
mod transport;

use std::{convert::Infallible, sync::Arc};

use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{config::Config, facade::Facade, front::Front};

pub use crate::{
    core_client::{CoreLink, CoreLinkError},
    core_service::{ChatCore, CoreService, RpcService},
    span_link::SpanLink,
    telemetry::Telemetry,
};

/// How a gateway is told to stop, step by step.
#[derive(Debug, Clone, Default)]
pub struct Stopping {
    /// `/readyz` says 503; requests are still served.
    pub draining: CancellationToken,
    /// New requests get 503 `shutting_down` with `Connection: close`; running ones go on.
    pub refusing: CancellationToken,
    /// Running answers end with the error `shutting_down`.
    pub ending: CancellationToken,
    /// Has a token of each request, to its answer's end: once new ones are refused, tells when none runs any more.
    pub running: TaskTracker,
}

/// The HTTP facade. One a runtime: cheap to clone, holds no state that must be shared.
#[derive(Clone)]
pub struct Gateway {
    config: Arc<Config>,
    core: CoreService,
    telemetry: Arc<Telemetry>,
}

impl Gateway {
    /// Makes a gateway in front of a core, with the telemetry of its process.
    #[must_use]
    pub fn new(config: Config, core: CoreService, telemetry: Arc<Telemetry>) -> Self {
        Self {
            config: Arc::new(config),
            core,
            telemetry,
        }
    }

    /// Serves connections of this listener until it is told to stop and all connections have ended.
    ///
    /// # Errors
    ///
    /// None: what a connection does ends that connection.
    pub async fn serve(self, listener: TcpListener, stopping: Stopping) -> Result<(), Infallible> {
        let facade = Arc::new(Facade::new(
            &self.config,
            self.core,
            self.telemetry,
            &stopping,
        ));
        let router = routes::router(&self.config, Arc::clone(&facade));
        let front = Arc::new(Front::new(facade, router));
        server::serve(front, listener, &stopping).await;
        Ok(())
    }
}
