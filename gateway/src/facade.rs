//! What the routes share: one a runtime.

use std::{sync::Arc, time::Duration};

use ipnet::IpNet;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    CoreService, Stopping, Telemetry, access::Answers, calls::Core, config::Config, prefix::Prefix,
    telemetry::Meter,
};

/// What the routes share.
pub(crate) struct Facade {
    pub(crate) core: Core,
    pub(crate) access_answers: Answers,
    pub(crate) prefix: Prefix,
    pub(crate) max_body_bytes: usize,
    pub(crate) keepalive: Duration,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) draining: CancellationToken,
    pub(crate) refusing: CancellationToken,
    /// A child of the process' own: every stream waits for it, and the runtimes must not share its lock.
    pub(crate) ending: CancellationToken,
    /// Has a token of each request and of each streamed answer.
    pub(crate) running: TaskTracker,
    pub(crate) telemetry: Arc<Telemetry>,
    /// This gateway's own, among the telemetry's.
    pub(crate) meter: Arc<Meter>,
}

impl Facade {
    pub(crate) fn new(
        config: &Config,
        core: CoreService,
        telemetry: Arc<Telemetry>,
        stopping: &Stopping,
    ) -> Self {
        Self {
            core: Core::new(core, config.core_urls.clone()),
            access_answers: Answers::new(),
            prefix: Prefix::new(config.api_path.as_deref()),
            max_body_bytes: config.max_body_bytes,
            keepalive: config.keepalive,
            trusted_proxies: config.trusted_proxies.clone(),
            draining: stopping.draining.clone(),
            refusing: stopping.refusing.clone(),
            ending: stopping.ending.child_token(),
            running: stopping.running.clone(),
            meter: telemetry.meters.add(),
            telemetry,
        }
    }
}
