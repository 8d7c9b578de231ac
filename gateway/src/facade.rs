//! What the routes share: one a runtime.

use std::time::Duration;

use ipnet::IpNet;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{CoreService, Stopping, access::Answers, calls::Core, config::Config, prefix::Prefix};

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
}

impl Facade {
    pub(crate) fn new(config: &Config, core: CoreService, stopping: &Stopping) -> Self {
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
        }
    }
}
