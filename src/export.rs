//! Sending spans that have ended: to the operator's collector, and to the monitor.
//!
//! Who ends a request puts its spans into a queue and goes on. One task a queue sends what is there, now and then: what there is no
//! room for, because the other side is slow or dead, is dropped and counted.

mod destination;
mod http_client;
mod queue;

use std::{
    future::pending,
    pin::Pin,
    process,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use llm2api_core::config::TelemetryConfig;
use llm2api_gateway::{CoreLink, SpanLink, Telemetry};
use llm2api_proto::{Sampler, SpanSink, telemetry_names::SERVICE_NAME};
use opentelemetry::KeyValue;
use opentelemetry_sdk::{
    Resource,
    resource::{EnvResourceDetector, TelemetryResourceDetector},
};
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use self::{
    destination::Destination,
    queue::{Sender, SpanQueue},
};
use crate::{
    config::{Batching, OpenTelemetry, Role},
    servers::CorePlace,
};

/// The time that spans get which wait when the process ends.
const LAST_SPANS: Duration = Duration::from_secs(3);

/// How spans go to the monitor. It is near; and a trace that is looked at should be whole soon.
const TO_MONITOR: Batching = Batching {
    queue_size: 2048,
    batch_size: 512,
    delay: Duration::from_millis(500),
    timeout: Duration::from_secs(5),
};

/// What keeps a destination in reach.
type Background = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where this process's spans go to be exported, and how many were dropped.
#[derive(Default)]
pub(crate) struct Exporting {
    /// Takes sampled spans. `None`: they are not exported.
    exporter: Option<Arc<SpanQueue>>,
    /// Spans and traces that were dropped, of the whole process.
    dropped: Arc<AtomicU64>,
    senders: Vec<(Sender, Background)>,
}

impl Exporting {
    /// Makes ready what the variables say. Within a runtime.
    ///
    /// # Errors
    ///
    /// Where nothing can be sent there.
    pub(crate) fn new(settings: &OpenTelemetry, role: Role) -> anyhow::Result<Self> {
        let mut exporting = Self::default();
        if let Some(export) = &settings.export {
            let resource = resource(settings.service_name(role));
            let destination = Destination::collector(export, &resource)?;
            let (batching, value_limit) = (export.batching, export.value_limit);
            let queue = exporting.queue(destination, Box::pin(pending()), batching, value_limit);
            exporting.exporter = Some(queue);
        }
        Ok(exporting)
    }

    /// Where the core has its spans exported.
    pub(crate) fn core(&self, settings: &OpenTelemetry, role: Role) -> TelemetryConfig {
        let exporter = self.exporter.clone();
        TelemetryConfig {
            sampler: exporter
                .as_ref()
                .map_or(Sampler::AlwaysOff, |_| settings.sampler),
            exporter: exporter.map(|exporter| exporter as Arc<dyn SpanSink>),
            service: role.service_name(),
            dropped: Arc::clone(&self.dropped),
            captures_content: settings.captures_content,
        }
    }

    /// What the gateways of this process tell their spans to. Within a runtime.
    ///
    /// # Errors
    ///
    /// Where the core can't be reached by this configuration.
    pub(crate) fn telemetry(
        &mut self,
        settings: &OpenTelemetry,
        core: &CorePlace,
    ) -> anyhow::Result<Telemetry> {
        let (destination, background): (_, Background) = match core {
            CorePlace::Here(core) => {
                let monitor = core.in_process().monitor;
                (Destination::Monitor(monitor), Box::pin(pending()))
            }
            CorePlace::Elsewhere { uris, key } => {
                let (core, watch) = CoreLink::connect(uris.clone(), key)?;
                (Destination::Core(SpanLink::new(core)), Box::pin(watch))
            }
        };
        let monitor = self.queue(destination, background, TO_MONITOR, None);
        let exporter = self.exporter.clone();
        Ok(Telemetry::new(
            settings.sampler,
            settings.is_propagated,
            exporter.map(|exporter| exporter as Arc<dyn SpanSink>),
            Some(monitor),
        ))
    }

    fn queue(
        &mut self,
        destination: Destination,
        background: Background,
        batching: Batching,
        value_limit: Option<usize>,
    ) -> Arc<SpanQueue> {
        let (queue, sender) = SpanQueue::new(
            destination,
            batching,
            value_limit,
            Arc::clone(&self.dropped),
        );
        self.senders.push((sender, background));
        queue
    }

    /// Sends what comes, until `ending` is cancelled; then, for a moment, what is left.
    pub(crate) async fn run(self, ending: CancellationToken) {
        let mut tasks = JoinSet::new();
        for (sender, background) in self.senders {
            tasks.spawn(sender.run(background, ending.clone()));
        }
        ending.cancelled().await;
        if timeout(LAST_SPANS, tasks.join_all()).await.is_err() {
            tracing::warn!("some spans could not be sent in time");
        }
    }
}

/// What all spans of this process have in common; `OTEL_RESOURCE_ATTRIBUTES`, which the SDK reads, says more or otherwise.
fn resource(service: String) -> Resource {
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new(SERVICE_NAME, service.clone()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance_id()),
            KeyValue::new("host.name", host),
            KeyValue::new("process.pid", i64::from(process::id())),
        ])
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_detector(Box::new(EnvResourceDetector::new()))
        // What is said of the name alone counts more than what is said of it among others.
        .with_attribute(KeyValue::new(SERVICE_NAME, service))
        .build()
}

/// A random UUID, by which this process is told from all others.
fn instance_id() -> String {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // Told from most others, at least.
        bytes[..4].copy_from_slice(&process::id().to_be_bytes());
    }
    // Version 4, RFC 9562, 5.4.
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}
