//! llm2api's core: which upstream answers, with which credential, and what happens when it doesn't. Served by gRPC; the
//! contract is `llm2api-proto`, and nothing outside this crate sees more of it than that.

pub mod config;
mod core;
pub mod runtime;
mod upstream;

pub use self::core::{Core, CoreError, InProcessCore, Stopping, UpstreamOverview};
