//! One attempt: the send, and what comes back up to the first meaningful event.

use std::time::Duration;

use futures_util::StreamExt;
use llm2api_proto::v1::{ChatEvent, ChoiceDelta, chat_event::Event};
use tokio::time::{Instant, timeout};

use crate::{
    registry::Entry,
    upstream::{Answer, Batch, ChatCall, Clock, Failure, FailureKind},
};

/// Bytes of comments and events without meaning after which an upstream is taken not to answer.
const MAX_HELD_BYTES: usize = 64 * 1024;

/// An answer that has begun: its first meaningful event is here.
pub(super) struct Opening {
    /// The events so far, in order; the last batch has a meaningful one, or the adapter keeps it back.
    pub(super) events: Vec<ChatEvent>,
    /// What follows.
    pub(super) rest: Answer,
}

/// Sends a chat and waits for the first meaningful event; tells for how long the send waited until it was known what to send.
///
/// # Errors
///
/// What the upstream did wrong; `Clock::FirstToken` where it took too long.
pub(super) async fn open(
    entry: &Entry,
    call: ChatCall<'_>,
    waited: &mut Duration,
) -> Result<Opening, Failure> {
    let limit = entry.first_token_timeout;
    let mut opening = Box::pin(open_in_its_time(entry, call));
    if call.is_waiting() {
        // The clock runs from the send.
        let begin = Instant::now();
        let opened = tokio::select! {
            biased;
            opening = &mut opening => Some(opening),
            _ = call.ready() => None,
        };
        *waited = begin.elapsed();
        if let Some(opening) = opened {
            return opening;
        }
    }
    match timeout(limit, opening).await {
        Ok(opening) => opening,
        Err(_) => Err(Failure::new(
            FailureKind::Clock(Clock::FirstToken),
            format!(
                "no token within {} s (FIRST_TOKEN_TIMEOUT)",
                limit.as_secs_f64()
            ),
        )),
    }
}

async fn open_in_its_time(entry: &Entry, call: ChatCall<'_>) -> Result<Opening, Failure> {
    let mut rest = entry.adapter.chat(call).await?;
    let mut events = Vec::new();
    let mut held_bytes = 0;
    while let Some(batch) = rest.next().await {
        let Batch {
            events: new,
            size_bytes,
            has_begun,
        } = batch?;
        let is_meaningful = has_begun || new.iter().any(is_meaningful);
        held_bytes += size_bytes;
        events.extend(new);
        if is_meaningful {
            return Ok(Opening { events, rest });
        }
        if held_bytes > MAX_HELD_BYTES {
            return Err(Failure::new(
                FailureKind::Unavailable,
                format!(
                    "no meaningful event in {} KiB of stream",
                    MAX_HELD_BYTES / 1024
                ),
            ));
        }
    }
    Err(Failure::new(
        FailureKind::Unavailable,
        "the answer ended without a meaningful event",
    ))
}

/// Reads what follows, whole.
///
/// # Errors
///
/// What the upstream did wrong; `Clock::Idle` where it fell silent.
pub(super) async fn read_on(entry: &Entry, rest: &mut Answer) -> Result<Option<Batch>, Failure> {
    match timeout(entry.idle_timeout, rest.next()).await {
        Ok(batch) => batch.transpose(),
        Err(_) => Err(idle(entry)),
    }
}

/// The upstream fell silent in the middle of an answer.
pub(super) fn idle(entry: &Entry) -> Failure {
    Failure::new(
        FailureKind::Clock(Clock::Idle),
        format!(
            "no byte for {} s (IDLE_TIMEOUT) in the middle of the answer",
            entry.idle_timeout.as_secs_f64()
        ),
    )
}

/// Whether an event is one that a client waits for: text, reasoning, refusal, tool call, audio or the finish of a choice.
pub(super) fn is_meaningful(event: &ChatEvent) -> bool {
    let has_text = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    match &event.event {
        Some(Event::Finish(_)) => true,
        Some(Event::Delta(ChoiceDelta {
            content,
            reasoning_content,
            refusal,
            tool_calls,
            audio,
            function_call,
            ..
        })) => {
            has_text(content)
                || has_text(reasoning_content)
                || has_text(refusal)
                || !tool_calls.is_empty()
                || audio.is_some()
                || function_call.is_some()
        }
        Some(Event::Start(_) | Event::Usage(_)) | None => false,
    }
}
