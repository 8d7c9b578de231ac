//! `ChatService`.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::Stream;
use llm2api_proto::{
    Parent, TraceContext, TraceState,
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

use crate::{
    authorization::Authorization,
    chat::{AnswerStream, Chats, shutting_down},
    monitor::RequestContext,
};

/// The service.
#[derive(Clone)]
pub(crate) struct ChatRpc {
    pub(crate) chats: Arc<Chats>,
    pub(crate) authorization: Arc<Authorization>,
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

#[async_trait]
impl ChatService for ChatRpc {
    type ChatStream = BoxStream<ChatResponse>;

    async fn chat(
        &self,
        request: Request<ChatRequest>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        let running = self.running.token();
        let context = context(request.metadata());
        let request = request.into_inner();
        let mut ledger = self.chats.arrival(&request, context);
        let answer = match self.refusing.is_cancelled() {
            true => Err(shutting_down()),
            false => match self.authorization.admit() {
                Ok(()) => self.chats.answer(request, &mut ledger).await,
                Err(error) => Err(error),
            },
        };
        let mut answer = answer.inspect_err(|error| ledger.refused(error))?;
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
        Ok(response)
    }
}

/// Who asks, and as part of which trace. A gateway has decided whether that is exported, and core and gateway know each other; whoever
/// else calls has his ids kept.
fn context(metadata: &MetadataMap) -> RequestContext {
    let parent = TraceContext::of_headers(metadata.as_ref());
    RequestContext {
        request_id: text(metadata, REQUEST_ID),
        client_id: text(metadata, CLIENT_ID),
        trace: parent.map_or_else(|| TraceContext::root(false), TraceContext::child),
        parent: parent.map(Parent::elsewhere),
        trace_state: TraceState::of_headers(metadata.as_ref()),
    }
}

fn text(metadata: &MetadataMap, name: &str) -> String {
    metadata
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}
