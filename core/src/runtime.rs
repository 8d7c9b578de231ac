//! Which of the process's runtimes a thread belongs to.
//!
//! Each runtime has connections of its own to each upstream: a connection is driven by the runtime that opened it, and handing bytes
//! from one to another costs more than another connection.

use std::cell::Cell;

thread_local! {
    static INDEX: Cell<usize> = const { Cell::new(0) };
}

/// Tells the core that this thread belongs to the runtime of this number, from 0. Threads that tell nothing belong to the first.
pub fn set_index(index: usize) {
    INDEX.set(index);
}

/// The number of this thread's runtime.
pub(crate) fn index() -> usize {
    INDEX.get()
}
