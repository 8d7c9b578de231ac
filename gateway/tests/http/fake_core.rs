//! A core that answers what a test tells it to, and tells what it was asked.

mod administration;
mod monitoring;

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
};

use futures_util::{Stream, StreamExt, stream};
use llm2api_gateway::{CoreService, RpcService};
use llm2api_proto::{
    ContractError,
    metadata::TRACE_KEPT,
    v1::{
        ChatEvent, ChatRequest, ChatResponse, ChatStart, CheckAccessRequest, CheckAccessResponse,
        ChoiceDelta, ChoiceFinish, ErrorReason, FinishReason, GetModelRequest, GetModelResponse,
        ListModelsRequest, ListModelsResponse, Model, Usage,
        access_service_server::{AccessService, AccessServiceServer},
        chat_event::Event,
        chat_service_server::{ChatService, ChatServiceServer},
        cookie_service_server::CookieServiceServer,
        model_service_server::{ModelService, ModelServiceServer},
        monitor_service_server::MonitorServiceServer,
        upstream_service_server::UpstreamServiceServer,
    },
};
use prost_types::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tonic::{
    Request, Response, Status, async_trait,
    metadata::{MetadataMap, MetadataValue},
    service::Routes,
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_server::{Health, HealthServer},
};
use tower::ServiceExt;

use self::{administration::Administration, monitoring::Monitoring};

/// A fake core. Clones share what they are told and asked.
#[derive(Clone, Default)]
pub(crate) struct FakeCore(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    answers: VecDeque<Answer>,
    chats: Vec<(MetadataMap, ChatRequest)>,
    checks: Vec<CheckAccessRequest>,
    models: Vec<Model>,
    refusal: Option<Status>,
    is_down: bool,
    keeps_traces: bool,
    upstreams_down: bool,
    store_down: bool,
    is_unauthorized: bool,
    administration: Administration,
    monitoring: Monitoring,
}

/// How the next chat is answered.
enum Answer {
    Fails(Status),
    Sends(Vec<Result<ChatResponse, Status>>),
    Live(LiveAnswer),
}

/// An answer that is written while the test looks on.
struct LiveAnswer {
    messages: mpsc::Receiver<Result<ChatResponse, Status>>,
    /// The first message, until which the call itself waits.
    is_held: bool,
    asked: oneshot::Sender<()>,
    /// Dropped with the call.
    guard: watch::Sender<()>,
}

/// The test's end of a live answer.
pub(crate) struct Live {
    messages: mpsc::Sender<Result<ChatResponse, Status>>,
    asked: Option<oneshot::Receiver<()>>,
    dropped: watch::Receiver<()>,
}

impl Live {
    pub(crate) async fn send(&self, message: Result<ChatResponse, Status>) {
        self.messages.send(message).await.unwrap();
    }

    /// Waits until the core is asked.
    pub(crate) async fn asked(&mut self) {
        self.asked.take().unwrap().await.unwrap();
    }

    /// Waits until the core's work is dropped.
    pub(crate) async fn dropped(&mut self) {
        while self.dropped.changed().await.is_ok() {}
    }
}

impl FakeCore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn fails(&self, error: impl Into<Status>) {
        self.state().answers.push_back(Answer::Fails(error.into()));
    }

    pub(crate) fn sends(&self, messages: Vec<Result<ChatResponse, Status>>) {
        self.state().answers.push_back(Answer::Sends(messages));
    }

    /// Answers as the test goes on; held until the first message where `is_held`.
    pub(crate) fn live(&self, is_held: bool) -> Live {
        let (sender, messages) = mpsc::channel(16);
        let (asked, was_asked) = oneshot::channel();
        let (guard, dropped) = watch::channel(());
        let answer = LiveAnswer {
            messages,
            is_held,
            asked,
            guard,
        };
        self.state().answers.push_back(Answer::Live(answer));
        Live {
            messages: sender,
            asked: Some(was_asked),
            dropped,
        }
    }

    pub(crate) fn refuses(&self, status: impl Into<Status>) {
        self.state().refusal = Some(status.into());
    }

    /// Lets everybody in again.
    pub(crate) fn admits(&self) {
        self.state().refusal = None;
    }

    pub(crate) fn has_models(&self, ids: &[&str]) {
        self.state().models = ids
            .iter()
            .map(|id| Model {
                id: (*id).to_owned(),
                create_time: Some(time(1_700_000_000)),
                owned_by: "vllm".to_owned(),
            })
            .collect();
    }

    /// From now on nothing can be kept.
    pub(crate) fn loses_its_store(&self) {
        self.state().store_down = true;
    }

    /// From now on its authorization code is not good.
    pub(crate) fn loses_its_authorization(&self) {
        self.state().is_unauthorized = true;
    }

    pub(crate) fn goes_down(&self, is_down: bool, upstreams_down: bool) {
        let mut state = self.state();
        state.is_down = is_down;
        state.upstreams_down = upstreams_down;
    }

    /// From now on chats' traces are kept.
    pub(crate) fn keeps_traces(&self) {
        self.state().keeps_traces = true;
    }

    pub(crate) fn chats(&self) -> Vec<(MetadataMap, ChatRequest)> {
        self.state().chats.clone()
    }

    pub(crate) fn checks(&self) -> Vec<CheckAccessRequest> {
        self.state().checks.clone()
    }

    /// The core without a socket.
    pub(crate) fn service(&self) -> CoreService {
        let services = self.routes().prepare();
        let services =
            ServiceExt::<http::Request<tonic::body::Body>>::map_err(
                services,
                |never| match never {},
            );
        CoreService::in_process(Arc::new(self.clone()), RpcService::new(services))
    }

    pub(crate) fn routes(&self) -> Routes {
        let mut routes = Routes::builder();
        routes
            .add_service(ChatServiceServer::new(self.clone()).max_decoding_message_size(usize::MAX))
            .add_service(ModelServiceServer::new(self.clone()))
            .add_service(AccessServiceServer::new(self.clone()))
            .add_service(CookieServiceServer::new(self.clone()))
            .add_service(UpstreamServiceServer::new(self.clone()))
            .add_service(MonitorServiceServer::new(self.clone()))
            .add_service(HealthServer::new(self.clone()));
        routes.routes()
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<ChatResponse, Status>> + Send>>;

#[async_trait]
impl ChatService for FakeCore {
    type ChatStream = Answers;

    async fn chat(&self, request: Request<ChatRequest>) -> Result<Response<Answers>, Status> {
        let (metadata, _, message) = request.into_parts();
        let (answer, is_trace_kept) = {
            let mut state = self.state();
            state.chats.push((metadata, message));
            (state.answers.pop_front().unwrap(), state.keeps_traces)
        };
        let mut response = Response::new(answers(answer).await?);
        if is_trace_kept {
            let kept = MetadataValue::from_static("1");
            response.metadata_mut().insert(TRACE_KEPT, kept);
        }
        Ok(response)
    }
}

async fn answers(answer: Answer) -> Result<Answers, Status> {
    match answer {
        Answer::Fails(status) => Err(status),
        Answer::Sends(messages) => Ok(stream::iter(messages).boxed()),
        Answer::Live(mut answer) => {
            answer.asked.send(()).unwrap();
            let first = if answer.is_held {
                answer.messages.recv().await.transpose()?
            } else {
                None
            };
            let rest = stream::unfold(
                (answer.messages, answer.guard),
                async |(mut messages, guard)| {
                    let message = messages.recv().await?;
                    Some((message, (messages, guard)))
                },
            );
            Ok(stream::iter(first.map(Ok)).chain(rest).boxed())
        }
    }
}

#[async_trait]
impl ModelService for FakeCore {
    async fn get_model(
        &self,
        request: Request<GetModelRequest>,
    ) -> Result<Response<GetModelResponse>, Status> {
        let id = request.into_inner().model;
        let model = self
            .state()
            .models
            .iter()
            .find(|model| model.id == id)
            .cloned();
        match model {
            Some(model) => Ok(Response::new(GetModelResponse { model: Some(model) })),
            None => Err(ContractError::new(
                ErrorReason::ModelNotFound,
                format!("The model `{id}` does not exist."),
            )
            .into()),
        }
    }

    async fn list_models(
        &self,
        _request: Request<ListModelsRequest>,
    ) -> Result<Response<ListModelsResponse>, Status> {
        let models = self.state().models.clone();
        Ok(Response::new(ListModelsResponse {
            models,
            next_page_token: String::new(),
        }))
    }
}

#[async_trait]
impl AccessService for FakeCore {
    async fn check_access(
        &self,
        request: Request<CheckAccessRequest>,
    ) -> Result<Response<CheckAccessResponse>, Status> {
        let mut state = self.state();
        state.checks.push(request.into_inner());
        match state.refusal.clone() {
            Some(status) => Err(status),
            None => Ok(Response::new(CheckAccessResponse {
                client_id: "key_1".to_owned(),
                admin: false,
            })),
        }
    }
}

#[async_trait]
impl Health for FakeCore {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let state = self.state();
        let is_down = match request.into_inner().service.as_str() {
            "" => state.is_down,
            "upstreams" => state.upstreams_down,
            "store" => state.store_down,
            "authorization" => state.is_unauthorized,
            other => return Err(Status::not_found(other)),
        };
        let status = if is_down {
            ServingStatus::NotServing
        } else {
            ServingStatus::Serving
        };
        Ok(Response::new(HealthCheckResponse {
            status: status.into(),
        }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let first = self.check(request).await?.into_inner();
        Ok(Response::new(
            stream::iter([Ok(first)]).chain(stream::pending()).boxed(),
        ))
    }
}

pub(crate) fn time(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

/// A message of the core with these events.
pub(crate) fn message(events: Vec<Event>) -> Result<ChatResponse, Status> {
    let events = events
        .into_iter()
        .map(|event| ChatEvent {
            event: Some(event),
            extra_fields: Vec::new(),
        })
        .collect();
    Ok(ChatResponse { events })
}

pub(crate) fn start() -> Event {
    Event::Start(ChatStart {
        id: "chatcmpl-1".to_owned(),
        create_time: Some(time(1_700_000_000)),
        model: "m".to_owned(),
        upstream_model: "m".to_owned(),
        attempt_count: 1,
        ..ChatStart::default()
    })
}

pub(crate) fn text(text: &str) -> Event {
    Event::Delta(ChoiceDelta {
        content: Some(text.to_owned()),
        ..ChoiceDelta::default()
    })
}

pub(crate) fn finish() -> Event {
    Event::Finish(ChoiceFinish {
        reason: FinishReason::Stop.into(),
        ..ChoiceFinish::default()
    })
}

pub(crate) fn usage() -> Event {
    Event::Usage(Usage {
        prompt_tokens: 3,
        completion_tokens: 2,
        total_tokens: 5,
        ..Usage::default()
    })
}

/// A whole short answer in one message.
pub(crate) fn answer(content: &str) -> Vec<Result<ChatResponse, Status>> {
    vec![message(vec![start(), text(content), finish(), usage()])]
}
