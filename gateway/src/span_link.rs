//! The way by which a gateway in a process of its own sends spans to its core: OTLP, on the core's gRPC port.

use llm2api_proto::telemetry_names::SERVICE_NAME;
use opentelemetry::KeyValue;
use opentelemetry_proto::{
    tonic::collector::trace::v1::{
        ExportTraceServiceRequest, trace_service_client::TraceServiceClient,
    },
    transform::{
        common::tonic::ResourceAttributesWithSchema,
        trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::{Resource, trace::SpanData};
use tonic::Status;

use crate::{CoreService, transport::Transport};

/// What a gateway is called there; the core takes spans of nobody else.
const SERVICE: &str = "llm2api-gateway";

/// Sends spans to the core, to complete the traces that it keeps.
pub struct SpanLink {
    client: TraceServiceClient<Transport>,
    resource: ResourceAttributesWithSchema,
}

impl SpanLink {
    /// A link to this core.
    #[must_use]
    pub fn new(core: CoreService) -> Self {
        let resource = Resource::builder_empty()
            .with_attribute(KeyValue::new(SERVICE_NAME, SERVICE))
            .build();
        Self {
            client: TraceServiceClient::new(core.rpc),
            resource: (&resource).into(),
        }
    }

    /// Sends spans.
    ///
    /// # Errors
    ///
    /// The call's failure; or that the core had no room for some.
    pub async fn send(&self, spans: Vec<SpanData>) -> Result<(), Status> {
        let resource_spans = group_spans_by_resource_and_scope(spans, &self.resource);
        let request = ExportTraceServiceRequest { resource_spans };
        // It counts itself what it had no room for.
        self.client.clone().export(request).await?;
        Ok(())
    }
}
