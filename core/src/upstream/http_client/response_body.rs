//! The body of an answer, whichever way it comes.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame};

use super::{connection_failure::ConnectionError, direct::Exchange};

/// An answer's body. Dropping it before its end closes its connection.
#[derive(Debug)]
pub(crate) enum ResponseBody {
    /// Over a connection of our own.
    Direct(Exchange),
    /// By the client that knows proxies.
    Client(reqwest::Body),
}

impl Default for ResponseBody {
    /// One that has ended.
    fn default() -> Self {
        Self::Client(reqwest::Body::default())
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ConnectionError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ConnectionError>>> {
        match self.get_mut() {
            Self::Direct(body) => Pin::new(body)
                .poll_frame(context)
                .map_err(ConnectionError::Broken),
            Self::Client(body) => Pin::new(body)
                .poll_frame(context)
                .map_err(ConnectionError::Client),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Direct(body) => body.is_end_stream(),
            Self::Client(body) => body.is_end_stream(),
        }
    }
}
