//! The body of an answer, which reads its connection.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;

use super::{connection::Connection, pool::Pool};

/// An answer's body and the connection that it comes over.
///
/// Read to its end, it gives the connection back to the pool; dropped before, it closes it.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// `None` once the body has ended.
    connection: Option<Box<Connection>>,
    body: Incoming,
    pool: Arc<Pool>,
}

impl Exchange {
    pub(super) fn new(connection: Box<Connection>, body: Incoming, pool: &Arc<Pool>) -> Self {
        Self {
            connection: Some(connection),
            body,
            pool: Arc::clone(pool),
        }
    }
}

impl Body for Exchange {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let Some(connection) = &mut this.connection else {
            return Poll::Ready(None);
        };
        let body = &mut this.body;
        let polled = connection.poll_with(context, |context| Pin::new(body).poll_frame(context));
        match &polled {
            Poll::Ready(None) => {
                if let Some(connection) = this.connection.take() {
                    this.pool.put(connection);
                }
            }
            Poll::Ready(Some(Err(_))) => this.connection = None,
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.connection.is_none()
    }
}
