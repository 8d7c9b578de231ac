//! Where memory comes from.
//!
//! A request makes and drops some hundred small things, and a burst of clients leaves its memory behind. jemalloc does the first in
//! three fifths of the time that glibc's allocator takes, and gives the second back to the system within seconds; glibc keeps it
//! for good.

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Lets a thread of the allocator's own give unused memory back, so that a process that has fallen quiet does so too.
pub(crate) fn return_unused_memory() {
    if let Err(error) = tikv_jemalloc_ctl::background_thread::write(true) {
        tracing::warn!(%error, "unused memory goes back to the system only while requests come");
    }
}
