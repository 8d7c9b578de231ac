//! The core's services without a socket, for a gateway in the same process.

use std::{
    convert::Infallible,
    error::Error,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use llm2api_proto::v1::chat_service_server::{ChatServiceServer, SERVICE_NAME};
use tonic::{body::Body, service::Routes};
use tower::Service;

use crate::service::ChatRpc;

/// What a call ends with; the services themselves answer every call.
type Answer = Result<Response<Body>, Box<dyn Error + Send + Sync>>;

/// The services, called by a gateway whose own access check has been made.
///
/// Chats go to their service at once: a router between the two, made for a port where anything may come, costs as much as the call.
#[derive(Clone)]
pub(crate) struct InProcess {
    chat: ChatServiceServer<ChatRpc>,
    others: Routes,
}

impl InProcess {
    pub(crate) fn new(chat: ChatServiceServer<ChatRpc>, others: Routes) -> Self {
        Self { chat, others }
    }
}

impl Service<Request<Body>> for InProcess {
    type Response = Response<Body>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // Both are always ready: what bounds calls is the leases.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let service = request.uri().path().split('/').nth(1);
        if service == Some(SERVICE_NAME) {
            let answer = self.chat.call(request);
            Box::pin(async move { Ok(answered(answer.await)) })
        } else {
            let answer = self.others.call(request);
            Box::pin(async move { Ok(answered(answer.await)) })
        }
    }
}

fn answered<T>(answer: Result<T, Infallible>) -> T {
    match answer {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}
