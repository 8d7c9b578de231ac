//! What `grpc.health.v1` tells: whether the core serves, and how its parts are.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    authorization::Authorization,
    registry::{Entry, Registry},
    store::Store,
};

/// The name under which it is told whether all upstreams are well.
const UPSTREAMS: &str = "upstreams";
/// The name under which it is told whether what happens can be kept.
const STORE: &str = "store";
/// The name under which it is told whether clients are served, as far as the authorization code goes.
const AUTHORIZATION: &str = "authorization";

/// Tells how the core is. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Health {
    reporter: HealthReporter,
    registry: Arc<Registry>,
    store: Store,
    authorization: Arc<Authorization>,
    draining: CancellationToken,
}

impl Health {
    pub(crate) fn new(
        reporter: HealthReporter,
        registry: Arc<Registry>,
        store: Store,
        authorization: Arc<Authorization>,
        draining: CancellationToken,
    ) -> Self {
        Self {
            reporter,
            registry,
            store,
            authorization,
            draining,
        }
    }

    /// Tells how things are now.
    pub(crate) async fn report(&self) {
        let is_ok = {
            let routing = self.registry.routing();
            let is_well = |entry: &Arc<Entry>| entry.model_list.known().failure.is_none();
            !routing.entries.is_empty() && routing.entries.iter().all(is_well)
        };
        let is_kept = *self.store.is_well().borrow();
        let is_serving = !self.draining.is_cancelled();
        let is_authorized = self.authorization.view().state.admits();
        for (part, is_well) in [
            (UPSTREAMS, is_ok),
            (STORE, is_kept),
            (AUTHORIZATION, is_authorized),
            ("", is_serving),
        ] {
            let status = match is_well {
                true => ServingStatus::Serving,
                false => ServingStatus::NotServing,
            };
            self.reporter.set_service_status(part, status).await;
        }
    }
}
