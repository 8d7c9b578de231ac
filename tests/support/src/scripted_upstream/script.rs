//! What a scripted upstream does with one request.

use std::time::Duration;

use bytes::Bytes;

use crate::signal::Signal;

/// An answer, step by step. Where the steps end without another end, the body ends as its framing asks and the connection is kept.
#[derive(Debug, Clone)]
pub struct Script {
    pub(super) status: Option<u16>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) framing: BodyFraming,
    pub(super) steps: Vec<Step>,
}

/// How the body's end is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyFraming {
    /// Each piece is a chunk.
    Chunked,
    /// By `Content-Length`: there is one piece.
    Length,
    /// By the connection's.
    Close,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Writes each of these pieces on its own.
    Write(Vec<Bytes>),
    /// Waits for the test.
    Wait(Signal),
    /// Paces what follows.
    Pause(Duration),
    /// Does nothing more until the peer goes.
    Stall,
    /// Closes the connection.
    Close,
    /// Resets the connection.
    Reset,
}

impl Script {
    fn new(status: Option<u16>, framing: BodyFraming) -> Self {
        Self {
            status,
            headers: Vec::new(),
            framing,
            steps: Vec::new(),
        }
    }

    /// A stream of events, chunked.
    #[must_use]
    pub fn stream() -> Self {
        Self::new(Some(200), BodyFraming::Chunked).header("Content-Type", "text/event-stream")
    }

    /// A stream of events that ends with the connection.
    #[must_use]
    pub fn stream_until_close() -> Self {
        Self::new(Some(200), BodyFraming::Close)
            .header("Content-Type", "text/event-stream; charset=utf-8")
            .header("Connection", "close")
    }

    /// A whole answer.
    #[must_use]
    pub fn answer(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::new(Some(status), BodyFraming::Length)
            .header("Content-Type", content_type)
            .bytes(body)
    }

    /// A whole answer in JSON.
    #[must_use]
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::answer(status, "application/json", body)
    }

    /// Bytes without a head.
    #[must_use]
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self::new(None, BodyFraming::Close).bytes(bytes)
    }

    /// No answer: accepts the request and resets the connection.
    #[must_use]
    pub fn reset_at_once() -> Self {
        Self::new(None, BodyFraming::Close).reset()
    }

    /// No answer until the peer goes.
    #[must_use]
    pub fn silence() -> Self {
        Self::new(None, BodyFraming::Close).stall()
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Goes on with these bytes of the body, in one piece.
    #[must_use]
    pub fn bytes(self, bytes: impl Into<Bytes>) -> Self {
        self.step(Step::Write(vec![bytes.into()]))
    }

    /// Goes on with these bytes of the body, each a piece and a write of its own.
    #[must_use]
    pub fn byte_by_byte(self, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        self.step(Step::Write(
            (0..bytes.len()).map(|at| bytes.slice(at..=at)).collect(),
        ))
    }

    /// Goes on with an event that has this data.
    #[must_use]
    pub fn event(self, data: impl std::fmt::Display) -> Self {
        self.bytes(format!("data: {data}\n\n"))
    }

    /// Goes on with these events, all in one piece.
    #[must_use]
    pub fn events<D: std::fmt::Display>(self, data: impl IntoIterator<Item = D>) -> Self {
        let events: String = data
            .into_iter()
            .map(|data| format!("data: {data}\n\n"))
            .collect();
        self.bytes(events)
    }

    /// Goes on with OpenAI's end marker.
    #[must_use]
    pub fn done(self) -> Self {
        self.event("[DONE]")
    }

    /// Waits for the test before it goes on.
    #[must_use]
    pub fn wait_for(self, signal: &Signal) -> Self {
        self.step(Step::Wait(signal.clone()))
    }

    /// Lets time pass before it goes on, as a model does between tokens.
    #[must_use]
    pub fn pause(self, pause: Duration) -> Self {
        self.step(Step::Pause(pause))
    }

    /// Does nothing more until the peer goes.
    #[must_use]
    pub fn stall(self) -> Self {
        self.step(Step::Stall)
    }

    /// Closes the connection, wherever the body is.
    #[must_use]
    pub fn close(self) -> Self {
        self.step(Step::Close)
    }

    /// Resets the connection.
    #[must_use]
    pub fn reset(self) -> Self {
        self.step(Step::Reset)
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}
