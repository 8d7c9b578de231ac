//! Where spans go: the operator's collector, or the monitor, in this process or in the core's.

use std::{fmt, sync::Arc};

use anyhow::Context;
use llm2api_gateway::SpanLink;
use llm2api_proto::SpanSink;
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanExporter as _},
};

use super::http_client::ExportClient;
use crate::config::{Export, OtlpProtocol};

/// Where spans go.
pub(super) enum Destination {
    /// The operator's collector.
    Collector {
        exporter: Box<SpanExporter>,
        /// What it is called in messages.
        name: String,
    },
    /// The monitor of this process.
    Monitor(Arc<dyn SpanSink>),
    /// The core's monitor.
    Core(SpanLink),
}

impl Destination {
    /// The operator's collector, as the variables name it. Within a runtime.
    pub(super) fn collector(export: &Export, resource: &Resource) -> anyhow::Result<Self> {
        let name = format!("{} by {}", export.endpoint, export.protocol.as_str());
        let builder = SpanExporter::builder();
        let exporter = match export.protocol {
            OtlpProtocol::Grpc => builder.with_tonic().build(),
            OtlpProtocol::Http => {
                let client = ExportClient::new().context("no HTTP client can be made")?;
                builder.with_http().with_http_client(client).build()
            }
        };
        let mut exporter =
            exporter.with_context(|| format!("spans can't be exported to {name}"))?;
        exporter.set_resource(resource);
        Ok(Self::Collector {
            exporter: Box::new(exporter),
            name,
        })
    }

    /// Sends spans.
    ///
    /// # Errors
    ///
    /// Why they did not arrive.
    pub(super) async fn send(&self, spans: Vec<SpanData>) -> Result<(), String> {
        match self {
            Self::Collector { exporter, .. } => exporter
                .export(spans)
                .await
                .map_err(|error| error.to_string()),
            Self::Monitor(monitor) => {
                monitor.take(spans);
                Ok(())
            }
            Self::Core(link) => link
                .send(spans)
                .await
                .map_err(|status| format!("{}: {}", status.code(), status.message())),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Collector { name, .. } => formatter.write_str(name),
            Self::Monitor(_) => formatter.write_str("the monitor"),
            Self::Core(_) => formatter.write_str("the core"),
        }
    }
}
