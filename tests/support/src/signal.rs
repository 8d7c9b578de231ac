//! A latch between a test and what it steers.

use std::sync::Arc;

use tokio::sync::watch;

/// Closed at first; once opened it stays open, so that nobody can miss it. Clones are the same latch.
#[derive(Debug, Clone)]
pub struct Signal(Arc<watch::Sender<bool>>);

impl Default for Signal {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Signal {
    /// A closed latch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens it, for good.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is open.
    pub async fn opened(&self) {
        let mut state = self.0.subscribe();
        // The sender lives in `self`: the channel cannot close while this waits.
        let _ = state.wait_for(|open| *open).await;
    }
}
