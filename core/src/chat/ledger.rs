//! Takes note of what is done for one request, so that "why this credential?" can be answered for any, and tells the monitor when it has
//! ended, however it did.

use std::{sync::Arc, time::Duration};

use llm2api_proto::{ContractError, TraceContext, v1::ChatStart};
use tokio::time::Instant;

use super::{estimate::UsageCount, pass::Pass};
use crate::{
    monitor::{
        Asked, Attempt, ChatRecord, End, Monitor, Outcome, PassedOver, RequestContext,
        SearchRecord, TokenCount,
    },
    pool::CredentialId,
    registry::Entry,
    upstream::{Failure, SentTrace},
};

/// Attempts that are kept: more than `RETRY_ATTEMPTS` and those that cost nothing are in any sensible configuration.
const MAX_ATTEMPTS: usize = 64;
/// Upstreams that are kept of those which one attempt went past.
const MAX_PASSED_OVER: usize = 16;

/// What is done for one request. Told when it is dropped.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// `None`: another ledger goes on with it.
    record: Option<Box<ChatRecord>>,
    monitor: Arc<Monitor>,
    /// What lets the request in.
    pass: Pass,
}

impl Ledger {
    /// That of a request that has just arrived.
    pub(crate) fn new(monitor: &Arc<Monitor>, context: RequestContext, asked: Asked) -> Self {
        Self {
            record: Some(Box::new(ChatRecord::new(context, asked))),
            monitor: Arc::clone(monitor),
            pass: Pass::default(),
        }
    }

    /// That of one that is asked for the sake of another, and no client's.
    pub(crate) fn of_part(monitor: &Arc<Monitor>, context: RequestContext, asked: Asked) -> Self {
        let mut ledger = Self::new(monitor, context, asked);
        if let Some(record) = &mut ledger.record {
            record.is_part = true;
        }
        ledger
    }

    /// One of which nobody is told.
    #[cfg(test)]
    pub(super) fn of_nobody() -> Self {
        let monitor = Arc::new(Monitor::new(1));
        Self::new(&monitor, RequestContext::default(), Asked::default())
    }

    /// Whether what the answer says is to be noted.
    pub(super) fn captures_content(&self) -> bool {
        self.monitor.captures_content()
    }

    /// Leaves what was noted, and what follows, to another.
    pub(crate) fn hand_over(&mut self) -> Self {
        Self {
            record: self.record.take(),
            monitor: Arc::clone(&self.monitor),
            pass: std::mem::take(&mut self.pass),
        }
    }

    /// What was noted so far. `None`: another goes on with it.
    pub(crate) fn record(&self) -> Option<&ChatRecord> {
        self.record.as_deref()
    }

    /// Who asks. `None`: another goes on with it.
    pub(crate) fn context(&self) -> Option<&RequestContext> {
        Some(&self.record()?.context)
    }

    /// Takes note that the fallback is asked now.
    pub(crate) fn fell_back(&mut self) {
        if let Some(record) = &mut self.record {
            record.fell_back = true;
        }
    }

    /// What the attempt that runs tells its upstream of the trace, where that is to know.
    pub(crate) fn trace_at(&self, entry: &Entry) -> Option<SentTrace<'_>> {
        let record = self.record().filter(|_| entry.propagates_trace())?;
        let context = TraceContext {
            span_id: record.attempts.last()?.send_span_id,
            ..record.context.trace
        };
        Some(SentTrace {
            context,
            state: &record.context.trace_state,
        })
    }

    /// Takes note of how long the attempt's send waited for a web search.
    pub(crate) fn waited_for_search(&mut self, waited: Duration) {
        if let Some(attempt) = self.attempt() {
            attempt.searched_for = waited;
        }
    }

    /// Decides now that the trace is kept, where it is one of those by which the usual is shown. Whether it is kept.
    pub(crate) fn keep(&mut self) -> bool {
        let Some(record) = &mut self.record else {
            return false;
        };
        record.is_kept = record.is_kept || self.monitor.keeps_another();
        record.is_kept
    }

    /// Takes what lets the request in.
    pub(super) fn let_in(&mut self, pass: Pass) {
        self.pass = pass;
    }

    /// What lets the request in.
    pub(super) fn pass(&self) -> &Pass {
        &self.pass
    }

    /// Takes note that nothing more will be used.
    pub(crate) fn settle(&mut self) {
        self.pass.account = None;
    }

    /// Takes note of upstreams that were not asked.
    pub(crate) fn pass_over(&mut self, passed_over: impl IntoIterator<Item = PassedOver>) {
        if let Some(record) = &mut self.record {
            let room = MAX_PASSED_OVER.saturating_sub(record.passed_over.len());
            record
                .passed_over
                .extend(passed_over.into_iter().take(room));
        }
    }

    /// Takes note of a web search for it.
    pub(crate) fn searched(&mut self, search: Option<SearchRecord>) {
        if let Some(record) = &mut self.record {
            record.search = search;
        }
    }

    /// Takes note that an attempt begins.
    pub(crate) fn begin(
        &mut self,
        entry: &Arc<Entry>,
        model: &str,
        credential: CredentialId,
        waited: Duration,
    ) {
        let Some(record) = &mut self.record else {
            return;
        };
        if record.attempts.len() >= MAX_ATTEMPTS {
            record.attempts.pop();
            record.uncounted += 1;
        }
        let mut attempt = Attempt::new(entry, model, credential, record.started.elapsed());
        attempt.waited = waited;
        attempt.passed_over = std::mem::take(&mut record.passed_over);
        // Most requests have one.
        record.attempts.reserve_exact(1);
        record.attempts.push(attempt);
    }

    /// The attempt that runs.
    pub(crate) fn attempt(&mut self) -> Option<&mut Attempt> {
        self.record.as_mut()?.attempts.last_mut()
    }

    /// Takes note that the attempt's first token is here, and of what its answer says of itself.
    pub(crate) fn begun(&mut self, start: Option<&ChatStart>) {
        let Some(record) = &mut self.record else {
            return;
        };
        let now = record.started.elapsed();
        record.first_token.get_or_insert(now);
        if let Some(attempt) = record.attempts.last_mut() {
            attempt.first_token = Some(now);
            let answer = attempt.answer.get_or_insert_default();
            if let Some(start) = start {
                answer.id.clone_from(&start.id);
                answer.model.clone_from(&start.upstream_model);
            }
        }
    }

    /// Takes note of what the answer was so far.
    pub(super) fn counted(&mut self, count: &UsageCount) {
        if let Some(attempt) = self.attempt() {
            let answer = attempt.answer.get_or_insert_default();
            answer.finish_reasons.clone_from(&count.finish_reasons);
            answer.tokens = Some(count.so_far());
            answer.text.clone_from(&count.text);
        }
    }

    /// Takes note of what the answer cost, in a better estimate.
    pub(crate) fn estimated(&mut self, tokens: TokenCount) {
        if let Some(attempt) = self.attempt() {
            attempt.answer.get_or_insert_default().tokens = Some(tokens);
        }
    }

    /// Takes note that the attempt was answered to the end.
    pub(crate) fn answered(&mut self) {
        self.end(End::Answered);
        if let Some(record) = &mut self.record {
            record.outcome = Outcome::Answered;
        }
    }

    /// Takes note of how the attempt failed.
    pub(crate) fn failed(&mut self, failure: &Failure) {
        self.end(End::Failed(failure.kind, failure.status));
    }

    /// Takes note of what the client is told.
    pub(crate) fn refused(&mut self, error: &ContractError) {
        if let Some(record) = &mut self.record {
            record.outcome = Outcome::of(error);
        }
    }

    fn end(&mut self, end: End) {
        if let Some(record) = &mut self.record {
            let now = record.started.elapsed();
            if let Some(attempt) = record.attempts.last_mut() {
                attempt.end = end;
                attempt.ended = Some(now);
            }
        }
    }

    /// When the request arrived.
    pub(crate) fn started(&self) -> Instant {
        self.record
            .as_ref()
            .map_or_else(Instant::now, |record| record.started)
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let Some(mut record) = self.record.take() else {
            return;
        };
        record.took = record.started.elapsed();
        if !record.attempts.is_empty() || !record.passed_over.is_empty() {
            tracing::debug!(
                request_id = record.context.request_id,
                trace_id = %record.context.trace.trace_id,
                client = record.context.client_id,
                "attempts: {record}"
            );
        }
        self.monitor.take(record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Config, UpstreamConfig},
        registry::Registry,
        upstream::FailureKind,
    };

    #[test]
    fn a_ledger_keeps_the_first_attempts_and_counts_the_rest() {
        let config = Config::of_upstreams(vec![UpstreamConfig::named("one", None)]);
        let registry = Registry::of_config(&config);
        let entry = &registry.routing().entries[0];
        let credential = entry.pool.in_turn(1)[0].id;
        let mut ledger = Ledger::of_nobody();
        for _ in 0..MAX_ATTEMPTS + 10 {
            ledger.begin(entry, "m", credential, Duration::from_millis(250));
            ledger.failed(&Failure::new(FailureKind::Unavailable, "no"));
        }
        ledger.answered();
        let record = ledger.record().unwrap();
        assert_eq!(
            (record.attempts.len(), record.uncounted),
            (MAX_ATTEMPTS, 10)
        );
        let told = record.to_string();
        assert!(told.starts_with(&format!(
            "one {credential} after 0.250 s Unavailable, fault upstream; "
        )));
        assert!(told.ends_with(&format!(
            "one {credential} after 0.250 s answered; and 10 more attempts"
        )));
    }
}
