//! The gateway's contract: real HTTP in front of a fake core.
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod access;
mod chat;
mod cookies;
mod core_link;
mod cors;
mod errors;
mod fake_core;
mod gateway;
mod hang_up;
mod http2;
mod models;
mod monitoring;
mod origins;
mod pages;
mod paths;
mod stopping;
mod streaming;
mod telemetry;
mod upstreams;
