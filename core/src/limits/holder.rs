//! Whoever has limits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Grant, Meter, Moment, SavedMeter};

/// Whoever has limits: a client key, or the code that entitles this instance to run.
#[derive(Debug)]
pub(crate) struct Holder {
    /// What it is.
    pub(crate) kind: HolderKind,
    /// What it grants. Another grant is another holder, with the same gauge.
    pub(crate) grant: Grant,
    /// What counts.
    pub(crate) gauge: Arc<Gauge>,
}

/// What a holder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HolderKind {
    /// A client key.
    Key,
    /// This instance, by the code that entitles it to run.
    Instance,
}

impl HolderKind {
    /// What clients know it as.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Instance => "instance",
        }
    }
}

/// A [`Meter`] that many requests share.
#[derive(Debug, Default)]
pub(crate) struct Gauge(Mutex<Meter>);

impl Gauge {
    /// One that goes on where another ended.
    pub(crate) fn restored(saved: &SavedMeter, now: Moment) -> Self {
        Self(Mutex::new(Meter::restored(saved, now)))
    }

    /// What it counted so far, and how many requests of the last minute are among it.
    pub(crate) fn read(&self, now: Moment) -> (SavedMeter, u64) {
        let mut meter = self.meter();
        (meter.saved(now), meter.requests_of_minute(now))
    }

    /// What is to be kept of it, where it counted anything since this was last asked.
    pub(crate) fn take_changes(&self, now: Moment) -> Option<SavedMeter> {
        let mut meter = self.meter();
        meter.take_changed().then(|| meter.saved(now))
    }

    /// Takes note that what was taken could not be kept.
    pub(crate) fn put_back(&self) {
        self.meter().put_changed();
    }

    pub(super) fn meter(&self) -> MutexGuard<'_, Meter> {
        // No panic leaves it half changed: what is done under the lock is additions.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
