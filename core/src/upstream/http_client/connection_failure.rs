//! What became of a connection, told so that the operator knows where to look.

use std::{error::Error, io};

use super::super::{Clock, Failure, FailureKind};

/// What became of a connection.
#[derive(Debug)]
pub(crate) enum ConnectionError {
    /// The host's name is not known.
    Unresolved,
    /// The upstream was not reached in time.
    TimedOut,
    /// The upstream can't be reached, or fails at TLS.
    Connect(io::Error),
    /// It broke when it was used.
    Broken(hyper::Error),
    /// The client that knows proxies failed.
    Client(reqwest::Error),
}

/// Turns an error into a failure.
pub(super) fn failure(error: &ConnectionError, address: &str, has_proxy: bool) -> Failure {
    let through = if has_proxy { " through its proxy" } else { "" };
    match error {
        ConnectionError::Unresolved => unreachable(address, through, "its name is not known"),
        ConnectionError::TimedOut => missed_clock(address, through),
        ConnectionError::Connect(error) => unreachable(address, through, &reason(Some(error))),
        ConnectionError::Broken(error) => broken(address, &reason(Some(error))),
        // Its own text is not used: it holds the whole URL.
        ConnectionError::Client(error) if error.is_builder() => Failure::new(
            FailureKind::Misconfigured,
            format!(
                "no HTTP client can be made for {address}: {}",
                innermost(error.source())
            ),
        ),
        ConnectionError::Client(error) if error.is_connect() && error.is_timeout() => {
            missed_clock(address, through)
        }
        ConnectionError::Client(error) if error.is_dns() => {
            unreachable(address, through, "its name is not known")
        }
        ConnectionError::Client(error) if error.is_connect() => {
            unreachable(address, through, &reason(error.source()))
        }
        ConnectionError::Client(error) => broken(address, &reason(error.source())),
    }
}

fn missed_clock(address: &str, through: &str) -> Failure {
    Failure::new(
        FailureKind::Clock(Clock::Connect),
        format!("{address} was not reached in time{through}"),
    )
}

fn unreachable(address: &str, through: &str, reason: &str) -> Failure {
    Failure::new(
        FailureKind::Unavailable,
        format!("{address} can't be reached{through}: {reason}"),
    )
}

fn broken(address: &str, reason: &str) -> Failure {
    Failure::new(
        FailureKind::Unavailable,
        format!("the connection to {address} broke: {reason}"),
    )
}

/// The reason that an error and the causes under it give.
fn reason(error: Option<&(dyn Error + 'static)>) -> String {
    if let Some(error) = find::<rustls::Error>(error) {
        return format!("TLS failed, {error}");
    }
    let Some(kind) = find::<io::Error>(error).map(io::Error::kind) else {
        return innermost(error);
    };
    match kind {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "connection reset".to_owned(),
        io::ErrorKind::UnexpectedEof => "it was closed too early".to_owned(),
        _ => innermost(error),
    }
}

/// The first error of a type in the chain; also one that an [`io::Error`] wraps.
fn find<'a, E: Error + 'static>(mut error: Option<&'a (dyn Error + 'static)>) -> Option<&'a E> {
    while let Some(current) = error {
        if let Some(found) = current.downcast_ref::<E>() {
            return Some(found);
        }
        let wrapped = current
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if let Some(found) = wrapped.and_then(|wrapped| wrapped.downcast_ref::<E>()) {
            return Some(found);
        }
        error = current.source();
    }
    None
}

/// The text of the first cause.
fn innermost(mut error: Option<&(dyn Error + 'static)>) -> String {
    let mut text = "the reason is not known".to_owned();
    while let Some(current) = error {
        text = current.to_string();
        error = current.source();
    }
    text
}
