use proptest::prelude::*;

use super::*;
use crate::{pool::reason::InvalidReason, upstream::LimitedBy};

const SECOND: Duration = Duration::from_secs(1);

/// A breaker, and the time that the test tells it.
struct Watched {
    breaker: Breaker,
    now: Instant,
}

impl Watched {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            breaker: Breaker::new(now),
            now,
        }
    }

    /// An attempt that ends so at once. Whether it passed.
    fn attempt(&mut self, outcome: Outcome) -> bool {
        let Ok(admission) = self.breaker.admits(self.now) else {
            return false;
        };
        if admission == Admission::Probe {
            self.breaker.begin_probe();
        }
        self.breaker.note(admission, &outcome, self.now);
        true
    }
}

#[test]
fn five_failures_in_a_row_open_it() {
    let mut watched = Watched::new();
    for _ in 0..4 {
        watched.attempt(Outcome::Unavailable);
    }
    watched.attempt(Outcome::Succeeded);
    for _ in 0..5 {
        assert!(watched.attempt(Outcome::Unavailable));
    }
    assert_eq!(
        watched.breaker.admits(watched.now),
        Err(Some(watched.now + FIRST_PAUSE))
    );
}

#[test]
fn half_of_twenty_failures_open_it_and_less_does_not() {
    let mut watched = Watched::new();
    for _ in 0..10 {
        assert!(watched.attempt(Outcome::Succeeded));
        assert!(watched.attempt(Outcome::Unavailable));
    }
    assert!(!watched.attempt(Outcome::Succeeded));

    let mut watched = Watched::new();
    for _ in 0..100 {
        for outcome in [Outcome::Succeeded, Outcome::Unavailable, Outcome::Succeeded] {
            assert!(watched.attempt(outcome));
        }
    }
}

#[test]
fn what_failed_long_ago_no_longer_counts() {
    let mut watched = Watched::new();
    for _ in 0..9 {
        watched.attempt(Outcome::Unavailable);
        watched.attempt(Outcome::Succeeded);
    }
    watched.now += 31 * SECOND;
    for _ in 0..9 {
        assert!(watched.attempt(Outcome::Unavailable));
        assert!(watched.attempt(Outcome::Succeeded));
    }
    assert!(watched.breaker.admits(watched.now).is_ok());
}

#[test]
fn one_attempt_decides_after_ten_seconds_and_then_after_twice_as_long() {
    let mut watched = Watched::new();
    for _ in 0..5 {
        watched.attempt(Outcome::Unavailable);
    }
    for pause in [10, 20, 40, 80, 120, 120] {
        watched.now += pause * SECOND - SECOND;
        assert!(!watched.attempt(Outcome::Succeeded), "{pause}");
        watched.now += SECOND;
        assert_eq!(watched.breaker.admits(watched.now), Ok(Admission::Probe));
        watched.breaker.begin_probe();
        assert_eq!(
            watched.breaker.admits(watched.now),
            Err(None),
            "one at a time"
        );
        let failed = Outcome::Unavailable;
        watched.breaker.note(Admission::Probe, &failed, watched.now);
    }
    watched.now += 120 * SECOND;
    assert!(
        watched.attempt(Outcome::SaysNothing),
        "a client that left decides nothing"
    );
    assert!(watched.attempt(Outcome::Succeeded));
    assert_eq!(watched.breaker.admits(watched.now), Ok(Admission::Pass));
}

#[test]
fn what_was_begun_before_it_opened_does_not_close_it() {
    let mut watched = Watched::new();
    for _ in 0..5 {
        watched.attempt(Outcome::Unavailable);
    }
    let late = Outcome::Succeeded;
    watched.breaker.note(Admission::Pass, &late, watched.now);
    assert!(watched.breaker.is_open());
}

fn harmless() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::SaysNothing),
        Just(Outcome::Late),
        Just(Outcome::QuotaSpent),
        Just(Outcome::Limited(None, LimitedBy::Credential)),
        Just(Outcome::Refused(InvalidReason::Revoked)),
        Just(Outcome::Succeeded),
    ]
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![harmless(), Just(Outcome::Unavailable)]
}

proptest! {
    #[test]
    fn nothing_but_failures_of_the_upstream_opens_it(
        outcomes in prop::collection::vec(harmless(), 0..200),
    ) {
        let mut watched = Watched::new();
        for outcome in outcomes {
            prop_assert!(watched.attempt(outcome));
        }
    }

    #[test]
    fn it_is_never_open_for_more_than_two_minutes(
        steps in prop::collection::vec((any_outcome(), 0..5_u32), 0..300),
    ) {
        let mut watched = Watched::new();
        for (outcome, seconds) in steps {
            watched.now += seconds * SECOND;
            if let Err(until) = watched.breaker.admits(watched.now) {
                let until = until.expect("no probe is under way between two attempts");
                prop_assert!(until <= watched.now + MAX_PAUSE);
                prop_assert!(watched.breaker.admits(until).is_ok());
            }
            watched.attempt(outcome);
        }
    }
}
