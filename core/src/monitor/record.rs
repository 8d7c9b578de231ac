//! What was done for one chat, from its arrival to its end.
//!
//! Names and ids only: nothing here says what a credential's value is; nor, unless the operator wants that, what was asked.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use llm2api_proto::{
    ContractError, Parent, TraceContext, TraceState,
    v1::{ChatRequest, ErrorReason},
};
use opentelemetry::trace::SpanId;
use tokio::time::Instant;
use tonic::Code;

use super::attempt::{Attempt, End, PassedOver, TokenCount};
use crate::search::SearchStatus;

/// Who asks, and as part of which trace.
#[derive(Debug, Clone)]
pub(crate) struct RequestContext {
    /// The request's id.
    pub(crate) request_id: String,
    /// By what the client is known.
    pub(crate) client_id: String,
    /// The span of this chat.
    pub(crate) trace: TraceContext,
    /// The caller's span.
    pub(crate) parent: Option<Parent>,
    /// What others add to the trace.
    pub(crate) trace_state: TraceState,
}

impl Default for RequestContext {
    /// Nobody in particular, by a trace of its own.
    fn default() -> Self {
        Self {
            request_id: String::new(),
            client_id: String::new(),
            trace: TraceContext::root(false),
            parent: None,
            trace_state: TraceState::default(),
        }
    }
}

/// One chat, from its arrival to its end.
#[derive(Debug)]
pub(crate) struct ChatRecord {
    /// Who asked.
    pub(crate) context: RequestContext,
    /// Whether it is no chat of a client's, but asked for the sake of one.
    pub(crate) is_part: bool,
    /// What was asked, as far as it is told.
    pub(crate) asked: Asked,
    /// When it arrived.
    pub(crate) started_at: SystemTime,
    /// When it arrived, on the clock by which all its times are taken.
    pub(crate) started: Instant,
    /// From its arrival to its end.
    pub(crate) took: Duration,
    /// From its arrival to its first token.
    pub(crate) first_token: Option<Duration>,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// What was tried, in order.
    pub(crate) attempts: Vec<Attempt>,
    /// Attempts beyond those that are kept.
    pub(crate) uncounted: u32,
    /// Whom it went past since its last attempt.
    pub(crate) passed_over: Vec<PassedOver>,
    /// Its web search, where there was one.
    pub(crate) search: Option<SearchRecord>,
    /// Whether the fallback was asked in the end.
    pub(crate) fell_back: bool,
    /// Whether its trace is kept whatever becomes of it.
    pub(crate) is_kept: bool,
}

/// What was asked, as far as it is told: no word of the conversation, unless the operator wants it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Asked {
    /// The model.
    pub(crate) model: String,
    /// Whether the answer was to be streamed.
    pub(crate) is_streamed: bool,
    /// The choices.
    pub(crate) choice_count: Option<i32>,
    /// The most tokens of the answer.
    pub(crate) max_tokens: Option<i64>,
    /// The temperature.
    pub(crate) temperature: Option<f64>,
    /// Nucleus sampling.
    pub(crate) top_p: Option<f64>,
    /// The messages as spans have them, where the operator wants that.
    pub(crate) messages_json: Option<String>,
}

impl Asked {
    /// What a request asks.
    pub(crate) fn of(request: &ChatRequest) -> Self {
        Self {
            model: request.model.clone(),
            is_streamed: request.stream != Some(false),
            choice_count: request.n,
            max_tokens: request.max_completion_tokens.or(request.max_tokens),
            temperature: request.temperature,
            top_p: request.top_p,
            messages_json: None,
        }
    }
}

/// How a chat ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The client left, or we were told to end at once.
    Cancelled,
    /// It was answered to the end.
    Answered,
    /// It could not be answered, or not to the end.
    Failed(ErrorReason),
    /// The client asked for what can't be.
    Rejected(ErrorReason),
}

impl Outcome {
    /// What an error is that the client was told.
    pub(crate) fn of(error: &ContractError) -> Self {
        let is_clients_fault = match &error.passed_on {
            Some(passed_on) => matches!(passed_on.http_status, 400..=428 | 430..=499),
            None => matches!(
                error.reason.grpc_code(),
                Code::InvalidArgument
                    | Code::NotFound
                    | Code::PermissionDenied
                    | Code::Unauthenticated
            ),
        };
        match is_clients_fault {
            true => Self::Rejected(error.reason),
            false => Self::Failed(error.reason),
        }
    }

    /// What [`Self::as_str`] gives.
    pub(crate) const NAMES: [&'static str; 4] = ["ok", "error", "rejected", "cancelled"];

    /// The outcome as it is shown.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Answered => "ok",
            Self::Failed(_) => "error",
            Self::Rejected(_) => "rejected",
        }
    }

    /// The error that the client was told.
    pub(crate) fn error(self) -> Option<ErrorReason> {
        match self {
            Self::Failed(reason) | Self::Rejected(reason) => Some(reason),
            Self::Cancelled | Self::Answered => None,
        }
    }
}

/// A web search. Its times are from the chat's arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SearchRecord {
    /// Its span.
    pub(crate) span_id: SpanId,
    /// When it began.
    pub(crate) began: Duration,
    /// When it ended.
    pub(crate) ended: Duration,
    /// What it was.
    pub(crate) status: SearchStatus,
    /// How many results it had.
    pub(crate) result_count: usize,
}

impl ChatRecord {
    /// That of a chat for which nothing was done yet.
    pub(crate) fn new(context: RequestContext, asked: Asked) -> Self {
        Self {
            context,
            is_part: false,
            asked,
            started_at: SystemTime::now(),
            started: Instant::now(),
            took: Duration::ZERO,
            first_token: None,
            outcome: Outcome::Cancelled,
            attempts: Vec::new(),
            uncounted: 0,
            passed_over: Vec::new(),
            search: None,
            fell_back: false,
            is_kept: false,
        }
    }

    /// Attempts that were made.
    pub(crate) fn attempt_count(&self) -> usize {
        self.attempts.len() + self.uncounted as usize
    }

    /// What the answer cost, where there was one.
    pub(crate) fn tokens(&self) -> Option<TokenCount> {
        self.attempts.last()?.answer.as_ref()?.tokens
    }
}

/// The whole on one line, as in `vllm busy; hosted ck_… after 0.250 s RateLimited, fault credential; hosted ck_… answered`.
impl fmt::Display for ChatRecord {
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
                End::Failed(kind, _) => {
                    write!(
                        formatter,
                        " {kind:?}, fault {}",
                        attempt.end.fault().as_str()
                    )?;
                }
                end => write!(formatter, " {}", end.as_str())?,
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
