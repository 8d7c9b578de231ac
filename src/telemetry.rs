//! Logging, to standard error.

use std::{
    io::{self, IsTerminal},
    panic::{self, PanicHookInfo},
};

use tracing_subscriber::{Layer, layer::SubscriberExt, registry, util::SubscriberInitExt};

use crate::config::{LogFilter, LogFormat};

/// Starts logging; once a process.
pub(crate) fn start(filter: &LogFilter, format: LogFormat) {
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    registry().with(lines.with_filter(filter.0.clone())).init();
    panic::set_hook(Box::new(log_panic));
}

/// Logs a panic in a line like any other.
///
/// A message that was put together at run time may quote what a user sent, and stays out of the log.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload().downcast_ref::<&'static str>();
    let place = panic.location().map(tracing::field::display);
    tracing::error!(place, message, "a fault of llm2api's own; please report it");
}
