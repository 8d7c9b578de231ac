//! `ChatService`.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::Stream;
use llm2api_proto::{
    metadata::{CLIENT_ID, REQUEST_ID, SEARCH},
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

use crate::chat::{AnswerStream, Chats, RequestContext, shutting_down};

/// The service.
#[derive(Clone)]
pub(crate) struct ChatRpc {
    pub(crate) chats: Arc<Chats>,
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
        if self.refusing.is_cancelled() {
            return Err(shutting_down().into());
        }
        let context = RequestContext {
            request_id: text(request.metadata(), REQUEST_ID),
            client_id: text(request.metadata(), CLIENT_ID),
        };
        let answer = self.chats.answer(request.into_inner(), context).await?;
        let search = answer.search_status().map(MetadataValue::try_from);
        let mut response: Response<Self::ChatStream> = Response::new(Box::pin(RunningAnswer {
            answer,
            _running: running,
        }));
        if let Some(Ok(search)) = search {
            response.metadata_mut().insert(SEARCH, search);
        }
        Ok(response)
    }
}

fn text(metadata: &MetadataMap, name: &str) -> String {
    metadata
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}
