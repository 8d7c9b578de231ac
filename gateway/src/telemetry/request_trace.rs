//! A request's place in its trace, and its span.

use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use llm2api_proto::{
    Parent, Span, TraceContext, TraceState,
    telemetry_names::{
        ERROR_TYPE,
        http::{
            CLIENT_ADDRESS, PROTOCOL_VERSION, REQUEST_METHOD, RESPONSE_STATUS_CODE, ROUTE,
            URL_PATH, URL_SCHEME, USER_AGENT,
        },
        llm2api::REQUEST_ID,
    },
};
use opentelemetry::{
    KeyValue, StringValue,
    trace::{SpanKind, Status},
};

use super::Telemetry;
use crate::{access::Arrival, client_address::ClientAddress};

/// Bytes of what a client says of itself that a span tells.
const MAX_TEXT: usize = 512;

/// What requests come over.
pub(super) const SCHEME: &str = "http";

/// A request's place in its trace: the client's own, where it sent one.
#[derive(Debug, Clone)]
pub(crate) struct RequestTrace {
    pub(super) context: TraceContext,
    parent: Option<Parent>,
    pub(super) state: TraceState,
    pub(super) began_at: SystemTime,
    pub(super) began: Instant,
}

/// The trace that a call to the core is part of.
#[derive(Debug, Clone)]
pub(crate) struct CallTrace {
    pub(crate) context: TraceContext,
    pub(crate) state: TraceState,
}

impl RequestTrace {
    /// The place of a request that begins now. The client's ids are kept, but not what it says of sampling: any caller could have all
    /// of its requests exported, or none.
    pub(crate) fn begin(telemetry: &Telemetry, headers: &HeaderMap) -> Self {
        let caller = TraceContext::of_headers(headers).filter(|_| telemetry.is_propagated);
        let context = caller.map_or_else(|| TraceContext::root(false), TraceContext::child);
        Self {
            context: TraceContext {
                is_sampled: telemetry.sampler.samples(context.trace_id),
                ..context
            },
            parent: caller.map(Parent::elsewhere),
            // Without the other header this one says nothing (W3C Trace Context, 3.3).
            state: caller.map_or_else(TraceState::default, |_| TraceState::of_headers(headers)),
            began_at: SystemTime::now(),
            began: Instant::now(),
        }
    }

    /// When the request began.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// For how long the request has run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The trace's id, where the client can find the trace by it.
    pub(crate) fn exported_id(&self) -> Option<HeaderValue> {
        self.context.is_sampled.then(|| self.id())
    }

    /// The trace's id.
    pub(crate) fn id(&self) -> HeaderValue {
        HeaderValue::try_from(self.context.trace_id.to_string())
            .expect("hexadecimal digits may stand in a header")
    }
}

/// What a request's span tells.
pub(crate) struct RequestSpan<'a> {
    /// Its place and its beginning.
    pub(crate) trace: &'a RequestTrace,
    /// The method.
    pub(crate) method: &'static str,
    /// The route's template.
    pub(crate) route: &'static str,
    /// The path without the operator's prefix.
    pub(crate) path: &'a str,
    /// By whom, and by what.
    pub(crate) sender: &'a Sender,
    /// How long it took.
    pub(crate) took: Duration,
    /// The answer's status. `None`: the client left before there was one.
    pub(crate) status: Option<StatusCode>,
    /// What failed, where the status doesn't say it.
    pub(crate) failure: Option<String>,
}

/// By whom a request was sent, and by what.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    pub(crate) request_id: HeaderValue,
    pub(crate) address: ClientAddress,
    pub(crate) user_agent: Option<HeaderValue>,
    pub(crate) version: Version,
}

impl Sender {
    /// The sender of a request with these headers.
    pub(crate) fn new(arrival: &Arrival, headers: &HeaderMap, version: Version) -> Self {
        Self {
            request_id: arrival.request_id.clone(),
            address: arrival.address,
            user_agent: headers.get(header::USER_AGENT).cloned(),
            version,
        }
    }
}

impl RequestSpan<'_> {
    /// The span, by the conventions for HTTP servers.
    pub(crate) fn to_span(&self) -> Span {
        let Sender {
            request_id,
            address,
            user_agent,
            version,
        } = self.sender;
        let mut attributes = vec![
            KeyValue::new(REQUEST_METHOD, self.method),
            KeyValue::new(ROUTE, self.route),
            KeyValue::new(
                URL_PATH,
                self.path[..self.path.floor_char_boundary(MAX_TEXT)].to_owned(),
            ),
            KeyValue::new(URL_SCHEME, SCHEME),
            KeyValue::new(CLIENT_ADDRESS, address.ip.to_string()),
            KeyValue::new(PROTOCOL_VERSION, version_name(*version)),
            KeyValue::new(REQUEST_ID, text(request_id)),
        ];
        if let Some(user_agent) = user_agent {
            attributes.push(KeyValue::new(USER_AGENT, text(user_agent)));
        }
        if let Some(status) = self.status {
            let status = i64::from(status.as_u16());
            attributes.push(KeyValue::new(RESPONSE_STATUS_CODE, status));
        }
        let failed_by_status = self.status.filter(StatusCode::is_server_error);
        let failure = self
            .failure
            .clone()
            .or_else(|| failed_by_status.map(|status| status.as_str().to_owned()));
        let is_error = failed_by_status.is_some()
            // Broken off after its head.
            || self.failure.is_some() && self.status.is_some_and(|status| status.is_success());
        let status = if is_error {
            Status::error("")
        } else {
            Status::Unset
        };
        if let Some(failure) = failure.filter(|_| is_error) {
            attributes.push(KeyValue::new(ERROR_TYPE, failure));
        }
        Span {
            context: self.trace.context,
            parent: self.trace.parent,
            name: format!("{} {}", self.method, self.route).into(),
            kind: SpanKind::Server,
            started_at: self.trace.began_at,
            ended_at: self.trace.began_at + self.took,
            status,
            attributes,
        }
    }
}

/// A header's value as text, its beginning where it is long. What is not ASCII is no text.
pub(super) fn text(value: &HeaderValue) -> StringValue {
    let bytes = value.as_bytes();
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_TEXT)])
        .into_owned()
        .into()
}

fn version_name(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}

/// A method as conventions have it: those that they don't know are one.
pub(crate) fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::PATCH => "PATCH",
        Method::TRACE => "TRACE",
        _ => "_OTHER",
    }
}
