//! `ChatService`.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::Stream;
use llm2api_proto::{
    ContractError, Parent, RateLimits, Sampler, TraceContext, TraceState,
    metadata::{CLIENT_ID, REQUEST_ID, SEARCH, TRACE_KEPT},
    v1::{ChatRequest, ChatResponse, chat_service_server::ChatService},
};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};
use tonic::{
    Request, Response, Status, async_trait,
    codegen::BoxStream,
    metadata::{MetadataMap, MetadataValue},
};

use super::Direct;
use crate::{
    admission::Admission,
    chat::{AnswerStream, Chats, Ledger, shutting_down},
    monitor::RequestContext,
};

/// The service.
#[derive(Clone)]
pub(crate) struct ChatRpc {
    pub(crate) chats: Arc<Chats>,
    pub(crate) admission: Arc<Admission>,
    /// Which traces are exported, of those that begin here.
    pub(crate) sampler: Sampler,
    /// Cancelled when new chats are refused.
    pub(crate) refusing: CancellationToken,
    /// Has a token of each chat.
    pub(crate) running: TaskTracker,
}

/// An answer that is on its way; dropping it tells that it runs no more.
struct RunningAnswer {
    answer: AnswerStream,
    _running: TaskTrackerToken,
}

impl Stream for RunningAnswer {
    type Item = Result<ChatResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.answer).poll_next(context)
    }
}

impl ChatRpc {
    /// Lets a chat in, and answers it: what goes out, and what its client's limits leave.
    async fn answer(
        &self,
        request: ChatRequest,
        ledger: &mut Ledger,
    ) -> Result<(AnswerStream, RateLimits), ContractError> {
        if self.refusing.is_cancelled() {
            return Err(shutting_down());
        }
        let client_id = ledger.context().map(|context| context.client_id.as_str());
        let permit = self.admission.permit(client_id.unwrap_or_default())?;
        let rate_limits = self.chats.let_in(permit, &request, ledger).await?;
        let answer = self.chats.answer(request, ledger).await?;
        Ok((answer, rate_limits))
    }
}

#[async_trait]
impl ChatService for ChatRpc {
    type ChatStream = BoxStream<ChatResponse>;

    async fn chat(
        &self,
        request: Request<ChatRequest>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        let running = self.running.token();
        let is_direct = request.extensions().get::<Direct>().is_some();
        let context = self.context(request.metadata(), is_direct);
        let request = request.into_inner();
        let mut ledger = self.chats.arrival(&request, context);
        let answer = self.answer(request, &mut ledger).await;
        let (mut answer, rate_limits) = answer.inspect_err(|error| ledger.refused(error))?;
        let search = answer.search_status().map(MetadataValue::try_from);
        let is_kept = ledger.keep() || answer.keeps_trace();
        let mut response: Response<Self::ChatStream> = Response::new(Box::pin(RunningAnswer {
            answer,
            _running: running,
        }));
        let metadata = response.metadata_mut();
        if let Some(Ok(search)) = search {
            metadata.insert(SEARCH, search);
        }
        if is_kept {
            metadata.insert(TRACE_KEPT, MetadataValue::from_static("1"));
        }
        if !rate_limits.is_empty() {
            let mut headers = std::mem::take(metadata).into_headers();
            rate_limits.write(&mut headers);
            *metadata = MetadataMap::from_headers(headers);
        }
        Ok(response)
    }
}

impl ChatRpc {
    /// Who asks, and as part of which trace. A gateway has decided whether that is exported; of whoever else calls the ids are kept, and
    /// the operator's sampler decides.
    fn context(&self, metadata: &MetadataMap, is_direct: bool) -> RequestContext {
        let parent = TraceContext::of_headers(metadata.as_ref());
        let mut trace = parent.map_or_else(|| TraceContext::root(false), TraceContext::child);
        if is_direct || parent.is_none() {
            trace.is_sampled = self.sampler.samples(trace.trace_id);
        }
        RequestContext {
            request_id: text(metadata, REQUEST_ID),
            client_id: text(metadata, CLIENT_ID),
            trace,
            parent: parent.map(Parent::elsewhere),
            trace_state: TraceState::of_headers(metadata.as_ref()),
        }
    }
}

/// What a call's metadata has under a name; nothing is an empty text.
pub(super) fn text(metadata: &MetadataMap, name: &str) -> String {
    metadata
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}
