//! What the model writes, as the contract's events.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::Stream;
use llm2api_local::{Done, Event as Written, FinishReason as End, Generation};
use llm2api_proto::v1::{
    ChatEvent, ChatStart, ChoiceDelta, ChoiceFinish, FinishReason, PromptTokensDetails, Usage,
    chat_event::Event,
};

use super::super::{Batch, Failure, FailureKind};

/// An answer of the model. Dropping it ends the model's work before the next token.
#[derive(Debug)]
pub(super) struct LocalAnswer {
    generation: Generation,
    has_begun: bool,
}

impl LocalAnswer {
    pub(super) fn new(generation: Generation) -> Self {
        Self {
            generation,
            has_begun: false,
        }
    }

    fn write(&mut self, batch: &mut Batch, written: Written) {
        if !std::mem::replace(&mut self.has_begun, true) {
            batch.events.push(event(Event::Start(ChatStart::default())));
            batch.events.push(event(Event::Delta(ChoiceDelta {
                role: "assistant".to_owned(),
                content: Some(String::new()),
                ..ChoiceDelta::default()
            })));
        }
        match written {
            Written::Text(text) => {
                batch.size_bytes += text.len();
                batch.events.push(event(Event::Delta(ChoiceDelta {
                    content: Some(text),
                    ..ChoiceDelta::default()
                })));
            }
            Written::Done(done) => {
                batch.events.push(event(finish(done)));
                batch.events.push(event(usage(done)));
            }
        }
    }
}

impl Stream for LocalAnswer {
    type Item = Result<Batch, Failure>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let mut batch = Batch::default();
        // All that is ready now goes out as one.
        loop {
            match this.generation.poll_next(context) {
                Poll::Ready(Some(Ok(written))) => this.write(&mut batch, written),
                Poll::Ready(Some(Err(interrupted))) => {
                    let failure = Failure::new(FailureKind::Unavailable, interrupted.to_string());
                    return Poll::Ready(Some(Err(failure)));
                }
                Poll::Ready(None) if batch.events.is_empty() => return Poll::Ready(None),
                Poll::Pending if batch.events.is_empty() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => return Poll::Ready(Some(Ok(batch))),
            }
        }
    }
}

fn event(event: Event) -> ChatEvent {
    ChatEvent {
        event: Some(event),
        ..ChatEvent::default()
    }
}

fn finish(done: Done) -> Event {
    let reason = match done.finish_reason {
        End::Stop => FinishReason::Stop,
        End::Length => FinishReason::Length,
    };
    Event::Finish(ChoiceFinish {
        reason: reason.into(),
        ..ChoiceFinish::default()
    })
}

fn usage(done: Done) -> Event {
    let count = |tokens: usize| i64::try_from(tokens).unwrap_or(i64::MAX);
    let usage = done.usage;
    Event::Usage(Usage {
        prompt_tokens: count(usage.prompt_tokens),
        completion_tokens: count(usage.completion_tokens),
        total_tokens: count(usage.prompt_tokens + usage.completion_tokens),
        prompt_tokens_details: Some(Box::new(PromptTokensDetails {
            cached_tokens: Some(count(usage.cached_tokens)),
            ..PromptTokensDetails::default()
        })),
        ..Usage::default()
    })
}
