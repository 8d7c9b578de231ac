//! Calls to the core, and what their failures mean for a client.

mod administration;
mod authorization;
mod keys;
mod monitoring;

use std::time::Duration;

use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use llm2api_proto::{
    ContractError, RateLimits,
    metadata::{AUTHORIZATION, CLIENT_ID, REQUEST_ID, TRACE_KEPT, TRACEPARENT},
    v1::{
        ChatRequest, ChatResponse, ChatStart, CheckAccessRequest, CheckAccessResponse, ErrorReason,
        GetModelRequest, ListModelsRequest, Model, access_service_client::AccessServiceClient,
        chat_event::Event, model_service_client::ModelServiceClient,
    },
};
use tonic::{Code, Request, Response, Status, codegen::BoxStream, metadata::MetadataMap};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{CoreService, error, telemetry::CallTrace};

/// Time for a call that waits for no upstream.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// For whom a call is made.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The client, as the core named it.
    pub(crate) client_id: HeaderValue,
    /// The request's id.
    pub(crate) request_id: HeaderValue,
    /// The trace that the call is part of, where the core has a span of it.
    pub(crate) trace: Option<CallTrace>,
}

/// The core, as the routes call it.
pub(crate) struct Core {
    service: CoreService,
    /// Where the core is, where it is another process.
    urls: Vec<String>,
}

/// A streamed answer.
pub(crate) struct Answer {
    /// What came first.
    pub(crate) first: ChatResponse,
    /// What follows.
    pub(crate) rest: BoxStream<ChatResponse>,
    /// What the client's limits leave.
    pub(crate) rate_limits: RateLimits,
    /// Whether the core keeps the trace.
    pub(crate) is_trace_kept: bool,
}

impl Answer {
    /// What the answer says of itself at its start.
    pub(crate) fn start(&self) -> Option<&ChatStart> {
        let events = &self.first.events;
        events.iter().find_map(|event| match &event.event {
            Some(Event::Start(start)) => Some(start),
            _ => None,
        })
    }
}

impl Core {
    pub(crate) fn new(service: CoreService, urls: Vec<String>) -> Self {
        Self { service, urls }
    }

    /// Whether it is in this process.
    pub(crate) fn is_in_process(&self) -> bool {
        self.urls.is_empty()
    }

    /// Where it is, in another process. `None`: in this one, or at one of several addresses.
    pub(crate) fn address(&self) -> Option<(String, Option<u16>)> {
        let [url] = self.urls.as_slice() else {
            return None;
        };
        let uri: Uri = url.parse().ok()?;
        Some((uri.host()?.to_owned(), uri.port_u16()))
    }

    /// Asks for an answer, and waits for what comes first of it.
    pub(crate) async fn chat(
        &self,
        request: ChatRequest,
        caller: &Caller,
    ) -> Result<Answer, ContractError> {
        let response = self.service.chat.chat(caller.request(request)).await;
        let response = response.map_err(|status| self.failure(&status))?;
        let rate_limits = RateLimits::read(response.metadata().as_ref());
        let is_trace_kept = response.metadata().contains_key(TRACE_KEPT);
        let mut rest = response.into_inner();
        match rest.next().await {
            Some(Ok(first)) => Ok(Answer {
                first,
                rest,
                rate_limits,
                is_trace_kept,
            }),
            None => {
                tracing::error!("the core ended an answer before it began");
                Err(error::internal())
            }
            Some(Err(status)) => Err(self.failure(&status)),
        }
    }

    /// All models that the caller may use.
    pub(crate) async fn list_models(&self, caller: &Caller) -> Result<Vec<Model>, ContractError> {
        let mut client =
            ModelServiceClient::new(self.service.rpc.clone()).max_decoding_message_size(usize::MAX);
        let request = caller.request(ListModelsRequest::default());
        let response = self.in_time(client.list_models(request)).await?;
        Ok(response.models)
    }

    /// One model.
    pub(crate) async fn get_model(
        &self,
        model: String,
        caller: &Caller,
    ) -> Result<Model, ContractError> {
        let mut client = ModelServiceClient::new(self.service.rpc.clone());
        let request = caller.request(GetModelRequest { model });
        let response = self.in_time(client.get_model(request)).await?;
        response.model.ok_or_else(|| {
            tracing::error!("the core found a model and sent none");
            error::internal()
        })
    }

    /// Asks whether a request is let in.
    pub(crate) async fn check_access(
        &self,
        request: CheckAccessRequest,
    ) -> Result<CheckAccessResponse, ContractError> {
        let mut client = AccessServiceClient::new(self.service.rpc.clone());
        self.in_time(client.check_access(request)).await
    }

    /// Whether a part of the core says that it serves: "" for all of it.
    pub(crate) async fn is_serving(&self, part: &str) -> Result<bool, ContractError> {
        let mut client = HealthClient::new(self.service.rpc.clone());
        let request = HealthCheckRequest {
            service: part.to_owned(),
        };
        let response = self.in_time(client.check(request)).await?;
        Ok(response.status() == ServingStatus::Serving)
    }

    async fn in_time<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, ContractError> {
        self.within(CALL_TIMEOUT, call).await
    }

    async fn within<T>(
        &self,
        time: Duration,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, ContractError> {
        match tokio::time::timeout(time, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(self.failure(&status)),
            Err(_) => Err(self.unreachable("it did not answer in time")),
        }
    }

    /// What a call's failure means for the client.
    pub(crate) fn failure(&self, status: &Status) -> ContractError {
        let Some(mut failure) = ContractError::from_status(status) else {
            return self.foreign_failure(status);
        };
        let is_refused = matches!(
            failure.reason,
            ErrorReason::InvalidApiKey
                | ErrorReason::InsufficientPermissions
                | ErrorReason::RateLimitExceeded
        );
        if is_refused && failure.param.as_deref() == Some(AUTHORIZATION) {
            return self.refused();
        }
        if failure.reason == ErrorReason::Unspecified {
            failure.reason = reason_of(status.code());
        }
        failure
    }

    /// A status that no code of ours made: the transport's, or a stranger's.
    fn foreign_failure(&self, status: &Status) -> ContractError {
        match status.code() {
            Code::Unauthenticated | Code::PermissionDenied => self.refused(),
            // tonic's word for a message above the limit of the other side.
            Code::OutOfRange => ContractError::new(
                ErrorReason::RequestTooLarge,
                "The request is larger than the core takes; see MAX_BODY.",
            ),
            _ => self.unreachable(status.message()),
        }
    }

    fn unreachable(&self, why: &str) -> ContractError {
        if self.is_in_process() {
            tracing::error!(why, "a call to the core of this process failed");
            return error::internal();
        }
        let urls = self.urls.join(", ");
        tracing::warn!(why, urls, "no core is reachable");
        ContractError::new(
            ErrorReason::CoreUnavailable,
            format!(
                "No core is reachable at CORE_URL ({urls}); check that it runs and that the address is right."
            ),
        )
    }

    fn refused(&self) -> ContractError {
        if self.is_in_process() {
            tracing::error!("the core of this process refused its own gateway");
            return error::internal();
        }
        let urls = self.urls.join(", ");
        tracing::error!(urls, "the core refuses CORE_KEY");
        ContractError::new(
            ErrorReason::CoreUnavailable,
            format!(
                "The core at {urls} refuses this gateway; set CORE_KEY to the core's own CORE_KEY or ADMIN_KEY."
            ),
        )
    }
}

/// What an answer must hold.
fn sent<T>(message: Option<T>) -> Result<T, ContractError> {
    message.ok_or_else(|| {
        tracing::error!("the core answered without what it was asked for");
        error::internal()
    })
}

/// The closest known reason for one that a newer core made.
fn reason_of(code: Code) -> ErrorReason {
    match code {
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            ErrorReason::InvalidRequest
        }
        Code::Unauthenticated => ErrorReason::InvalidApiKey,
        Code::PermissionDenied => ErrorReason::InsufficientPermissions,
        Code::NotFound => ErrorReason::ModelNotFound,
        Code::ResourceExhausted => ErrorReason::RateLimitExceeded,
        Code::Unavailable => ErrorReason::UpstreamUnavailable,
        Code::DeadlineExceeded => ErrorReason::RequestTimeout,
        _ => ErrorReason::InternalError,
    }
}

impl Caller {
    /// A call's request, which tells the core for whom it is.
    fn request<T>(&self, message: T) -> Request<T> {
        // tonic adds its own.
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(HeaderName::from_static(CLIENT_ID), self.client_id.clone());
        headers.insert(HeaderName::from_static(REQUEST_ID), self.request_id.clone());
        if let Some(trace) = &self.trace {
            let parent = trace.context.to_header();
            headers.insert(HeaderName::from_static(TRACEPARENT), parent);
            trace.state.insert_into(&mut headers);
        }
        Request::from_parts(
            MetadataMap::from_headers(headers),
            tonic::Extensions::default(),
            message,
        )
    }
}
