//! What the tests of llm2api share: an upstream that does exactly as it is told, the binary as a process, and clients that show
//! every byte.
//!
//! Everything here is real: sockets on port 0, HTTP/1.1 by hand, processes. Nothing sleeps to wait for something; each wait is for
//! a state, and has a deadline ([`within`]) that says what did not come.

pub mod command;
mod deadline;
pub mod http1;
pub mod llm2api;
pub mod open_files;
pub mod raw_client;
mod real_searxng;
pub mod scripted_chat_ui;
pub mod scripted_collector;
pub mod scripted_searxng;
pub mod scripted_upstream;
mod signal;
pub mod sse;

pub use deadline::{DEADLINE, within};
pub use llm2api::{Deployment, Llm2Api};
pub use raw_client::{Answer, RawClient, Request};
pub use real_searxng::RealSearxng;
pub use scripted_chat_ui::ScriptedChatUi;
pub use scripted_searxng::ScriptedSearxng;
pub use scripted_upstream::{Ending, RecordedRequest, Script, ScriptedUpstream};
pub use signal::Signal;
