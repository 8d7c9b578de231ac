//! How many files the process may have open: each stream takes two sockets.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the limit as far as the process may; where it can't, the old one holds.
pub(crate) fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    limit.current = limit.maximum;
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => tracing::debug!(limit = limit.current, "raised the limit of open files"),
        Err(error) => tracing::warn!(%error, "can't raise the limit of open files"),
    }
}
