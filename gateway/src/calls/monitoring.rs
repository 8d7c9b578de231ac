//! Calls that ask what is going on.

use llm2api_proto::{
    ContractError,
    v1::{
        GetMetricsRequest, GetStatusRequest, GetTraceRequest, GetTraceResponse, ListTracesRequest,
        ListTracesResponse, Status as Figures, StatusView, WatchStatusRequest, WatchStatusResponse,
        monitor_service_client::MonitorServiceClient,
    },
};
use tonic::Streaming;

use super::{CALL_TIMEOUT, Caller, Core, sent};
use crate::transport::Transport;

impl Core {
    /// The figures as of now.
    pub(crate) async fn get_status(
        &self,
        view: StatusView,
        caller: &Caller,
    ) -> Result<Figures, ContractError> {
        let request = caller.request(GetStatusRequest { view: Some(view) });
        let response = self
            .within(CALL_TIMEOUT, self.monitor().get_status(request))
            .await?;
        sent(response.status)
    }

    /// The figures now and again; [`Core::failure`] tells what it means where they end with a status.
    pub(crate) async fn watch_status(
        &self,
        view: StatusView,
        caller: &Caller,
    ) -> Result<Streaming<WatchStatusResponse>, ContractError> {
        let request = caller.request(WatchStatusRequest {
            view: Some(view),
            interval: None,
        });
        self.within(CALL_TIMEOUT, self.monitor().watch_status(request))
            .await
    }

    /// A page of traces.
    pub(crate) async fn list_traces(
        &self,
        request: ListTracesRequest,
        caller: &Caller,
    ) -> Result<ListTracesResponse, ContractError> {
        let request = caller.request(request);
        self.within(CALL_TIMEOUT, self.monitor().list_traces(request))
            .await
    }

    /// One trace.
    pub(crate) async fn get_trace(
        &self,
        id: String,
        caller: &Caller,
    ) -> Result<GetTraceResponse, ContractError> {
        let request = caller.request(GetTraceRequest { id });
        self.within(CALL_TIMEOUT, self.monitor().get_trace(request))
            .await
    }

    /// The core's metrics, in Prometheus' text format.
    pub(crate) async fn get_metrics(&self, caller: &Caller) -> Result<String, ContractError> {
        let request = caller.request(GetMetricsRequest {});
        let response = self
            .within(CALL_TIMEOUT, self.monitor().get_metrics(request))
            .await?;
        Ok(response.text)
    }

    fn monitor(&self) -> MonitorServiceClient<Transport> {
        MonitorServiceClient::new(self.service.rpc.clone()).max_decoding_message_size(usize::MAX)
    }
}
