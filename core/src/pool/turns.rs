//! How often a credential had its turn, compared with others.
//!
//! Where requests wait, a credential that comes back is the only one that is ready, and whoever answers faster by chance would have
//! more and more of them. So one that is ahead of others pauses a little before it is handed on, and they catch up.

use std::time::Duration;

use tokio::time::Instant;

/// Turns by which one may be ahead: so much is nobody's advantage.
const MAX_LEAD: u64 = 4;

/// Turns from which on one that is behind is slower by nature, and not waited for.
const MAX_LAG: u64 = 64;

/// How long one that is ahead pauses, as a part of its last turn: the others gain that much, and it is all that it can cost.
const PAUSE_SHARE: u32 = 5;

/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The turns of one credential.
#[derive(Debug, Default)]
pub(super) struct Turns {
    count: u64,
    pause_until: Option<Instant>,
}

impl Turns {
    /// Takes note that a turn begins; which one it is.
    pub(super) fn note_begin(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// Takes note that a turn has ended which was begun then.
    pub(super) fn note_end(&mut self, begun_at: Instant, now: Instant) {
        let pause = now.saturating_duration_since(begun_at) / PAUSE_SHARE;
        self.pause_until = Some(now + pause.min(MAX_PAUSE));
    }

    /// Forgets turns that were missed.
    pub(super) fn catch_up(&mut self, turn: u64) {
        self.count = self.count.max(turn);
    }

    /// Until when it would pause, were it ahead.
    pub(super) fn held_until(&self, now: Instant) -> Option<Instant> {
        self.pause_until.filter(|until| now < *until)
    }

    /// Whether it is ahead of another that can catch up.
    pub(super) fn is_ahead_of(&self, other: &Self) -> bool {
        let lead = self.count.saturating_sub(other.count);
        lead > MAX_LEAD && lead < MAX_LAG
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(count: u64) -> Turns {
        let mut turns = Turns::default();
        (0..count).for_each(|_| {
            turns.note_begin();
        });
        turns
    }

    #[test]
    fn a_lead_counts_that_is_neither_small_nor_hopeless() {
        for (own, other, is_ahead) in [
            (0, 0, false),
            (4, 0, false),
            (5, 0, true),
            (63, 0, true),
            (64, 0, false),
            (0, 5, false),
        ] {
            let told = after(own).is_ahead_of(&after(other));
            assert_eq!(told, is_ahead, "{own} {other}");
        }
    }

    #[test]
    fn a_pause_is_a_fifth_of_the_last_turn_and_a_second_at_most() {
        let now = Instant::now();
        let mut turns = after(1);
        assert_eq!(turns.held_until(now), None);
        for (took_ms, pause_ms) in [(1000, 200), (60_000, 1000)] {
            let now = now + Duration::from_millis(took_ms);
            turns.note_end(now - Duration::from_millis(took_ms), now);
            let until = now + Duration::from_millis(pause_ms);
            assert_eq!(turns.held_until(now), Some(until));
            assert_eq!(turns.held_until(until), None);
        }
    }

    #[test]
    fn what_was_missed_is_not_made_up_for() {
        let mut turns = after(3);
        turns.catch_up(100);
        assert_eq!(turns.note_begin(), 101);
        turns.catch_up(50);
        assert_eq!(turns.note_begin(), 102);
    }
}
