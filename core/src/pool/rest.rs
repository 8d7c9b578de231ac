//! A pause for a credential whose attempts fail, while others answer.
//!
//! One that fails at once comes back at once. Where all others are busy it would be handed to one who waits after the other, and so
//! get most of the requests.

use std::time::Duration;

use tokio::time::Instant;

/// The first pause; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(100);

/// The longest pause. Below the time for which a request waits, so that the last credential which is left is waited for.
const MAX: Duration = Duration::from_secs(1);

/// How long a credential pauses.
#[derive(Debug, Default)]
pub(super) struct Rest {
    until: Option<Instant>,
    /// Pauses since the last answer.
    count: u32,
}

impl Rest {
    /// Takes note that an attempt failed. Those that fail in a pause were begun before it.
    pub(super) fn note_failure(&mut self, now: Instant) {
        if self.until(now).is_some() {
            return;
        }
        let pause = FIRST.saturating_mul(2_u32.saturating_pow(self.count));
        self.until = Some(now + pause.min(MAX));
        self.count = self.count.saturating_add(1);
    }

    /// Takes note that an attempt was answered.
    pub(super) fn note_answer(&mut self) {
        *self = Self::default();
    }

    /// Until when the credential pauses, where it does.
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_an_answer_comes() {
        let mut rest = Rest::default();
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..6 {
            rest.note_failure(now);
            let until = rest.until(now).expect("it pauses");
            pauses.push((until - now).as_millis());
            // Another one was under way.
            rest.note_failure(now);
            assert_eq!(rest.until(now), Some(until));
            now = until;
            assert_eq!(rest.until(now), None);
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
        rest.note_failure(now);
        rest.note_answer();
        assert_eq!(rest.until(now), None);
        rest.note_failure(now);
        assert_eq!(rest.until(now), Some(now + FIRST));
    }
}
