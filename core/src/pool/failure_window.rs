//! How many of an upstream's attempts failed of late.

/// The time that is looked back at, in seconds; each of them goes out of count as a whole.
const SECONDS: usize = 30;
/// Attempts below which no share of failures says anything.
const LEAST_ATTEMPTS: u32 = 20;

/// The attempts of the last seconds.
#[derive(Debug, Default)]
pub(super) struct Window {
    counts: [Count; SECONDS],
    /// The latest second that was counted in.
    latest: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    attempts: u32,
    failures: u32,
}

impl Window {
    /// Counts an attempt that ended in this second.
    pub(super) fn count(&mut self, second: u64, is_failure: bool) {
        // Threads may be a little late for each other.
        let second = second.max(self.latest);
        for passed in (self.latest + 1..=second).rev().take(SECONDS) {
            *self.at(passed) = Count::default();
        }
        self.latest = second;
        let count = self.at(second);
        count.attempts += 1;
        count.failures += u32::from(is_failure);
    }

    /// Whether half of the attempts failed, and there were enough of them.
    pub(super) fn is_bad(&self) -> bool {
        let (attempts, failures) = self
            .counts
            .iter()
            .fold((0, 0), |(attempts, failures), count| {
                (attempts + count.attempts, failures + count.failures)
            });
        attempts >= LEAST_ATTEMPTS && failures * 2 >= attempts
    }

    fn at(&mut self, second: u64) -> &mut Count {
        let at = second % self.counts.len() as u64;
        &mut self.counts[usize::try_from(at).unwrap_or_default()]
    }
}
