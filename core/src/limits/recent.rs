//! The requests of the last minute.

use std::{collections::VecDeque, time::Duration};

use super::Moment;

/// What a minute is to a limit: any 60 seconds, wherever they begin.
const WINDOW_MS: i64 = 60_000;

/// The requests of the last minute, by the millisecond; so there are never more than 60,001 entries, whatever the limit.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// How many came in which millisecond of [`Moment::steady_ms`]; never 0, the oldest first.
    counts: VecDeque<(i64, u64)>,
    /// All of them.
    count: u64,
}

impl Recent {
    /// How many there are; those that are older than a minute are forgotten.
    pub(super) fn count(&mut self, now: Moment) -> u64 {
        while let Some(&(at, count)) = self.counts.front()
            && is_over(at, now)
        {
            self.counts.pop_front();
            self.count -= count;
        }
        self.count
    }

    /// Adds one.
    pub(super) fn add(&mut self, now: Moment) {
        self.add_at(now.steady_ms, 1);
    }

    fn add_at(&mut self, at: i64, count: u64) {
        match self.counts.back_mut() {
            // Whoever looked at the clock first may come second.
            Some((last, known)) if *last >= at => *known += count,
            _ => self.counts.push_back((at, count)),
        }
        self.count += count;
    }

    /// In how long there is room for one more where so many are allowed.
    pub(super) fn room_in(&mut self, allowed: u64, now: Moment) -> Duration {
        let mut to_go = (self.count(now) + 1).saturating_sub(allowed);
        for &(at, count) in &self.counts {
            if to_go <= count {
                return until_over(at, now);
            }
            to_go -= count;
        }
        Duration::ZERO
    }

    /// In how long there is none any more.
    pub(super) fn empty_in(&self, now: Moment) -> Duration {
        let last = self.counts.back();
        last.map_or(Duration::ZERO, |&(at, _)| until_over(at, now))
    }

    /// How many came in which second since 1970, rounded up, so that no restart makes any of them older.
    pub(super) fn saved(&self, now: Moment) -> Vec<(i64, u64)> {
        let mut seconds: Vec<(i64, u64)> = Vec::new();
        for &(at, count) in &self.counts {
            let wall_ms = now.wall_ms - (now.steady_ms - at);
            let second = wall_ms.div_euclid(1000) + i64::from(wall_ms.rem_euclid(1000) > 0);
            match seconds.last_mut() {
                Some((last, known)) if *last == second => *known += count,
                _ => seconds.push((second, count)),
            }
        }
        seconds
    }

    /// Those that were saved; what the clock on the wall says to lie ahead came just now.
    pub(super) fn restored(saved: &[(i64, u64)], now: Moment) -> Self {
        let mut recent = Self::default();
        for &(second, count) in saved {
            let age_ms = now.wall_ms.saturating_sub(second.saturating_mul(1000));
            recent.add_at(now.steady_ms.saturating_sub(age_ms.max(0)), count);
        }
        recent
    }
}

/// Whether a minute has passed; what came within one millisecond is told apart by nobody, so it is taken to have come at its end.
fn is_over(at: i64, now: Moment) -> bool {
    now.steady_ms - at > WINDOW_MS
}

fn until_over(at: i64, now: Moment) -> Duration {
    let rest = at + WINDOW_MS + 1 - now.steady_ms;
    Duration::from_millis(u64::try_from(rest).unwrap_or_default())
}
