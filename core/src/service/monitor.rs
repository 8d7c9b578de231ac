//! `MonitorService`.

mod metrics;
mod status;
mod traces;

use std::{sync::Arc, time::Duration};

use futures_util::stream;
use llm2api_proto::{
    ContractError,
    v1::{
        ErrorReason, GetMetricsRequest, GetMetricsResponse, GetStatusRequest, GetStatusResponse,
        GetTraceRequest, GetTraceResponse, ListTracesRequest, ListTracesResponse, StatusView,
        WatchStatusRequest, WatchStatusResponse, monitor_service_server::MonitorService,
    },
};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status, async_trait, codegen::BoxStream};

use self::status::View;
use crate::{
    administration::Administration,
    authorization::Authorization,
    config::SearchConfig,
    keys::KeyAdministration,
    monitor::Monitor,
    store::{Store, TraceReader},
};

/// Between two answers of a watch, where nobody says how long.
const USUAL_INTERVAL: Duration = Duration::from_secs(1);
/// Between two answers of a watch, at most.
const MAX_INTERVAL: Duration = Duration::from_secs(60);

/// The service.
#[derive(Clone)]
pub(crate) struct MonitorRpc {
    pub(crate) monitor: Arc<Monitor>,
    pub(crate) traces_kept: Arc<TraceReader>,
    pub(crate) administration: Administration,
    pub(crate) authorization: Arc<Authorization>,
    pub(crate) keys: KeyAdministration,
    /// Has a token of each chat that runs.
    pub(crate) running: TaskTracker,
    pub(crate) search: SearchInstances,
    pub(crate) store: Store,
    /// Cancelled when watches have to end.
    pub(crate) ending: CancellationToken,
}

/// Who is asked when the web is searched.
#[derive(Debug, Clone)]
pub(crate) struct SearchInstances {
    hosts: Vec<String>,
    is_default: bool,
}

impl SearchInstances {
    /// Those of a configuration.
    pub(crate) fn of(config: &SearchConfig) -> Self {
        let hosts = config.instances.iter().filter_map(|url| url.host_str());
        Self {
            hosts: hosts.map(str::to_owned).collect(),
            is_default: config.is_default,
        }
    }
}

#[async_trait]
impl MonitorService for MonitorRpc {
    type WatchStatusStream = BoxStream<WatchStatusResponse>;

    async fn get_metrics(
        &self,
        _request: Request<GetMetricsRequest>,
    ) -> Result<Response<GetMetricsResponse>, Status> {
        Ok(Response::new(GetMetricsResponse {
            text: self.metrics(),
        }))
    }

    async fn get_status(
        &self,
        request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        let view = view(request.into_inner().view)?;
        Ok(Response::new(GetStatusResponse {
            status: Some(self.status(&view)),
        }))
    }

    async fn get_trace(
        &self,
        request: Request<GetTraceRequest>,
    ) -> Result<Response<GetTraceResponse>, Status> {
        Ok(Response::new(self.trace(request.into_inner()).await?))
    }

    async fn list_traces(
        &self,
        request: Request<ListTracesRequest>,
    ) -> Result<Response<ListTracesResponse>, Status> {
        Ok(Response::new(self.traces(request.into_inner()).await?))
    }

    async fn watch_status(
        &self,
        request: Request<WatchStatusRequest>,
    ) -> Result<Response<Self::WatchStatusStream>, Status> {
        let WatchStatusRequest {
            view: wanted,
            interval,
        } = request.into_inner();
        let view = view(wanted)?;
        let interval = match interval {
            None => USUAL_INTERVAL,
            Some(interval) => Duration::try_from(interval)
                .ok()
                .filter(|interval| (USUAL_INTERVAL..=MAX_INTERVAL).contains(interval))
                .ok_or_else(|| invalid("interval", "`interval` takes 1 s to 60 s."))?,
        };
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let answers = stream::unfold((self.clone(), view, ticks), watch);
        Ok(Response::new(Box::pin(answers)))
    }
}

/// The next answer of a watch. `None`: the process ends.
async fn watch(
    (service, view, mut ticks): (MonitorRpc, View, Interval),
) -> Option<(
    Result<WatchStatusResponse, Status>,
    (MonitorRpc, View, Interval),
)> {
    tokio::select! {
        _ = ticks.tick() => {}
        () = service.ending.cancelled() => return None,
    }
    let answer = WatchStatusResponse {
        status: Some(service.status(&view)),
    };
    Some((Ok(answer), (service, view, ticks)))
}

fn view(wanted: Option<StatusView>) -> Result<View, ContractError> {
    View::new(wanted.unwrap_or_default())
}

fn invalid(param: &str, message: &str) -> ContractError {
    ContractError::new(ErrorReason::InvalidValue, message).with_param(param)
}
