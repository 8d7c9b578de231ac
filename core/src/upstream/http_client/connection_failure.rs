//! What became of a connection, told so that the operator knows where to look.

use std::{error::Error, io};

use super::super::{Clock, Failure, FailureKind};

/// Turns the HTTP client's error into a failure. Its own text is not used: it holds the whole URL.
pub(super) fn failure(error: &reqwest::Error, address: &str, has_proxy: bool) -> Failure {
    let through = if has_proxy { " through its proxy" } else { "" };
    if error.is_builder() {
        return Failure::new(
            FailureKind::Misconfigured,
            format!(
                "no HTTP client can be made for {address}: {}",
                innermost(error)
            ),
        );
    }
    if error.is_connect() && error.is_timeout() {
        return Failure::new(
            FailureKind::Clock(Clock::Connect),
            format!("{address} was not reached in time{through}"),
        );
    }
    let reason = reason(error);
    let message = if error.is_connect() {
        format!("{address} can't be reached{through}: {reason}")
    } else {
        format!("the connection to {address} broke: {reason}")
    };
    Failure::new(FailureKind::Unavailable, message)
}

fn reason(error: &reqwest::Error) -> String {
    if error.is_dns() {
        return "its name is not known".to_owned();
    }
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

/// The error of a type in the chain of causes; also one that an [`io::Error`] wraps.
fn find<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    let mut cause = error.source();
    while let Some(current) = cause {
        if let Some(found) = current.downcast_ref::<E>() {
            return Some(found);
        }
        let wrapped = current
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if let Some(found) = wrapped.and_then(|wrapped| wrapped.downcast_ref::<E>()) {
            return Some(found);
        }
        cause = current.source();
    }
    None
}

/// The text of the first cause.
fn innermost(error: &reqwest::Error) -> String {
    let mut text = "the reason is not known".to_owned();
    let mut cause = error.source();
    while let Some(current) = cause {
        text = current.to_string();
        cause = current.source();
    }
    text
}
