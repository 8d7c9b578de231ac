//! A streamed answer as the body of a response: no task, no channel, and dropping it drops the call.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http::HeaderValue;
use http_body::{Body, Frame};
use llm2api_proto::{ContractError, v1::ChatResponse};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};
use tokio_util::{sync::WaitForCancellationFutureOwned, task::task_tracker::TaskTrackerToken};
use tonic::codegen::BoxStream;

use crate::{
    calls::Answer, error, facade::Facade, openai::chunk::ChunkWriter, telemetry::ChatTrace,
};

/// What fills silence; a comment, which every reader of event streams skips.
const COMMENT: &[u8] = b": keep-alive\n\n";

/// What a stream of events is called.
pub(crate) const CONTENT_TYPE: HeaderValue =
    HeaderValue::from_static("text/event-stream; charset=utf-8");

/// Bytes that a stream sets aside at first: some chunks. It grows where messages are larger.
const BUFFER_SIZE: usize = 1024;

/// A call whose answer has not begun.
pub(crate) type Call = BoxFuture<'static, Result<Answer, ContractError>>;

pin_project! {
    /// The events of an answer, as they arrive.
    pub(crate) struct SseBody {
        state: State,
        chunks: ChunkWriter,
        // What goes out next; one message of the core at a time.
        buffer: BytesMut,
        facade: Arc<Facade>,
        last_write: Instant,
        // Runs out when the stream has been silent since it was set; not touched per chunk.
        #[pin]
        silence: Sleep,
        #[pin]
        ended: WaitForCancellationFutureOwned,
        // The task that waits for these two: it need not tell them so again at every chunk.
        waiting: Option<Waker>,
        // Dropped with the body: tells that this answer runs no more.
        running: TaskTrackerToken,
        // Dropped with the body: ends the spans.
        trace: Option<Box<ChatTrace>>,
    }
}

enum State {
    /// The head has gone out before the answer began.
    Calling(Call),
    /// The answer arrives.
    Answering(BoxStream<ChatResponse>),
    /// The last event is written.
    Ended,
}

impl SseBody {
    /// The body of an answer that has begun.
    pub(crate) fn answering(answer: Answer, chunks: ChunkWriter, facade: Arc<Facade>) -> Self {
        let mut body = Self::new(State::Answering(answer.rest), chunks, facade);
        body.chunks.write(&mut body.buffer, answer.first);
        body
    }

    /// The body of an answer that has not begun; a comment commits the head.
    pub(crate) fn calling(call: Call, chunks: ChunkWriter, facade: Arc<Facade>) -> Self {
        let mut body = Self::new(State::Calling(call), chunks, facade);
        body.buffer.extend_from_slice(COMMENT);
        body
    }

    fn new(state: State, chunks: ChunkWriter, facade: Arc<Facade>) -> Self {
        Self {
            state,
            chunks,
            buffer: BytesMut::with_capacity(BUFFER_SIZE),
            last_write: Instant::now(),
            silence: tokio::time::sleep(facade.keepalive),
            ended: facade.ending.clone().cancelled_owned(),
            waiting: None,
            running: facade.running.token(),
            trace: None,
            facade,
        }
    }

    /// Has what becomes of the answer noted here.
    pub(crate) fn traced(self, trace: Option<Box<ChatTrace>>) -> Self {
        Self { trace, ..self }
    }
}

impl Body for SseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut this = self.project();
        loop {
            if !this.buffer.is_empty() {
                *this.last_write = Instant::now();
                let data = this.buffer.split().freeze();
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            if matches!(this.state, State::Ended) {
                return Poll::Ready(None);
            }
            let polled = poll_answer(
                this.state,
                this.chunks,
                this.buffer,
                this.facade,
                this.trace.as_deref_mut(),
                context,
            );
            if polled.is_ready() {
                continue;
            }
            let waits = this.waiting.as_ref();
            if waits.is_some_and(|waiting| waiting.will_wake(context.waker()))
                && !this.silence.is_elapsed()
                && !this.facade.ending.is_cancelled()
            {
                return Poll::Pending;
            }
            if this.ended.as_mut().poll(context).is_ready() {
                let error = error::shutting_down();
                if let Some(trace) = this.trace {
                    trace.failed(&error);
                }
                write_error(this.buffer, &error);
                *this.state = State::Ended;
                continue;
            }
            if this.silence.as_mut().poll(context).is_pending() {
                *this.waiting = Some(context.waker().clone());
                return Poll::Pending;
            }
            let due = *this.last_write + this.facade.keepalive;
            if due <= Instant::now() {
                this.buffer.extend_from_slice(COMMENT);
            }
            this.silence
                .as_mut()
                .reset(next_check(due, this.facade.keepalive));
            // What is set anew is waited for only once it was polled.
            *this.waiting = None;
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Ended) && self.buffer.is_empty()
    }
}

/// When to look again for silence.
fn next_check(due: Instant, keepalive: Duration) -> Instant {
    let now = Instant::now();
    if due > now { due } else { now + keepalive }
}

/// Takes what the core sent next into the buffer; ready where something was taken, which may be nothing to write.
fn poll_answer(
    state: &mut State,
    chunks: &mut ChunkWriter,
    buffer: &mut BytesMut,
    facade: &Facade,
    trace: Option<&mut ChatTrace>,
    context: &mut Context<'_>,
) -> Poll<()> {
    let failure = match state {
        State::Calling(call) => match std::task::ready!(call.as_mut().poll(context)) {
            Ok(answer) => {
                if let Some(trace) = trace {
                    trace.begun(&answer);
                }
                chunks.write(buffer, answer.first);
                *state = State::Answering(answer.rest);
                return Poll::Ready(());
            }
            Err(error) => Some(error),
        },
        State::Answering(stream) => match std::task::ready!(stream.as_mut().poll_next(context)) {
            Some(Ok(response)) => {
                chunks.write(buffer, response);
                return Poll::Ready(());
            }
            Some(Err(status)) => Some(facade.core.failure(&status)),
            None => None,
        },
        State::Ended => return Poll::Ready(()),
    };
    *state = State::Ended;
    match (failure, trace) {
        (Some(error), trace) => {
            if let Some(trace) = trace {
                trace.failed(&error);
            }
            write_error(buffer, &error);
        }
        (None, trace) => {
            if let Some(trace) = trace {
                trace.answered();
            }
            ChunkWriter::write_done(buffer);
        }
    }
    Poll::Ready(())
}

/// Writes the event that ends a stream without `[DONE]`.
pub(crate) fn write_error(buffer: &mut BytesMut, failure: &ContractError) {
    buffer.extend_from_slice(b"data: ");
    error::write_object(buffer, failure);
    buffer.extend_from_slice(b"\n\n");
}
