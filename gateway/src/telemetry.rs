//! What the gateway tells of its requests: spans, and metrics of its own.
//!
//! A request's spans are made when it ends, of what was noted meanwhile, and only where somebody wants them: the operator's collector
//! those that are sampled, the core's monitor those that complete a trace which it keeps.

mod chat_trace;
mod meters;
mod plain_trace;
mod request_trace;

use std::sync::Arc;

use llm2api_proto::{Sampler, SpanSink};
use opentelemetry_sdk::trace::SpanData;

pub(crate) use self::{
    chat_trace::ChatTrace,
    meters::{Meter, RequestKey},
    plain_trace::PlainTrace,
    request_trace::{CallTrace, RequestTrace, Sender},
};
use self::{meters::Meters, request_trace::RequestSpan};

/// Where a gateway's spans go, and what its requests are counted in. One a process, for all its gateways.
pub struct Telemetry {
    sampler: Sampler,
    is_propagated: bool,
    exporter: Option<Arc<dyn SpanSink>>,
    monitor: Option<Arc<dyn SpanSink>>,
    pub(crate) meters: Meters,
}

impl Telemetry {
    /// Sends spans to the operator's collector, as far as the sampler says so, and to a monitor, where there are these. Clients' traces
    /// are continued where `is_propagated`.
    #[must_use]
    pub fn new(
        sampler: Sampler,
        is_propagated: bool,
        exporter: Option<Arc<dyn SpanSink>>,
        monitor: Option<Arc<dyn SpanSink>>,
    ) -> Self {
        Self {
            // Where nothing is exported nobody is told that a trace is.
            sampler: exporter.as_ref().map_or(Sampler::AlwaysOff, |_| sampler),
            is_propagated,
            exporter,
            monitor,
            meters: Meters::default(),
        }
    }

    fn take(&self, spans: Vec<SpanData>, is_monitored: bool, is_exported: bool) {
        let exporter = self.exporter.as_ref().filter(|_| is_exported);
        let monitor = self.monitor.as_ref().filter(|_| is_monitored);
        match (exporter, monitor) {
            (Some(exporter), Some(monitor)) => {
                exporter.take(spans.clone());
                monitor.take(spans);
            }
            (Some(sink), None) | (None, Some(sink)) => sink.take(spans),
            (None, None) => {}
        }
    }
}
