//! The core as the gateway calls it: in this process, or in another.
//!
//! Chats go through the contract's own trait, [`ChatService`]. A core in the same process is called as it is: its messages are moved
//! and not encoded, there is no transport between, and a stream holds no buffers for one. A core elsewhere has a proxy that
//! implements the same trait with the generated client. All other calls are rare, and take the generated clients' way in both cases.

use std::sync::Arc;

use llm2api_proto::v1::{
    ChatRequest, ChatResponse, chat_service_client::ChatServiceClient,
    chat_service_server::ChatService,
};
use tonic::{Request, Response, Status, async_trait, codegen::BoxStream};
use tower::util::BoxCloneSyncService;

use crate::transport::Transport;

/// Whoever answers chats.
pub type ChatCore = dyn ChatService<ChatStream = BoxStream<ChatResponse>>;

/// All services of a core, as tonic serves them.
pub type RpcService = BoxCloneSyncService<
    http::Request<tonic::body::Body>,
    http::Response<tonic::body::Body>,
    Box<dyn std::error::Error + Send + Sync>,
>;

/// The core as the gateway calls it. Cheap to clone.
#[derive(Clone)]
pub struct CoreService {
    pub(crate) chat: Arc<ChatCore>,
    pub(crate) rpc: Transport,
}

impl CoreService {
    /// A core in this process.
    #[must_use]
    pub fn in_process(chat: Arc<ChatCore>, rpc: RpcService) -> Self {
        Self {
            chat,
            rpc: Transport::new(rpc),
        }
    }

    /// A core that is reached by gRPC.
    #[must_use]
    pub fn remote(rpc: RpcService) -> Self {
        let rpc = Transport::new(rpc);
        Self {
            chat: Arc::new(RemoteChat(rpc.clone())),
            rpc,
        }
    }
}

/// The chats of a core that is reached by gRPC.
struct RemoteChat(Transport);

#[async_trait]
impl ChatService for RemoteChat {
    type ChatStream = BoxStream<ChatResponse>;

    async fn chat(
        &self,
        request: Request<ChatRequest>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        // The core and the gateway bound what they take from others; between them nothing is too large.
        let mut client = ChatServiceClient::new(self.0.clone())
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX);
        let response = client.chat(request).await?;
        Ok(response.map(|answer| Box::pin(answer) as Self::ChatStream))
    }
}
