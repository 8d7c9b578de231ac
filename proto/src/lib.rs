//! The contract between llm2api's gateway, its core and internal gRPC callers: the package `llm2api.v1`.
//!
//! Beside the generated messages, clients and servers it holds what both sides must agree on: how an error becomes a status
//! ([`ContractError`]), how JSON members without a field of their own travel ([`json_object!`]), and how a trace goes on from one
//! side to the other ([`TraceContext`]).
#![deny(missing_docs)]

pub mod codec;
mod error;
mod json_object;
pub mod metadata;
mod rate_limits;
mod reason;
mod sampler;
mod span;
pub mod telemetry_names;
mod trace_context;

pub use error::{ContractError, PassedOn};
pub use rate_limits::{RATE_LIMIT_HEADERS, RateLimit, RateLimits};
pub use sampler::Sampler;
pub use span::{Parent, Span, SpanSink};
pub use trace_context::{TraceContext, TraceState, new_span_id};

/// Messages, clients and servers of the package `llm2api.v1`.
pub mod v1 {
    #![allow(
        clippy::doc_markdown,
        clippy::large_enum_variant,
        missing_docs,
        unreachable_pub,
        reason = "generated code: the docs come from the .proto files, where a test checks them"
    )]
    tonic::include_proto!("llm2api.v1");
}

/// The package's `FileDescriptorSet`, encoded: what the reflection service serves.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Members without a field of their own that one object may have: each new one is compared with those before it.
pub const MAX_EXTRA_FIELDS: usize = 512;

#[doc(hidden)]
pub mod private {
    use std::borrow::Cow;

    pub use {serde, serde_json};

    pub use crate::MAX_EXTRA_FIELDS;

    /// A member's name, borrowed from the text where it has no escapes.
    #[derive(serde::Deserialize)]
    #[serde(transparent)]
    pub struct Key<'a>(#[serde(borrow)] pub Cow<'a, str>);
}
