//! What the gRPC port serves: chats first, and the router for the rest.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use futures_util::future::Either;
use http::{Request, Response};
use llm2api_proto::v1::chat_service_server::{ChatServiceServer, SERVICE_NAME};
use tonic::{body::Body, service::Routes};
use tower::Service;

use super::ChatRpc;

/// All services. Chats go to theirs at once: the way through a router that is made for any path is a good part of a call.
#[derive(Clone)]
pub(crate) struct PortServices {
    chat: ChatServiceServer<ChatRpc>,
    all: Routes,
}

impl PortServices {
    pub(crate) fn new(chat: ChatServiceServer<ChatRpc>, all: Routes) -> Self {
        Self { chat, all }
    }
}

impl Service<Request<Body>> for PortServices {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<
        <ChatServiceServer<ChatRpc> as Service<Request<Body>>>::Future,
        <Routes as Service<Request<Body>>>::Future,
    >;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Both always are: what bounds calls is the leases.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path().split('/').nth(1) == Some(SERVICE_NAME) {
            Either::Left(self.chat.call(request))
        } else {
            Either::Right(self.all.call(request))
        }
    }
}
