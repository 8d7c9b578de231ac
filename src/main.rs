//! llm2api: one endpoint in OpenAI's format for many LLM services.
//!
//! The binary only wires: it reads the configuration, binds, starts gateway and core, waits, and drains.

mod admin_key;
#[cfg(target_os = "linux")]
mod allocator;
mod cli;
mod commands;
mod config;
mod data_dir;
mod export;
mod file_limit;
mod listeners;
mod memory;
mod model_folder;
mod reload;
mod run;
mod runtimes;
mod servers;
mod shutdown;
mod summary;
mod telemetry;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Whoever makes a TLS connection first must find a provider.
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        eprintln!("llm2api: another TLS provider is installed already");
        return ExitCode::FAILURE;
    }
    commands::run(cli::parse())
}
