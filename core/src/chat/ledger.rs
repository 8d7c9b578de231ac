//! What was done for one request: each attempt, whom it went past, which credential it had, how it ended and whose fault that was.
//!
//! So that "why this credential?" can be answered for any request. Names and ids only: nothing here says what a credential's value is
//! or what was asked.

use std::{fmt, sync::Arc, time::Duration};

use super::RequestContext;
use crate::{
    pool::{CredentialId, NoLease},
    registry::Entry,
    upstream::{Failure, FailureKind},
};

/// Attempts that are kept: more than `RETRY_ATTEMPTS` and those that cost nothing are in any sensible configuration.
const MAX_ATTEMPTS: usize = 64;
/// Upstreams that are kept of those which one attempt went past.
const MAX_PASSED_OVER: usize = 16;

/// What was done for one request. Told when it is dropped, however the request ended.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    context: RequestContext,
    attempts: Vec<Attempt>,
    /// Attempts beyond those that are kept.
    uncounted: usize,
    /// Whom the request went past since its last attempt.
    passed_over: Vec<PassedOver>,
}

/// One attempt.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// Whom the request went past before.
    pub(crate) passed_over: Vec<PassedOver>,
    /// Whom it asked.
    pub(crate) entry: Arc<Entry>,
    /// With which credential.
    pub(crate) credential: CredentialId,
    /// How long it waited for that.
    pub(crate) waited: Duration,
    /// How it ended; a client that leaves is told by nobody.
    pub(crate) end: End,
}

/// An upstream that was not asked.
#[derive(Debug)]
pub(crate) struct PassedOver {
    /// Which.
    pub(crate) entry: Arc<Entry>,
    /// Why.
    pub(crate) why: Obstacle,
}

/// Why an upstream was not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// It can't honour this field of the request.
    Unsupported(&'static str),
    /// No credential of it could be had.
    NoLease(NoLease),
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The client left first, or we stopped.
    Left,
    /// The upstream answered, to the end.
    Answered,
    /// It failed.
    Failed(FailureKind),
}

/// Whose fault an end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nobody's.
    None,
    /// The client's: it left, or asked for what can't be.
    Client,
    /// The credential's: spent, limited or refused.
    Credential,
    /// The upstream's, or that of the way to it.
    Upstream,
    /// The operator's: something is configured wrongly.
    Operator,
}

impl Ledger {
    /// That of a request for which nothing was done yet.
    pub(crate) fn new(context: RequestContext) -> Self {
        let mut ledger = Self::default();
        ledger.context = context;
        ledger
    }

    /// Who asks.
    pub(crate) fn context(&self) -> &RequestContext {
        &self.context
    }

    /// Takes note of upstreams that were not asked.
    pub(crate) fn pass_over(&mut self, passed_over: impl IntoIterator<Item = PassedOver>) {
        let room = MAX_PASSED_OVER.saturating_sub(self.passed_over.len());
        self.passed_over.extend(passed_over.into_iter().take(room));
    }

    /// Takes note that an attempt begins.
    pub(crate) fn begin(&mut self, entry: &Arc<Entry>, credential: CredentialId, waited: Duration) {
        if self.attempts.len() >= MAX_ATTEMPTS {
            self.attempts.pop();
            self.uncounted += 1;
        }
        // Most requests have one.
        self.attempts.reserve_exact(1);
        self.attempts.push(Attempt {
            passed_over: std::mem::take(&mut self.passed_over),
            entry: Arc::clone(entry),
            credential,
            waited,
            end: End::Left,
        });
    }

    /// Takes note that the attempt was answered to the end.
    pub(crate) fn answered(&mut self) {
        self.end(End::Answered);
    }

    /// Takes note of how the attempt failed.
    pub(crate) fn failed(&mut self, failure: &Failure) {
        self.end(End::Failed(failure.kind));
    }

    fn end(&mut self, end: End) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.end = end;
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if self.attempts.is_empty() && self.passed_over.is_empty() {
            return;
        }
        tracing::debug!(
            request_id = self.context.request_id,
            client = self.context.client_id,
            "attempts: {self}"
        );
    }
}

impl PassedOver {
    /// An upstream that was not asked, and why.
    pub(crate) fn new(entry: &Arc<Entry>, why: Obstacle) -> Self {
        Self {
            entry: Arc::clone(entry),
            why,
        }
    }
}

impl End {
    /// Whose fault it is.
    pub(crate) fn fault(self) -> Fault {
        match self {
            Self::Answered => Fault::None,
            Self::Left | Self::Failed(FailureKind::Rejected) => Fault::Client,
            Self::Failed(
                FailureKind::RateLimited | FailureKind::QuotaSpent | FailureKind::Unauthorized,
            ) => Fault::Credential,
            Self::Failed(
                FailureKind::Unavailable
                | FailureKind::Clock(_)
                | FailureKind::ModelGone
                | FailureKind::Busy,
            ) => Fault::Upstream,
            Self::Failed(FailureKind::Misconfigured | FailureKind::Unusable) => Fault::Operator,
        }
    }
}

/// The whole on one line, as in `vllm busy; hosted ck_… after 0.250 s RateLimited, fault Credential; hosted ck_… answered`.
impl fmt::Display for Ledger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut separate = |formatter: &mut fmt::Formatter<'_>| {
            formatter.write_str(std::mem::replace(&mut separator, "; "))
        };
        for attempt in &self.attempts {
            for passed_over in &attempt.passed_over {
                separate(formatter)?;
                write!(formatter, "{passed_over}")?;
            }
            separate(formatter)?;
            write!(formatter, "{} {}", attempt.entry.name(), attempt.credential)?;
            if !attempt.waited.is_zero() {
                write!(formatter, " after {:.3} s", attempt.waited.as_secs_f64())?;
            }
            match attempt.end {
                End::Left => formatter.write_str(" left")?,
                End::Answered => formatter.write_str(" answered")?,
                End::Failed(kind) => {
                    write!(formatter, " {kind:?}, fault {:?}", attempt.end.fault())?;
                }
            }
        }
        for passed_over in &self.passed_over {
            separate(formatter)?;
            write!(formatter, "{passed_over}")?;
        }
        if self.uncounted > 0 {
            separate(formatter)?;
            write!(formatter, "and {} more attempts", self.uncounted)?;
        }
        Ok(())
    }
}

impl fmt::Display for PassedOver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.entry.name();
        match self.why {
            Obstacle::Unsupported(field) => write!(formatter, "{name} lacks {field}"),
            Obstacle::NoLease(NoLease::Busy(_)) => write!(formatter, "{name} busy"),
            Obstacle::NoLease(NoLease::Cooling(_)) => write!(formatter, "{name} cooling"),
            Obstacle::NoLease(NoLease::NoneValid) => {
                write!(formatter, "{name} without a valid credential")
            }
            Obstacle::NoLease(NoLease::Broken(_)) => write!(formatter, "{name} failing"),
            Obstacle::NoLease(NoLease::Unwished) => write!(formatter, "{name} tried"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Config, UpstreamConfig},
        registry::Registry,
    };

    #[test]
    fn a_ledger_keeps_the_first_attempts_and_counts_the_rest() {
        let config = Config::of_upstreams(vec![UpstreamConfig::named("one", None)]);
        let registry = Registry::of_config(&config);
        let entry = &registry.routing().entries[0];
        let credential = entry.pool.in_turn(1)[0].id;
        let mut ledger = Ledger::default();
        for _ in 0..MAX_ATTEMPTS + 10 {
            ledger.begin(entry, credential, Duration::from_millis(250));
            ledger.failed(&Failure::new(FailureKind::Unavailable, "no"));
        }
        ledger.answered();
        assert_eq!(
            (ledger.attempts.len(), ledger.uncounted),
            (MAX_ATTEMPTS, 10)
        );
        let told = ledger.to_string();
        assert!(told.starts_with(&format!(
            "one {credential} after 0.250 s Unavailable, fault Upstream; "
        )));
        assert!(told.ends_with(&format!(
            "one {credential} after 0.250 s answered; and 10 more attempts"
        )));
    }
}
