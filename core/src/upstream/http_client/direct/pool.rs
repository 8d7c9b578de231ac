//! Connections that wait for their next request.

use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use super::{super::POOL_IDLE_TIMEOUT, connection::Connection};

/// Connections that wait at most. As many as a burst of streams on one runtime leaves behind are worth keeping for the seconds that
/// they live; beyond that, each holds a file and some 16 KiB for nothing.
const MAX_IDLE: usize = 256;

/// The idle connections of one runtime to one upstream.
///
/// Nothing watches them: one that is too old, or that the upstream has closed, is noticed when the pool is next used.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// In the order in which they came; the last is taken first, so that the others may grow old.
    idle: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    since: Instant,
}

impl Pool {
    /// A connection over which a request can be sent.
    pub(super) fn take(&self) -> Option<Box<Connection>> {
        let now = Instant::now();
        loop {
            // What is dropped closes its socket: not under the lock.
            let mut candidate = {
                let mut idle = self.lock();
                let candidate = idle.pop()?;
                if candidate.is_stale(now) {
                    let stale = mem::take(&mut *idle);
                    drop(idle);
                    drop(stale);
                    return None;
                }
                candidate
            };
            if candidate.connection.is_idle() {
                return Some(candidate.connection);
            }
        }
    }

    /// Whether a connection waits.
    pub(super) fn has_idle(&self) -> bool {
        let now = Instant::now();
        let mut idle = self.lock();
        idle.last_mut()
            .is_some_and(|last| !last.is_stale(now) && last.connection.is_idle())
    }

    /// Takes a connection back whose answer has been read to its end. One that can't be used again is closed.
    pub(super) fn put(&self, mut connection: Box<Connection>) {
        if !connection.is_idle() {
            return;
        }
        connection.forget_task();
        let since = Instant::now();
        let mut idle = self.lock();
        let stale_count = idle
            .iter()
            .take_while(|waiting| waiting.is_stale(since))
            .count();
        let stale: Vec<Idle> = idle.drain(..stale_count).collect();
        if idle.len() < MAX_IDLE {
            idle.push(Idle { connection, since });
        }
        drop(idle);
        drop(stale);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn is_stale(&self, now: Instant) -> bool {
        now.duration_since(self.since) >= POOL_IDLE_TIMEOUT
    }
}
