//! One attempt for a chat: whom it went past, which credential it had, how it ended and whose fault that was.

use std::{fmt, sync::Arc, time::Duration};

use llm2api_proto::{
    new_span_id,
    v1::{FinishReason, Usage},
};
use opentelemetry::trace::SpanId;

use crate::{
    pool::{CredentialId, NoLease},
    registry::Entry,
    upstream::FailureKind,
};

/// One attempt. Its times are from the chat's arrival.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// Whom the request went past before.
    pub(crate) passed_over: Vec<PassedOver>,
    /// Whom it asked.
    pub(crate) entry: Arc<Entry>,
    /// For which model, as the upstream calls it.
    pub(crate) model: String,
    /// With which credential.
    pub(crate) credential: CredentialId,
    /// How long it waited for that.
    pub(crate) waited: Duration,
    /// Its span.
    pub(crate) span_id: SpanId,
    /// The span of its request to the upstream.
    pub(crate) send_span_id: SpanId,
    /// When it began.
    pub(crate) began: Duration,
    /// For how long its send waited for a web search.
    pub(crate) searched_for: Duration,
    /// When its first token came.
    pub(crate) first_token: Option<Duration>,
    /// When it ended.
    pub(crate) ended: Option<Duration>,
    /// How it ended; a client that leaves is told by nobody.
    pub(crate) end: End,
    /// What the upstream answered. Boxed, as most attempts that fail have nothing of it.
    pub(crate) answer: Option<Box<AnswerRecord>>,
}

/// What an upstream said of its answer.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct AnswerRecord {
    /// The answer's id.
    pub(crate) id: String,
    /// The model that answered.
    pub(crate) model: String,
    /// Why each choice ended.
    pub(crate) finish_reasons: Vec<FinishReason>,
    /// What it said, where the operator wants that recorded.
    pub(crate) text: Option<String>,
    /// What it cost.
    pub(crate) tokens: Option<TokenCount>,
}

/// What an answer cost.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenCount {
    /// Of the prompt.
    pub(crate) input: u64,
    /// Of the answer.
    pub(crate) output: u64,
    /// Of the prompt's, those from a cache.
    pub(crate) cached: Option<u64>,
    /// Of the answer's, those of reasoning.
    pub(crate) reasoning: Option<u64>,
    /// Whether nobody reported it.
    pub(crate) is_estimated: bool,
}

impl From<&Usage> for TokenCount {
    fn from(usage: &Usage) -> Self {
        let count = |tokens: i64| u64::try_from(tokens).unwrap_or_default();
        let prompt = usage.prompt_tokens_details.as_ref();
        let completion = usage.completion_tokens_details.as_ref();
        Self {
            input: count(usage.prompt_tokens),
            output: count(usage.completion_tokens),
            cached: prompt.and_then(|details| details.cached_tokens).map(count),
            reasoning: completion
                .and_then(|details| details.reasoning_tokens)
                .map(count),
            is_estimated: usage.estimated,
        }
    }
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
    /// It failed so, with this HTTP status, where it had one.
    Failed(FailureKind, Option<u16>),
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

impl Attempt {
    /// One that begins now.
    pub(crate) fn new(
        entry: &Arc<Entry>,
        model: &str,
        credential: CredentialId,
        began: Duration,
    ) -> Self {
        Self {
            passed_over: Vec::new(),
            entry: Arc::clone(entry),
            model: model.to_owned(),
            credential,
            waited: Duration::ZERO,
            span_id: new_span_id(),
            send_span_id: new_span_id(),
            began,
            searched_for: Duration::ZERO,
            first_token: None,
            ended: None,
            end: End::Left,
            answer: None,
        }
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
            Self::Left | Self::Failed(FailureKind::Rejected, _) => Fault::Client,
            Self::Failed(
                FailureKind::RateLimited | FailureKind::QuotaSpent | FailureKind::Unauthorized,
                _,
            ) => Fault::Credential,
            Self::Failed(
                FailureKind::Unavailable
                | FailureKind::Clock(_)
                | FailureKind::ModelGone
                | FailureKind::Busy,
                _,
            ) => Fault::Upstream,
            Self::Failed(FailureKind::Misconfigured | FailureKind::Unusable, _) => Fault::Operator,
        }
    }

    /// The end as it is shown.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Answered => "answered",
            Self::Failed(..) => "failed",
        }
    }
}

impl Fault {
    /// Who it is, as it is shown.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Client => "client",
            Self::Credential => "credential",
            Self::Upstream => "upstream",
            Self::Operator => "operator",
        }
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
