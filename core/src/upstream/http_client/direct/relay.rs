//! Keeps a connection from waking the task that is polling it.

use std::{
    sync::atomic::{AtomicBool, AtomicU8, Ordering},
    task::{Wake, Waker},
};

use futures_util::task::AtomicWaker;

/// Nobody polls: a wake goes on to the task.
const PARKED: u8 = 0;
/// The task polls, and will look at everything itself.
const POLLING: u8 = 1;
/// A wake came since the task began to poll, or has gone on to it.
const WOKEN: u8 = 2;

/// Stands between a connection and the task that drives it.
///
/// hyper's two halves, the connection and the answer's body, wake each other at each piece. Both are polled by the same task one
/// after the other, so those wakes would only make it run once more for nothing.
#[derive(Debug, Default)]
pub(super) struct Relay {
    state: AtomicU8,
    task: AtomicWaker,
    /// Whether a byte has come since [`Self::expect_answer`].
    has_received: AtomicBool,
}

impl Relay {
    /// The task begins to poll the connection.
    pub(super) fn begin(&self) {
        self.state.store(POLLING, Ordering::SeqCst);
    }

    /// Whether the task has parked and nothing has happened since: polling again would find nothing.
    pub(super) fn is_quiet(&self, task: &Waker) -> bool {
        if self.state.load(Ordering::SeqCst) != PARKED {
            return false;
        }
        // A wake after this one goes to the task that asks now; one before it is seen in the state.
        self.task.register(task);
        self.state.load(Ordering::SeqCst) == PARKED
    }

    /// The task has polled everything and found nothing: from now on it wants to be woken.
    pub(super) fn park(&self, task: &Waker) {
        self.task.register(task);
        let parked =
            self.state
                .compare_exchange(POLLING, PARKED, Ordering::SeqCst, Ordering::SeqCst);
        if parked.is_err() {
            // Something came in between. Not polled again from here: tokio wakes so to make a task give way.
            self.task.wake();
        }
    }

    /// The connection goes to the pool: what happens there is of no interest to the task that used it.
    pub(super) fn forget_task(&self) {
        self.task.take();
    }

    /// A request is about to be sent.
    pub(super) fn expect_answer(&self) {
        self.begin();
        self.has_received.store(false, Ordering::Relaxed);
    }

    /// Bytes have come.
    pub(super) fn receive(&self) {
        self.has_received.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_received(&self) -> bool {
        self.has_received.load(Ordering::Relaxed)
    }
}

impl Wake for Relay {
    fn wake(self: std::sync::Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &std::sync::Arc<Self>) {
        if self.state.swap(WOKEN, Ordering::SeqCst) == PARKED {
            self.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::{Wake, Waker},
    };

    use super::Relay;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_wake_is_neither_lost_nor_passed_on_twice() {
        let count = Arc::new(Count::default());
        let task = Waker::from(Arc::clone(&count));
        let relay = Arc::new(Relay::default());
        let wakes = || count.0.load(Ordering::Relaxed);

        relay.begin();
        assert!(!relay.is_quiet(&task));
        relay.park(&task);
        assert!(relay.is_quiet(&task));
        assert_eq!(wakes(), 0);
        relay.wake_by_ref();
        assert!(!relay.is_quiet(&task));
        relay.wake_by_ref();
        assert_eq!(wakes(), 1, "once until it is polled again");

        relay.begin();
        relay.wake_by_ref();
        assert_eq!(wakes(), 1, "the task is running");
        relay.begin();
        relay.park(&task);
        assert_eq!(wakes(), 1, "what came before was looked at");

        relay.begin();
        relay.wake_by_ref();
        relay.park(&task);
        assert_eq!(wakes(), 2, "what came meanwhile was not");
    }
}
