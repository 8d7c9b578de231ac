//! The attempt loop: which upstream is tried next, and what a failure means for the request.

use std::{sync::Arc, time::Duration};

use llm2api_proto::{
    ContractError,
    v1::{ChatEvent, ChatRequest, ChatStart, chat_event::Event},
};
use tokio::{sync::SetOnce, time::Instant};

use super::{
    AnswerStream, Chats,
    attempt::{self, Opening},
    candidates::{Candidates, Next, NobodyReady},
    collect::Collector,
    committed::Committed,
    estimate::UsageCount,
    ledger::Ledger,
    outcome,
    web::{Searching, Weaver},
};
use crate::{
    admission::Permit,
    pool::Lease,
    registry::Entry,
    router::Candidate,
    upstream::{ChatCall, Clock, Failure, FailureKind},
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
    /// The web search that its send waits for, where there is one.
    searching: Option<&'a Searching>,
    ledger: &'a mut Ledger,
    started: Instant,
    /// For how long the request may still wait for credentials.
    wait_left: Duration,
    /// All attempts so far.
    count: u32,
    /// Of these, those that `RETRY_ATTEMPTS` counts.
    counted: u32,
    /// Of these, those that cost an upstream nothing.
    free: u32,
}

/// What follows a failure.
enum Then {
    /// Another attempt, where one can be made.
    Attempt,
    /// No other attempt, whether or not one can be made.
    End,
    /// This, to the client.
    Tell(ContractError),
}

impl<'a> Attempts<'a> {
    pub(super) fn new(
        chats: &'a Chats,
        request: &'a ChatRequest,
        searching: Option<&'a Searching>,
        ledger: &'a mut Ledger,
    ) -> Self {
        Self {
            chats,
            request,
            searching,
            started: ledger.started(),
            ledger,
            wait_left: chats.lease_wait,
            count: 0,
            counted: 0,
            free: 0,
        }
    }

    /// What the client may have.
    pub(super) fn permit(&self) -> &Permit {
        &self.ledger.pass().permit
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
        let shown_model = route.is_renamed.then_some(model);
        if fallback_from.is_some() {
            self.ledger.fell_back();
        }
        let pass_over = |passed_over| self.ledger.pass_over([passed_over]);
        let mut candidates = Candidates::supporting(self.request, route.candidates, pass_over)?;
        let mut last_failure: Option<(Arc<Entry>, Failure)> = None;
        let mut busy = None;
        (self.counted, self.free) = (0, 0);
        loop {
            let Next {
                at,
                lease,
                passed_over,
                waited,
            } = match candidates.take(self.count == 0) {
                Ok(next) => next,
                Err(nobody) => match self.wait(&candidates, &nobody).await {
                    Some(next) => next,
                    None => {
                        self.ledger
                            .pass_over(candidates.passed_over(nobody.reasons()));
                        let told = || candidates.none_left(&nobody, last_failure.as_ref());
                        return Err(busy.unwrap_or_else(told));
                    }
                },
            };
            back_off(candidates.failures(at)).await;
            self.count += 1;
            let candidate = candidates.get(at);
            let slot = lease.slot();
            self.ledger.pass_over(passed_over);
            self.ledger.begin(
                &candidate.entry,
                &candidate.model,
                lease.credential_id(),
                waited,
            );
            let failure = match self
                .attempt(candidate, lease, shown_model, fallback_from)
                .await
            {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            self.ledger.failed(&failure);
            if let Some(context) = self.ledger.context() {
                tracing::warn!(
                    request_id = context.request_id,
                    trace_id = %context.trace.trace_id,
                    client = context.client_id,
                    upstream = candidate.entry.name(),
                    model = candidate.model,
                    attempt = self.count,
                    failure = ?failure.kind,
                    status = failure.status,
                    "attempt failed: {failure}"
                );
            }
            let entry = Arc::clone(&candidate.entry);
            if failure.kind == FailureKind::Busy {
                busy = Some(outcome::of_failure(&entry, &failure));
            }
            let then = self.after(&failure, &mut candidates, at, slot);
            last_failure = Some((entry, failure));
            match then {
                Then::Attempt => {}
                Then::End => {
                    return Err(match candidates.take(false) {
                        // Those that were not tried count as busy.
                        Ok(_untried) => outcome::busy(),
                        Err(nobody) => candidates.none_left(&nobody, last_failure.as_ref()),
                    });
                }
                Then::Tell(error) => return Err(error),
            }
        }
    }

    /// Waits for a credential, for as long as the request may.
    async fn wait(&mut self, candidates: &Candidates, nobody: &NobodyReady) -> Option<Next> {
        let started = Instant::now();
        let next = candidates.wait(nobody, started + self.wait_left).await;
        self.wait_left = self.wait_left.saturating_sub(started.elapsed());
        next
    }

    /// Decides what follows a failure (the last column of the failure table).
    fn after(
        &mut self,
        failure: &Failure,
        candidates: &mut Candidates,
        at: usize,
        slot: usize,
    ) -> Then {
        let Candidate { entry, model } = candidates.get(at);
        let entry = Arc::clone(entry);
        let error = || outcome::of_failure(&entry, failure);
        match failure.kind {
            FailureKind::Unavailable | FailureKind::Clock(_) => {
                self.counted += 1;
                if self.counted >= self.chats.retry_attempts.get() {
                    return Then::Tell(error());
                }
                if is_late(failure) {
                    // It may still be working and billing: never the same one again.
                    candidates.rule_out_upstream(&entry);
                } else {
                    candidates.failed(at, slot);
                }
                return Then::Attempt;
            }
            FailureKind::Misconfigured | FailureKind::Rejected => return Then::Tell(error()),
            FailureKind::ModelGone => {
                entry.model_list.lose(model);
                candidates.rule_out(at);
            }
            FailureKind::Busy | FailureKind::Unusable => candidates.rule_out(at),
            FailureKind::RateLimited | FailureKind::QuotaSpent => candidates.limited(at, slot),
            FailureKind::Unauthorized => {}
        }
        self.free += 1;
        let is_late = self.started.elapsed() > entry.first_token_timeout;
        if self.free >= MAX_FREE_ATTEMPTS || is_late {
            return Then::End;
        }
        Then::Attempt
    }

    /// Makes one attempt; however it ends, the lease is told and given back.
    async fn attempt(
        &mut self,
        candidate: &Candidate,
        mut lease: Lease,
        shown_model: Option<&str>,
        fallback_from: Option<&str>,
    ) -> Result<AnswerStream, Failure> {
        let entry = &candidate.entry;
        let searching = self.searching;
        let replacement = searching.and_then(|searching| searching.replacement_at(&entry.config));
        let call = ChatCall {
            request: self.request,
            replacement,
            model: &candidate.model,
            credential: lease.credential(),
            trace: self.ledger.trace_at(entry),
        };
        let mut waited_for_search = Duration::ZERO;
        let opened = attempt::open(entry, call, &mut waited_for_search).await;
        self.ledger.waited_for_search(waited_for_search);
        let mut opening = match opened {
            Ok(opening) => opening,
            Err(failure) => {
                lease.failed(&failure);
                return Err(failure);
            }
        };
        lease.accepted();
        let has_waited = replacement.is_some();
        let search = searching.map(|searching| searching.status(has_waited));
        self.introduce(
            &mut opening.events,
            candidate,
            shown_model,
            fallback_from,
            search,
        );
        self.ledger.begun(start_of(&opening.events));
        self.ledger.searched(searching.and_then(Searching::record));
        let replaced = replacement.and_then(SetOnce::get).and_then(Option::as_ref);
        let mut count = UsageCount::new(
            replaced.unwrap_or(self.request),
            entry.usage_reporting(),
            self.ledger.pass().account.clone(),
        );
        if self.ledger.captures_content() {
            count = count.with_text();
        }
        count.read(&opening.events);
        // What is woven in is not the model's, and not counted.
        let mut weaver = searching
            .filter(|_| has_waited)
            .and_then(Searching::weaver)
            .map(Box::new);
        if let Some(weaver) = &mut weaver {
            weaver.weave(&mut opening.events);
        }
        if self.request.stream == Some(false) {
            let mut count = count;
            let whole = self.collect(entry, opening, &mut count, weaver).await;
            self.ledger.counted(&count);
            let whole = match whole {
                Ok(collector) => {
                    let estimate = count.finish(entry).await;
                    if let Some(usage) = &estimate {
                        self.ledger.estimated(usage.into());
                    }
                    Ok(AnswerStream::Whole(Some(collector.finish(estimate))))
                }
                Err(failure) => Err(failure),
            };
            match &whole {
                Ok(_) => {
                    lease.succeeded();
                    self.ledger.answered();
                }
                Err(failure) => lease.failed(failure),
            }
            whole
        } else {
            let ending = self.chats.ending().clone();
            Ok(AnswerStream::Streamed(Box::new(Committed::new(
                Arc::clone(entry),
                lease,
                self.ledger.hand_over(),
                opening,
                count,
                weaver,
                ending,
            ))))
        }
    }

    /// Reads an answer to its end.
    async fn collect(
        &self,
        entry: &Arc<Entry>,
        opening: Opening,
        count: &mut UsageCount,
        mut weaver: Option<Box<Weaver>>,
    ) -> Result<Collector, Failure> {
        let Opening { events, mut rest } = opening;
        let mut collector = Collector::new(self.chats.max_whole_bytes);
        collector.add(events)?;
        while let Some(mut batch) = attempt::read_on(entry, &mut rest).await? {
            count.read(&batch.events);
            if let Some(weaver) = &mut weaver {
                weaver.weave(&mut batch.events);
            }
            collector.add(batch.events)?;
        }
        Ok(collector)
    }

    /// Says in the answer's head who answers.
    fn introduce(
        &self,
        events: &mut [ChatEvent],
        candidate: &Candidate,
        shown_model: Option<&str>,
        fallback_from: Option<&str>,
        search: Option<&str>,
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
        start.search = search.unwrap_or_default().to_owned();
    }
}

/// What an answer says of itself.
fn start_of(events: &[ChatEvent]) -> Option<&ChatStart> {
    events.iter().find_map(|event| match &event.event {
        Some(Event::Start(start)) => Some(start),
        _ => None,
    })
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
