//! An answer that goes out as it arrives.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use futures_util::{Stream, StreamExt};
use llm2api_proto::{
    ContractError,
    v1::{ChatEvent, ChatResponse, Usage, chat_event::Event},
};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;

use super::{
    attempt::{self, Opening},
    estimate::UsageCount,
    ledger::Ledger,
    outcome,
    web::Weaver,
};
use crate::{
    pool::Lease,
    registry::Entry,
    upstream::{Answer, Batch, Failure},
};

/// A committed answer: nothing before it was sent, and no attempt follows it.
///
/// Dropped before its end, it closes the upstream's connection and gives the lease back.
pub(crate) struct Committed {
    phase: Phase,
    entry: Arc<Entry>,
    lease: Lease,
    /// Told when the answer is dropped.
    ledger: Ledger,
    /// Where a web search found something.
    weaver: Option<Box<Weaver>>,
    idle_timer: Pin<Box<Sleep>>,
    last_byte: Instant,
    ending: CancellationToken,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    /// The task that waits for the timer and the end: it need not tell them so again at every chunk.
    waiting: Option<Waker>,
}

enum Phase {
    /// The events that are in hand go out first.
    Opening { opening: Opening, count: UsageCount },
    /// The upstream is read.
    Reading { rest: Answer, count: UsageCount },
    /// The upstream is done; its usage is estimated.
    Estimating(Pin<Box<dyn Future<Output = Option<Usage>> + Send>>),
    /// Nothing follows.
    Ended,
}

impl Committed {
    pub(super) fn new(
        entry: Arc<Entry>,
        lease: Lease,
        ledger: Ledger,
        opening: Opening,
        count: UsageCount,
        weaver: Option<Box<Weaver>>,
        ending: CancellationToken,
    ) -> Self {
        Self {
            phase: Phase::Opening { opening, count },
            idle_timer: Box::pin(tokio::time::sleep(entry.idle_timeout)),
            entry,
            lease,
            ledger,
            weaver,
            last_byte: Instant::now(),
            ended: Box::pin(ending.clone().cancelled_owned()),
            ending,
            waiting: None,
        }
    }

    /// Decides whether its trace is one of those by which the usual is shown.
    pub(super) fn keeps_trace(&mut self) -> bool {
        self.ledger.keep()
    }

    /// The events that go out first, while they have not.
    pub(super) fn opening(&self) -> &[ChatEvent] {
        match &self.phase {
            Phase::Opening { opening, .. } => &opening.events,
            Phase::Reading { .. } | Phase::Estimating(_) | Phase::Ended => &[],
        }
    }

    /// Whether this task waits already, and nothing of what it waits for has happened.
    fn is_quiet(&self, task: &Waker) -> bool {
        let waits = self.waiting.as_ref();
        waits.is_some_and(|waiting| waiting.will_wake(task))
            && !self.idle_timer.is_elapsed()
            && !self.ending.is_cancelled()
    }

    /// Takes note of what the answer was so far.
    fn note_count(&mut self) {
        if let Phase::Opening { count, .. } | Phase::Reading { count, .. } = &self.phase {
            self.ledger.counted(count);
        }
    }

    fn end_with(&mut self, error: ContractError) -> Status {
        self.note_count();
        self.ledger.refused(&error);
        self.phase = Phase::Ended;
        error.into()
    }

    fn fail(&mut self, failure: &Failure) -> Status {
        self.lease.failed(failure);
        self.ledger.failed(failure);
        tracing::warn!(
            upstream = self.entry.name(),
            failure = ?failure.kind,
            "answer broken off: {failure}"
        );
        self.end_with(outcome::of_failure(&self.entry, failure))
    }

    /// Looks, while the upstream is silent, whether the answer has to end: because we stop, or because that lasts too long.
    fn poll_silent(&mut self, context: &mut Context<'_>) -> Poll<Status> {
        if self.is_quiet(context.waker()) {
            return Poll::Pending;
        }
        if self.ended.as_mut().poll(context).is_ready() {
            return Poll::Ready(self.end_with(outcome::shutting_down()));
        }
        if self.poll_idle(context).is_pending() {
            self.waiting = Some(context.waker().clone());
            return Poll::Pending;
        }
        let failure = attempt::idle(&self.entry);
        Poll::Ready(self.fail(&failure))
    }

    /// Whether the upstream has been silent for too long. The timer is not reset at every chunk: when it fires, it is set anew
    /// by the last byte.
    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.idle_timer.as_mut().poll(context));
            let deadline = self.last_byte + self.entry.idle_timeout;
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            self.idle_timer.as_mut().reset(deadline);
        }
    }
}

impl Drop for Committed {
    fn drop(&mut self) {
        self.note_count();
    }
}

impl Stream for Committed {
    type Item = Result<ChatResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Phase::Reading { rest, count } = &mut this.phase {
                match rest.poll_next_unpin(context) {
                    Poll::Ready(Some(Ok(Batch { mut events, .. }))) => {
                        count.read(&events);
                        this.last_byte = Instant::now();
                        if events.is_empty() {
                            continue;
                        }
                        if let Some(weaver) = &mut this.weaver {
                            weaver.weave(&mut events);
                        }
                        return Poll::Ready(Some(Ok(ChatResponse { events })));
                    }
                    Poll::Ready(Some(Err(failure))) => {
                        return Poll::Ready(Some(Err(this.fail(&failure))));
                    }
                    Poll::Pending => return this.poll_silent(context).map(|end| Some(Err(end))),
                    Poll::Ready(None) => {}
                }
            }
            match std::mem::replace(&mut this.phase, Phase::Ended) {
                Phase::Opening {
                    opening: Opening { events, rest },
                    count,
                } => {
                    this.phase = Phase::Reading { rest, count };
                    return Poll::Ready(Some(Ok(ChatResponse { events })));
                }
                Phase::Reading { count, .. } => {
                    this.lease.succeeded();
                    this.ledger.counted(&count);
                    this.ledger.answered();
                    let entry = Arc::clone(&this.entry);
                    this.phase =
                        Phase::Estimating(Box::pin(async move { count.finish(&entry).await }));
                }
                Phase::Estimating(mut estimate) => match estimate.as_mut().poll(context) {
                    Poll::Ready(Some(usage)) => {
                        this.ledger.settle();
                        this.ledger.estimated((&usage).into());
                        let event = ChatEvent {
                            event: Some(Event::Usage(usage)),
                            ..ChatEvent::default()
                        };
                        return Poll::Ready(Some(Ok(ChatResponse {
                            events: vec![event],
                        })));
                    }
                    Poll::Ready(None) => {
                        // Who hears of the end may ask again at once.
                        this.ledger.settle();
                        return Poll::Ready(None);
                    }
                    Poll::Pending => {
                        this.phase = Phase::Estimating(estimate);
                        return Poll::Pending;
                    }
                },
                Phase::Ended => return Poll::Ready(None),
            }
        }
    }
}
