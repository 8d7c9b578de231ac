//! What is noted of a chat, for two spans: that of the client's request, and within it that of the call to the core.

use std::{sync::Arc, thread, time::Duration};

use http::{HeaderValue, StatusCode};
use llm2api_proto::{
    ContractError, Parent, Span, TraceContext,
    telemetry_names::{
        ERROR_TYPE,
        llm2api::REQUEST_ID,
        rpc::{CHAT, IN_PROCESS, METHOD, STATUS_CODE, SYSTEM_NAME, status_name},
        server::{ADDRESS, PORT},
    },
    v1::ErrorReason,
};
use opentelemetry::{
    KeyValue,
    trace::{SpanKind, Status},
};
use tonic::Code;

use super::{
    CallTrace, RequestKey, RequestSpan, RequestTrace,
    request_trace::{Sender, text},
};
use crate::{calls::Answer, error, facade::Facade, routes::chat::ChatRoute};

/// From how long on a chat is slow: the core may keep its trace, as it does that of one that fails.
const SLOW: Duration = Duration::from_secs(5);

/// What is noted of a chat. Its spans end when this is dropped: with the answer's last byte, or when the client has left.
pub(crate) struct ChatTrace {
    facade: Arc<Facade>,
    route: ChatRoute,
    trace: RequestTrace,
    sender: Sender,
    call: Option<CallSpan>,
    /// The status that was sent. `None`: there is none yet.
    status: Option<StatusCode>,
    end: End,
    /// Whether the core keeps the trace.
    is_kept: bool,
}

/// The call to the core, in times since the request began.
struct CallSpan {
    context: TraceContext,
    began: Duration,
    ended: Option<Duration>,
}

/// How a chat ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client left; what holds while nobody says otherwise.
    Left,
    /// It was answered to the end.
    Answered,
    /// It was not, or not to the end.
    Failed(ErrorReason),
}

impl ChatTrace {
    /// A chat that has just arrived.
    pub(crate) fn new(
        facade: &Arc<Facade>,
        route: ChatRoute,
        trace: RequestTrace,
        sender: Sender,
    ) -> Box<Self> {
        Box::new(Self {
            facade: Arc::clone(facade),
            route,
            trace,
            sender,
            call: None,
            status: None,
            end: End::Left,
            is_kept: false,
        })
    }

    /// The core is called now, as part of this trace.
    pub(crate) fn call(&mut self) -> CallTrace {
        let context = self.trace.context.child();
        self.call = Some(CallSpan {
            context,
            began: self.trace.elapsed(),
            ended: None,
        });
        CallTrace {
            context,
            state: self.trace.state.clone(),
        }
    }

    /// The answer's first events are here.
    pub(crate) fn begun(&mut self, answer: &Answer) {
        // More than one attempt is what somebody will want to look into.
        self.is_kept =
            answer.is_trace_kept || answer.start().is_some_and(|start| start.attempt_count > 1);
    }

    /// The answer is complete.
    pub(crate) fn answered(&mut self) {
        self.end(End::Answered);
    }

    /// There is no answer, or no more of it.
    pub(crate) fn failed(&mut self, error: &ContractError) {
        self.end(End::Failed(error.reason));
    }

    fn end(&mut self, end: End) {
        self.end = end;
        if let Some(call) = &mut self.call {
            call.ended = Some(self.trace.elapsed());
        }
    }

    /// The answer's head is sent. The trace's id, where somebody can find the trace by it.
    pub(crate) fn responds(&mut self, status: StatusCode) -> Option<HeaderValue> {
        self.status = Some(status);
        let is_found = self.trace.context.is_sampled || self.is_kept;
        is_found.then(|| self.trace.id())
    }

    fn failure(&self) -> Option<ErrorReason> {
        match self.end {
            End::Failed(reason) => Some(reason),
            End::Left | End::Answered => None,
        }
    }

    /// What failed by our fault, as a metric has it.
    fn counted_failure(&self) -> Option<ErrorReason> {
        let is_clients_fault = self.status.is_some_and(|status| status.is_client_error());
        self.failure().filter(|_| !is_clients_fault)
    }

    /// Whether the core may keep the trace, and wants the gateway's spans for it.
    fn may_be_kept(&self, took: Duration) -> bool {
        let Some(_) = &self.call else {
            // No core knows of it.
            return false;
        };
        self.is_kept || self.end != End::Answered || took >= SLOW
    }

    fn request_span(&self, took: Duration) -> Span {
        let path = self.route.path();
        let failure = self
            .failure()
            .map(|reason| reason.as_info_reason().to_ascii_lowercase());
        RequestSpan {
            trace: &self.trace,
            method: "POST",
            route: path,
            path,
            sender: &self.sender,
            took,
            status: self.status,
            failure,
        }
        .to_span()
    }

    /// The call's span, by the conventions for RPC clients.
    fn call_span(&self, call: &CallSpan, took: Duration) -> Span {
        let code = match self.end {
            End::Left => Code::Cancelled,
            End::Answered => Code::Ok,
            End::Failed(reason) => reason.grpc_code(),
        };
        let name = status_name(code);
        let mut attributes = vec![
            KeyValue::new(SYSTEM_NAME, "grpc"),
            KeyValue::new(METHOD, CHAT),
            KeyValue::new(STATUS_CODE, name),
            KeyValue::new(REQUEST_ID, text(&self.sender.request_id)),
        ];
        match self.facade.core.address() {
            Some((host, port)) => {
                attributes.push(KeyValue::new(ADDRESS, host));
                if let Some(port) = port {
                    attributes.push(KeyValue::new(PORT, i64::from(port)));
                }
            }
            None if self.facade.core.is_in_process() => {
                attributes.push(KeyValue::new(ADDRESS, IN_PROCESS));
            }
            None => {}
        }
        let mut status = Status::Unset;
        if matches!(self.end, End::Failed(_)) {
            attributes.push(KeyValue::new(ERROR_TYPE, name));
            status = Status::error("");
        }
        let began_at = self.trace.began_at;
        Span {
            context: call.context,
            parent: Some(Parent::here(self.trace.context)),
            name: CHAT.into(),
            kind: SpanKind::Client,
            started_at: began_at + call.began,
            ended_at: began_at + call.ended.unwrap_or(took),
            status,
            attributes,
        }
    }
}

impl Drop for ChatTrace {
    fn drop(&mut self) {
        if self.end == End::Left && thread::panicking() {
            // The client is told so.
            self.failed(&error::internal());
            self.status = self.status.or(Some(StatusCode::INTERNAL_SERVER_ERROR));
        }
        let took = self.trace.elapsed();
        let key = RequestKey {
            method: "POST",
            route: Some(self.route.path()),
            status: self.status.map(|status| status.as_u16()),
            failure: self.counted_failure(),
        };
        self.facade.meter.count(key, took);
        let is_monitored = self.may_be_kept(took);
        let is_exported = self.trace.context.is_sampled;
        if !is_monitored && !is_exported {
            return;
        }
        let call = self.call.as_ref();
        let spans = call
            .map(|call| self.call_span(call, took))
            .into_iter()
            .chain([self.request_span(took)])
            .map(Into::into)
            .collect();
        self.facade.telemetry.take(spans, is_monitored, is_exported);
    }
}
