//! One connection, without a task of its own.

use std::{
    error::Error,
    future::{Future, poll_fn},
    io::{self, ErrorKind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;

use super::{
    relay::Relay,
    socket::{Socket, Stream},
};

/// Bytes that are read at once, at most, once an upstream sends so much. A connection begins with 8 KiB. It bounds an answer's head
/// too.
const MAX_BUFFER_SIZE: usize = 64 * 1024;

/// An open connection that has at most one request at a time. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Reads and writes, when it is polled; `None` once it is over, so that whoever waits for it hears of it.
    driver: Option<http1::Connection<TokioIo<Socket>, Full<Bytes>>>,
    relay: Arc<Relay>,
    /// Wakes the relay.
    waker: Waker,
}

/// Why a request has no answer.
#[derive(Debug)]
pub(super) enum SendError {
    /// The upstream had closed the connection before it answered anything.
    Closed(hyper::Error),
    /// Anything else.
    Broken(hyper::Error),
}

impl Connection {
    /// A connection over a connected stream.
    ///
    /// # Errors
    ///
    /// hyper's, which names none for this version of the protocol.
    pub(super) async fn new(stream: Stream) -> Result<Box<Self>, hyper::Error> {
        let relay = Arc::new(Relay::default());
        let socket = Socket {
            stream,
            relay: Arc::clone(&relay),
        };
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(MAX_BUFFER_SIZE)
            .handshake(TokioIo::new(socket))
            .await?;
        Ok(Box::new(Self {
            sender,
            driver: Some(driver),
            waker: Waker::from(Arc::clone(&relay)),
            relay,
        }))
    }

    /// Sends a request, and returns when the answer's head is here. Dropping the future closes the connection.
    ///
    /// # Errors
    ///
    /// [`SendError`]; the connection is closed then.
    pub(super) async fn send(
        mut self: Box<Self>,
        request: Request<Full<Bytes>>,
    ) -> Result<(Box<Self>, Response<Incoming>), SendError> {
        self.relay.expect_answer();
        let mut response = pin!(self.sender.send_request(request));
        let outcome =
            poll_fn(|context| self.poll_with(context, |context| response.as_mut().poll(context)))
                .await;
        match outcome {
            Ok(response) => Ok((self, response)),
            Err(error) if !self.relay.has_received() && tells_of_a_close(&error) => {
                Err(SendError::Closed(error))
            }
            Err(error) => Err(SendError::Broken(error)),
        }
    }

    /// Drives the connection, and then polls something that it feeds. Where that isn't ready, the task is woken once it may be; until
    /// then another poll costs nothing.
    pub(super) fn poll_with<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        if self.relay.is_quiet(context.waker()) {
            return Poll::Pending;
        }
        self.drive();
        let polled = poll(&mut Context::from_waker(&self.waker));
        if polled.is_pending() {
            self.relay.park(context.waker());
        }
        polled
    }

    /// Whether another request may be sent: the last answer is read to its end, and neither side has closed since, as far as is
    /// known.
    pub(super) fn is_idle(&mut self) -> bool {
        self.drive();
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Lets go of the task that used the connection.
    pub(super) fn forget_task(&self) {
        self.relay.forget_task();
    }

    /// Reads and writes what can be without waiting.
    fn drive(&mut self) {
        self.relay.begin();
        let Some(driver) = &mut self.driver else {
            return;
        };
        let mut context = Context::from_waker(&self.waker);
        // Whoever waits for the connection gets its error, or one that it is gone.
        if Pin::new(driver).poll(&mut context).is_ready() {
            self.driver = None;
        }
    }
}

/// Whether an error is what becomes of a connection that the other side has closed in an orderly way: its end is read, or a write
/// meets it. A bare reset is none: whoever sends it may have read the request.
fn tells_of_a_close(error: &hyper::Error) -> bool {
    error.is_canceled()
        || error.is_closed()
        || error.is_incomplete_message()
        || error
            .source()
            .and_then(|cause| cause.downcast_ref::<io::Error>())
            .is_some_and(|error| {
                matches!(
                    error.kind(),
                    ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof
                )
            })
}
