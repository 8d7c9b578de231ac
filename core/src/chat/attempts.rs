//! The attempt loop: which upstream is tried next, and what a failure means for the request.

use std::{sync::Arc, time::Duration};

use llm2api_proto::{
    ContractError,
    v1::{ChatEvent, ChatRequest, chat_event::Event},
};
use tokio::time::Instant;

use super::{
    AnswerStream, Chats, RequestContext,
    attempt::{self, Opening},
    collect::Collector,
    committed::Committed,
    estimate::UsageCount,
    outcome,
};
use crate::{
    pool::{Lease, NoLease},
    registry::Entry,
    router::Candidate,
    upstream::{Answer, ChatCall, Clock, Failure, FailureKind},
};

/// Attempts that cost an upstream nothing (a spent, refused or limited credential, a model that is gone) in one request.
const MAX_FREE_ATTEMPTS: u32 = 32;
/// The back-off before an upstream is tried again, doubling; half of it is jitter.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(2);

/// The attempts made for one request.
pub(super) struct Attempts<'a> {
    chats: &'a Chats,
    request: &'a ChatRequest,
    context: &'a RequestContext,
    started: Instant,
    /// All attempts so far.
    count: u32,
    /// Of these, those that `RETRY_ATTEMPTS` counts.
    counted: u32,
}

/// An upstream as this request has found it so far.
struct Tried {
    candidate: Candidate,
    failures: u32,
    /// Not to be asked again for this request.
    is_out: bool,
}

/// What follows a failure.
enum Next {
    /// Another attempt, where one can be made.
    Attempt,
    /// This, to the client.
    Tell(ContractError),
}

impl<'a> Attempts<'a> {
    pub(super) fn new(
        chats: &'a Chats,
        request: &'a ChatRequest,
        context: &'a RequestContext,
    ) -> Self {
        Self {
            chats,
            request,
            context,
            started: Instant::now(),
            count: 0,
            counted: 0,
        }
    }

    /// Tries the upstreams of a model until one answers.
    ///
    /// # Errors
    ///
    /// Why none could.
    pub(super) async fn answer_as(
        &mut self,
        model: &str,
        fallback_from: Option<&str>,
    ) -> Result<AnswerStream, ContractError> {
        let route = self.chats.route(model).await?;
        let mut tried = self.supporting(route.candidates)?;
        let shown_model = route.is_renamed.then_some(model);
        let mut last_failure: Option<(String, Failure)> = None;
        let mut busy = None;
        self.counted = 0;
        let mut free_attempts = 0;
        loop {
            let (at, lease) = match take(&tried) {
                Ok(taken) => taken,
                Err(reasons) => {
                    let told = || none_left(&tried, &reasons, last_failure.as_ref());
                    return Err(busy.unwrap_or_else(told));
                }
            };
            back_off(tried[at].failures).await;
            self.count += 1;
            let candidate = &tried[at].candidate;
            let failure = match self
                .attempt(candidate, lease, shown_model, fallback_from)
                .await
            {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            tracing::warn!(
                request_id = self.context.request_id,
                client = self.context.client_id,
                upstream = candidate.entry.name(),
                model = candidate.model,
                attempt = self.count,
                failure = ?failure.kind,
                status = failure.status,
                "attempt failed: {failure}"
            );
            let upstream = candidate.entry.name().to_owned();
            if let Next::Tell(error) = self.after(&failure, &mut tried, at, &mut free_attempts) {
                return Err(error);
            }
            if failure.kind == FailureKind::Busy {
                busy = Some(outcome::of_failure(&upstream, &failure));
            }
            last_failure = Some((upstream, failure));
        }
    }

    /// The candidates that can honour all that the request asks for.
    fn supporting(&self, candidates: Vec<Candidate>) -> Result<Vec<Tried>, ContractError> {
        let mut missing = None;
        let mut tried = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let adapter = &candidate.entry.adapter;
            match adapter.unsupported_field(self.request, &candidate.model) {
                None => tried.push(Tried {
                    candidate,
                    failures: 0,
                    is_out: false,
                }),
                Some(field) => missing = Some(field),
            }
        }
        match missing {
            Some(field) if tried.is_empty() => Err(outcome::unsupported(field)),
            _ => Ok(tried),
        }
    }

    /// Decides what follows a failure (the last column of the failure table).
    fn after(
        &mut self,
        failure: &Failure,
        tried: &mut [Tried],
        at: usize,
        free_attempts: &mut u32,
    ) -> Next {
        let Tried {
            candidate: Candidate { entry, model },
            ..
        } = &tried[at];
        let entry = Arc::clone(entry);
        let error = outcome::of_failure(entry.name(), failure);
        match failure.kind {
            FailureKind::Unavailable | FailureKind::Clock(_) => {
                self.counted += 1;
                if self.counted >= self.chats.retry_attempts.get() {
                    return Next::Tell(error);
                }
                if is_late(failure) {
                    // It may still be working and billing: never the same one again, whatever the model is called there.
                    for other in tried
                        .iter_mut()
                        .filter(|other| other.candidate.entry.name() == entry.name())
                    {
                        other.is_out = true;
                    }
                } else {
                    tried[at].failures += 1;
                }
                return Next::Attempt;
            }
            FailureKind::Misconfigured | FailureKind::Rejected => return Next::Tell(error),
            FailureKind::ModelGone => {
                entry.model_list.lose(model);
                tried[at].is_out = true;
            }
            FailureKind::Busy | FailureKind::Unusable => tried[at].is_out = true,
            FailureKind::RateLimited | FailureKind::QuotaSpent => {
                tried[at].is_out = entry.pool.passes_limits_on();
            }
            FailureKind::Unauthorized => {}
        }
        *free_attempts += 1;
        let is_late = self.started.elapsed() > entry.first_token_timeout;
        if *free_attempts >= MAX_FREE_ATTEMPTS || is_late {
            return Next::Tell(outcome::overloaded());
        }
        Next::Attempt
    }

    /// Makes one attempt; however it ends, the lease is told and given back.
    async fn attempt(
        &self,
        candidate: &Candidate,
        lease: Lease,
        shown_model: Option<&str>,
        fallback_from: Option<&str>,
    ) -> Result<AnswerStream, Failure> {
        let entry = &candidate.entry;
        let call = ChatCall {
            request: self.request,
            model: &candidate.model,
            credential: lease.credential(),
        };
        let Opening { mut events, rest } = attempt::open(entry, call)
            .await
            .inspect_err(|failure| lease.failed(failure))?;
        self.introduce(&mut events, candidate, shown_model, fallback_from);
        let mut count = UsageCount::new(self.request, entry.usage_reporting());
        count.read(&events);
        if self.request.stream == Some(false) {
            let whole = self.collect(entry, events, rest, count).await;
            whole
                .inspect(|_| lease.succeeded())
                .inspect_err(|failure| lease.failed(failure))
        } else {
            let ending = self.chats.ending().clone();
            Ok(AnswerStream::Streamed(Committed::new(
                Arc::clone(entry),
                lease,
                events,
                rest,
                count,
                ending,
            )))
        }
    }

    /// Reads an answer to its end.
    async fn collect(
        &self,
        entry: &Arc<Entry>,
        events: Vec<ChatEvent>,
        mut rest: Answer,
        mut count: UsageCount,
    ) -> Result<AnswerStream, Failure> {
        let mut collector = Collector::new(self.chats.max_whole_bytes);
        collector.add(events)?;
        while let Some(batch) = attempt::read_on(entry, &mut rest).await? {
            count.read(&batch.events);
            collector.add(batch.events)?;
        }
        let estimate = count.finish(entry).await;
        Ok(AnswerStream::Whole(Some(collector.finish(estimate))))
    }

    /// Says in the answer's head who answers.
    fn introduce(
        &self,
        events: &mut [ChatEvent],
        candidate: &Candidate,
        shown_model: Option<&str>,
        fallback_from: Option<&str>,
    ) {
        let start = events.iter_mut().find_map(|event| match &mut event.event {
            Some(Event::Start(start)) => Some(start),
            _ => None,
        });
        let Some(start) = start else {
            debug_assert!(false, "an adapter's first event is the start");
            return;
        };
        if start.id.is_empty() {
            start.id = answer_id();
        }
        if start.create_time.is_none() {
            start.create_time = Some(std::time::SystemTime::now().into());
        }
        if start.upstream_model.is_empty() {
            start.upstream_model.clone_from(&candidate.model);
        }
        start.model = shown_model.unwrap_or(&start.upstream_model).to_owned();
        candidate.entry.name().clone_into(&mut start.upstream);
        start.attempt_count = i32::try_from(self.count).unwrap_or(i32::MAX);
        start.fallback_from = fallback_from.unwrap_or_default().to_owned();
    }
}

/// Takes a credential of the first upstream that has one, those that failed least before the others.
fn take(tried: &[Tried]) -> Result<(usize, Lease), Vec<(usize, NoLease)>> {
    let mut order: Vec<usize> = (0..tried.len()).filter(|&at| !tried[at].is_out).collect();
    order.sort_by_key(|&at| tried[at].failures);
    let mut reasons = Vec::new();
    for at in order {
        match tried[at].candidate.entry.pool.lease() {
            Ok(lease) => return Ok((at, lease)),
            Err(reason) => reasons.push((at, reason)),
        }
    }
    Err(reasons)
}

/// What the client is told when no upstream is left to try.
fn none_left(
    tried: &[Tried],
    reasons: &[(usize, NoLease)],
    last_failure: Option<&(String, Failure)>,
) -> ContractError {
    let cooling = reasons.iter().filter_map(|(_, reason)| match reason {
        NoLease::Cooling(until) => Some(*until),
        NoLease::Invalid => None,
    });
    if let Some(until) = cooling.min() {
        return outcome::cooling(until);
    }
    match (reasons, last_failure) {
        ([(at, _), ..], _) => outcome::no_valid_key(tried[*at].candidate.entry.name()),
        ([], Some((upstream, failure))) => outcome::of_failure(upstream, failure),
        // Every candidate is out only after it failed, so this is not reached; the answer would be right all the same.
        ([], None) => outcome::no_upstream(),
    }
}

/// Whether an attempt failed so late that the upstream may still be working.
fn is_late(failure: &Failure) -> bool {
    matches!(
        failure.kind,
        FailureKind::Clock(Clock::FirstToken | Clock::Idle)
    )
}

/// Waits before an upstream is tried that has failed before.
async fn back_off(failures: u32) {
    if let Some(doublings) = failures.checked_sub(1) {
        let backoff = FIRST_BACKOFF
            .saturating_mul(2_u32.saturating_pow(doublings))
            .min(MAX_BACKOFF);
        tokio::time::sleep(backoff.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
    }
}

/// An id in OpenAI's form, for answers of upstreams that give none.
fn answer_id() -> String {
    let random = std::iter::repeat_with(fastrand::alphanumeric).take(29);
    "chatcmpl-".chars().chain(random).collect()
}
