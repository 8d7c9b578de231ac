//! The fake core's figures and traces: it notes what it is asked, and answers what it was given.

use std::pin::Pin;

use futures_util::{Stream, StreamExt, stream};
use llm2api_proto::v1::{
    GetMetricsRequest, GetMetricsResponse, GetStatusRequest, GetStatusResponse, GetTraceRequest,
    GetTraceResponse, ListTracesRequest, ListTracesResponse, Status as Figures, WatchStatusRequest,
    WatchStatusResponse, monitor_service_server::MonitorService,
};
use tokio::sync::watch;
use tonic::{Request, Response, Status, async_trait};

use super::FakeCore;

/// What the next call is answered.
#[derive(Default)]
pub(super) struct Monitoring {
    figures: Figures,
    /// How a stream of figures ends. `None`: not by itself.
    end: Option<Status>,
    watching: Option<watch::Sender<()>>,
    traces: ListTracesResponse,
    trace: GetTraceResponse,
    metrics: String,
}

impl FakeCore {
    /// Has these figures; a stream of them tells them once, and then fails where it is told how.
    pub(crate) fn has_figures(&self, figures: Figures, end: Option<Status>) {
        let monitoring = &mut self.state().monitoring;
        monitoring.figures = figures;
        monitoring.end = end;
    }

    /// Has these traces; where one is asked for, this.
    pub(crate) fn has_traces(&self, traces: ListTracesResponse, trace: GetTraceResponse) {
        let monitoring = &mut self.state().monitoring;
        monitoring.traces = traces;
        monitoring.trace = trace;
    }

    /// Has these metrics.
    pub(crate) fn has_metrics(&self, metrics: &str) {
        self.state().monitoring.metrics = metrics.to_owned();
    }

    /// Waits until nobody watches the figures any more, after somebody did.
    pub(crate) async fn is_watched_no_more(&self) {
        let watching = self.state().monitoring.watching.take().unwrap();
        watching.closed().await;
    }
}

#[async_trait]
impl MonitorService for FakeCore {
    async fn get_metrics(
        &self,
        request: Request<GetMetricsRequest>,
    ) -> Result<Response<GetMetricsResponse>, Status> {
        self.note(request)?;
        let text = self.state().monitoring.metrics.clone();
        Ok(Response::new(GetMetricsResponse { text }))
    }

    async fn get_status(
        &self,
        request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        self.note(request)?;
        let status = Some(self.state().monitoring.figures.clone());
        Ok(Response::new(GetStatusResponse { status }))
    }

    async fn get_trace(
        &self,
        request: Request<GetTraceRequest>,
    ) -> Result<Response<GetTraceResponse>, Status> {
        self.note(request)?;
        Ok(Response::new(self.state().monitoring.trace.clone()))
    }

    async fn list_traces(
        &self,
        request: Request<ListTracesRequest>,
    ) -> Result<Response<ListTracesResponse>, Status> {
        self.note(request)?;
        Ok(Response::new(self.state().monitoring.traces.clone()))
    }

    type WatchStatusStream =
        Pin<Box<dyn Stream<Item = Result<WatchStatusResponse, Status>> + Send>>;

    async fn watch_status(
        &self,
        request: Request<WatchStatusRequest>,
    ) -> Result<Response<Self::WatchStatusStream>, Status> {
        self.note(request)?;
        let (watching, watched) = watch::channel(());
        let monitoring = &mut self.state().monitoring;
        monitoring.watching = Some(watching);
        let first = WatchStatusResponse {
            status: Some(monitoring.figures.clone()),
        };
        let rest = match monitoring.end.clone() {
            Some(end) => stream::iter([Err(end)]).left_stream(),
            None => stream::pending().right_stream(),
        };
        let answers = stream::iter([Ok(first)]).chain(rest).map(move |answer| {
            // Dropped with the stream.
            let _watched = &watched;
            answer
        });
        Ok(Response::new(answers.boxed()))
    }
}
