//! The core as a whole: what the binary starts, and what a gateway in the same process calls.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::util::BoxCloneSyncService;

use crate::config::{Config, UpstreamKind};

/// The core's gRPC services without a socket, for a gateway in the same process.
pub type InProcessCore = BoxCloneSyncService<
    http::Request<tonic::body::Body>,
    http::Response<tonic::body::Body>,
    Box<dyn std::error::Error + Send + Sync>,
>;

/// Why a core could not be made or served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CoreError {
    /// An upstream's address or proxy can't be used.
    #[error("upstream {name} can't be used")]
    Upstream {
        /// The upstream's name.
        name: String,
        /// What is wrong.
        #[source]
        source: reqwest::Error,
    },
    /// The gRPC server failed.
    #[error("the gRPC server failed")]
    Serve(#[source] tonic::transport::Error),
}

/// How a core is told to stop, step by step.
#[derive(Debug, Clone, Default)]
pub struct Stopping {
    /// `grpc.health.v1` says NOT_SERVING; requests are still served.
    pub draining: CancellationToken,
    /// New requests fail with `SHUTTING_DOWN`; running ones go on.
    pub refusing: CancellationToken,
    /// Running answers end with `SHUTTING_DOWN`.
    pub ending: CancellationToken,
}

/// An upstream, as a start-up summary shows it.
#[derive(Debug, Clone)]
pub struct UpstreamOverview {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: UpstreamKind,
    /// Its address, without userinfo.
    pub url: String,
    /// Its models, or why they are not known.
    pub models: Result<Vec<String>, String>,
}

/// The core. Cheap to clone.
#[derive(Clone)]
pub struct Core {
    _config: Arc<Config>,
}

impl Core {
    /// Makes a core; nothing is asked of an upstream yet.
    ///
    /// # Errors
    ///
    /// [`CoreError::Upstream`] where an upstream's address or proxy can't be used.
    pub fn new(config: Config, _stopping: Stopping) -> Result<Self, CoreError> {
        Ok(Self {
            _config: Arc::new(config),
        })
    }

    /// Keeps the model lists fresh until the core is told to end. One task a process runs this.
    pub async fn run(&self) {}

    /// Asks every upstream for its models, each within its connect and idle clocks, and tells what came.
    pub async fn overview(&self) -> Vec<UpstreamOverview> {
        Vec::new()
    }

    /// The services for a gateway in this process; its calls need no key.
    #[must_use]
    pub fn in_process(&self) -> InProcessCore {
        unimplemented!()
    }

    /// Serves gRPC on this listener until it is told to stop and all calls have ended.
    ///
    /// # Errors
    ///
    /// [`CoreError::Serve`].
    pub async fn serve(&self, _listener: TcpListener) -> Result<(), CoreError> {
        Ok(())
    }
}
