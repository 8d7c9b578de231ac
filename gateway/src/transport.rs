//! The way to the core, as the generated clients want it.

use std::task::{Context, Poll};

use futures_util::{TryFutureExt, future::MapErr};
use tonic::body::Body;
use tower::Service;

use crate::RpcService;

/// [`RpcService`] with an error of its own: the compiler cannot prove that a future over a boxed error's conversion into itself
/// may cross threads.
#[derive(Clone)]
pub(crate) struct Transport(RpcService);

/// A call did not reach the core, or not all of it.
#[derive(Debug, thiserror::Error)]
#[error("the call to the core failed")]
pub(crate) struct TransportError(#[source] BoxError);

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type CoreFuture = <RpcService as Service<http::Request<Body>>>::Future;

impl Transport {
    pub(crate) fn new(service: RpcService) -> Self {
        Self(service)
    }
}

impl Service<http::Request<Body>> for Transport {
    type Response = http::Response<Body>;
    type Error = TransportError;
    type Future = MapErr<CoreFuture, fn(BoxError) -> TransportError>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        self.0.poll_ready(context).map_err(TransportError)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        self.0.call(request).map_err(TransportError)
    }
}
