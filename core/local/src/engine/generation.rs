//! An answer, as it arrives.

use std::task::{Context, Poll};

use tokio::sync::mpsc::Receiver;

/// What an answer consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The next piece of text, never empty.
    Text(String),
    /// The end, once, last.
    Done(Done),
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Why.
    pub finish_reason: FinishReason,
    /// What it took.
    pub usage: Usage,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended it, or a stop sequence came.
    Stop,
    /// It has as many tokens as it may have, or as fit into the context.
    Length,
}

/// Tokens of a request, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the conversation that was asked with.
    pub prompt_tokens: usize,
    /// How many of these were known from another conversation.
    pub cached_tokens: usize,
    /// Tokens that the model chose; one that ends the answer is one of them.
    pub completion_tokens: usize,
}

/// The engine was dropped, or failed by a fault of its own, before the answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the local model stopped before the answer's end")]
pub struct Interrupted;

/// An answer under way. Dropping it ends it.
///
/// Who reads slowly holds up nobody: all that the answer can have fits into the channel.
#[derive(Debug)]
pub struct Generation {
    receiver: Receiver<Event>,
    is_done: bool,
}

impl Generation {
    pub(super) fn new(receiver: Receiver<Event>) -> Self {
        Self {
            receiver,
            is_done: false,
        }
    }

    /// The next event; `None` after [`Event::Done`].
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`Interrupted`] where there will be no end.
    pub async fn next(&mut self) -> Option<Result<Event, Interrupted>> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// As [`Self::next`], for who implements a stream.
    ///
    /// # Errors
    ///
    /// As [`Self::next`].
    pub fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Event, Interrupted>>> {
        if self.is_done {
            return Poll::Ready(None);
        }
        self.receiver
            .poll_recv(context)
            .map(|event| self.note(event))
    }

    /// As [`Self::next`], for threads that may block.
    ///
    /// # Errors
    ///
    /// As [`Self::next`].
    pub fn blocking_next(&mut self) -> Option<Result<Event, Interrupted>> {
        if self.is_done {
            return None;
        }
        let event = self.receiver.blocking_recv();
        self.note(event)
    }

    fn note(&mut self, event: Option<Event>) -> Option<Result<Event, Interrupted>> {
        self.is_done = !matches!(event, Some(Event::Text(_)));
        Some(event.ok_or(Interrupted))
    }
}
