//! llm2api's core: which upstream answers, with which credential, and what happens when it doesn't. Served by gRPC; the
//! contract is `llm2api-proto`, and nothing outside this crate sees more of it than that.

mod access;
mod administration;
mod admission;
pub mod authorization;
mod catalog;
mod chat;
pub mod config;
mod core;
mod health;
mod keys;
mod limits;
#[doc(hidden)]
pub mod measure;
mod model_list;
mod monitor;
mod pool;
mod registry;
mod router;
pub mod runtime;
mod search;
mod service;
mod store;
mod upstream;

pub use self::core::{Core, CoreError, InProcess, Stopping, UpstreamOverview};
pub use search::SearchError;
pub use store::{StoreError, maintenance};
pub use upstream::AddressError;
#[cfg(feature = "local")]
pub use upstream::check_model_file;
