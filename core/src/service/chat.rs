//! `ChatService`.

use std::sync::Arc;

use llm2api_proto::{
    metadata::{CLIENT_ID, REQUEST_ID},
    v1::{ChatRequest, chat_service_server::ChatService},
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, async_trait, metadata::MetadataMap};

use crate::chat::{AnswerStream, Chats, RequestContext, shutting_down};

/// The service.
#[derive(Clone)]
pub(crate) struct ChatRpc {
    pub(crate) chats: Arc<Chats>,
    /// Cancelled when new chats are refused.
    pub(crate) refusing: CancellationToken,
}

#[async_trait]
impl ChatService for ChatRpc {
    type ChatStream = AnswerStream;

    async fn chat(&self, request: Request<ChatRequest>) -> Result<Response<AnswerStream>, Status> {
        if self.refusing.is_cancelled() {
            return Err(shutting_down().into());
        }
        let context = RequestContext {
            request_id: text(request.metadata(), REQUEST_ID),
            client_id: text(request.metadata(), CLIENT_ID),
        };
        let answer = self.chats.answer(request.into_inner(), context).await?;
        Ok(Response::new(answer))
    }
}

fn text(metadata: &MetadataMap, name: &str) -> String {
    metadata
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}
