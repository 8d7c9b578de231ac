//! Names of the gRPC metadata that gateway and core exchange beside the messages.

/// The id of the client for which a gateway calls, as `AccessService.CheckAccess` gave it; believed only of a proven gateway.
pub const CLIENT_ID: &str = "llm2api-client";

/// The request's id, which the gateway also sends to the client as `x-request-id`.
pub const REQUEST_ID: &str = "x-request-id";

/// What became of a chat's web search, in the call's initial metadata; the gateway sends it to the client as a header.
pub const SEARCH: &str = "x-llm2api-search";

/// Where a call bears its own key; as an error's `param` it tells that this key was refused, and not one that the call asks about.
pub const AUTHORIZATION: &str = "authorization";

/// The trace that a call is part of, as W3C Trace Context writes it.
pub const TRACEPARENT: &str = "traceparent";

/// What others add to the trace, passed on as it is (W3C Trace Context, 3.3).
pub const TRACESTATE: &str = "tracestate";

/// In a chat's initial metadata, where the core keeps its trace: the gateway's own spans are wanted too.
pub const TRACE_KEPT: &str = "llm2api-trace-kept";
