//! What `grpc.health.v1` tells: whether the core serves, and whether all upstreams are well.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::registry::Registry;

/// The name under which it is told whether all upstreams are well.
const UPSTREAMS: &str = "upstreams";

/// Tells how the core is. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Health {
    reporter: HealthReporter,
    registry: Arc<Registry>,
    draining: CancellationToken,
}

impl Health {
    pub(crate) fn new(
        reporter: HealthReporter,
        registry: Arc<Registry>,
        draining: CancellationToken,
    ) -> Self {
        Self {
            reporter,
            registry,
            draining,
        }
    }

    /// Tells how things are now.
    pub(crate) async fn report(&self) {
        let is_ok = {
            let routing = self.registry.routing();
            let is_well =
                |entry: &Arc<crate::registry::Entry>| entry.model_list.known().failure.is_none();
            !routing.entries.is_empty() && routing.entries.iter().all(is_well)
        };
        let status = if is_ok {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        self.reporter.set_service_status(UPSTREAMS, status).await;
        let status = if self.draining.is_cancelled() {
            ServingStatus::NotServing
        } else {
            ServingStatus::Serving
        };
        self.reporter.set_service_status("", status).await;
    }
}
