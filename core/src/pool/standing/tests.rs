use super::*;
use crate::upstream::LimitedBy;

const SECOND: Duration = Duration::from_secs(1);
const COOLDOWN: Cooldown = Cooldown::For(Duration::from_secs(60));
const INTERVAL: CheckInterval = CheckInterval {
    interval: Duration::from_secs(1800),
    spread: 1.0,
};

/// A credential, and the time that the test tells it.
struct Watched {
    standing: Standing,
    now: Instant,
}

impl Watched {
    fn new() -> Self {
        Self {
            standing: Standing::new(),
            now: Instant::now(),
        }
    }

    /// An attempt that ends so.
    fn attempt(&mut self, outcome: Outcome) {
        let epoch = self.standing.epoch();
        self.standing.learn(epoch, &outcome, COOLDOWN, self.now);
    }

    fn check(&mut self, verdict: Verdict) {
        self.standing.begin_check();
        let epoch = self.standing.epoch();
        self.standing.checked(epoch, verdict, INTERVAL, self.now);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.standing.warm_up(self.now);
    }

    fn cools_for(&self) -> Option<(Duration, CoolingReason)> {
        match self.standing.state() {
            State::Cooling { until, reason, .. } => Some((until - self.now, reason)),
            State::Usable { .. } | State::Invalid(_) => None,
        }
    }

    fn is_usable(&self) -> bool {
        matches!(self.standing.state(), State::Usable { .. })
    }

    /// In how long a trial is due, and a check.
    fn comes_back(&self) -> (Option<Duration>, Option<Duration>) {
        let (trial_at, check_at) = (self.standing.trial_at(), self.standing.check_at());
        (
            trial_at.map(|at| at - self.now),
            check_at.map(|at| at - self.now),
        )
    }
}

#[test]
fn a_rate_limit_cools_for_as_long_as_the_upstream_says() {
    let mut watched = Watched::new();
    for (told, cools) in [(Some(7), 7), (None, 60), (Some(99_999), 3600)] {
        watched.attempt(Outcome::Limited(
            told.map(Duration::from_secs),
            LimitedBy::Credential,
        ));
        let cools = Duration::from_secs(cools);
        assert_eq!(watched.cools_for(), Some((cools, CoolingReason::RateLimit)));
        watched.pass(cools);
        assert!(watched.is_usable());
    }
}

#[test]
fn a_later_limit_prolongs_a_cool_down_and_never_shortens_it() {
    let mut watched = Watched::new();
    for (told, cools) in [(7, 7), (9, 9), (3, 9)] {
        watched.attempt(Outcome::Limited(
            Some(Duration::from_secs(told)),
            LimitedBy::Credential,
        ));
        let cools = Duration::from_secs(cools);
        assert_eq!(watched.cools_for(), Some((cools, CoolingReason::RateLimit)));
    }
}

#[test]
fn a_spent_quota_cools_for_an_hour_and_doubles_to_a_day() {
    let mut watched = Watched::new();
    for hours in [1, 2, 4, 8, 16, 24, 24] {
        // Many attempts find it spent at once.
        for _ in 0..3 {
            watched.attempt(Outcome::QuotaSpent);
        }
        let cools = Duration::from_secs(hours * 3600);
        assert_eq!(watched.cools_for(), Some((cools, CoolingReason::Quota)));
        watched.pass(cools);
    }
    watched.attempt(Outcome::Succeeded);
    watched.attempt(Outcome::QuotaSpent);
    assert_eq!(
        watched.cools_for(),
        Some((Duration::from_secs(3600), CoolingReason::Quota))
    );
}

#[test]
fn nothing_cools_where_limits_are_passed_on() {
    let mut standing = Standing::new();
    let before = standing.state();
    for outcome in [
        Outcome::Limited(Some(SECOND), LimitedBy::Credential),
        Outcome::QuotaSpent,
    ] {
        standing.learn(0, &outcome, Cooldown::Off, Instant::now());
        assert_eq!(standing.state(), before);
    }
}

#[test]
fn a_refused_credential_is_checked_at_once_and_then_from_time_to_time() {
    let mut watched = Watched::new();
    watched.attempt(Outcome::Refused(InvalidReason::Revoked));
    assert_eq!(watched.comes_back(), (None, Some(Duration::ZERO)));
    watched.standing.begin_check();
    assert_eq!(watched.comes_back(), (None, None), "one check at a time");
    for _ in 0..3 {
        watched.check(Verdict::Refused(InvalidReason::Challenge));
        assert_eq!(watched.comes_back(), (None, Some(INTERVAL.interval)));
        watched.pass(INTERVAL.interval);
    }
    watched.check(Verdict::Accepted);
    assert!(watched.is_usable());
}

#[test]
fn a_check_that_cannot_tell_is_soon_made_again() {
    let mut watched = Watched::new();
    watched.attempt(Outcome::Refused(InvalidReason::Unknown));
    for seconds in [30, 60, 120, 240, 480, 960, 1800, 1800] {
        watched.check(Verdict::OutOfReach);
        let delay = Duration::from_secs(seconds);
        assert_eq!(watched.comes_back(), (None, Some(delay)));
        watched.pass(delay);
    }
}

#[test]
fn where_checks_prove_nothing_a_trial_chat_brings_it_back() {
    let mut watched = Watched::new();
    watched.attempt(Outcome::Refused(InvalidReason::Revoked));
    watched.check(Verdict::ProvesNothing);
    for seconds in [30, 60, 120, 240, 480, 960, 1800, 1800] {
        let delay = Duration::from_secs(seconds);
        assert_eq!(watched.comes_back().0, Some(delay));
        watched.pass(delay);
        watched.standing.begin_trial();
        assert_eq!(watched.comes_back().0, None, "one trial at a time");
        watched.attempt(Outcome::Refused(InvalidReason::Revoked));
    }
    watched.standing.begin_trial();
    watched.attempt(Outcome::Succeeded);
    assert!(watched.is_usable());
}

#[test]
fn a_trial_that_shows_nothing_is_made_again() {
    let mut watched = Watched::new();
    watched.attempt(Outcome::Refused(InvalidReason::Revoked));
    watched.check(Verdict::ProvesNothing);
    for outcome in [
        Outcome::SaysNothing,
        Outcome::Unavailable,
        Outcome::Limited(None, LimitedBy::Credential),
    ] {
        watched.pass(FIRST_TRIAL);
        watched.standing.begin_trial();
        watched.attempt(outcome);
        assert_eq!(watched.comes_back().0, Some(FIRST_TRIAL));
    }
}

#[test]
fn a_check_that_was_wrong_is_not_believed_again() {
    let mut watched = Watched::new();
    watched.attempt(Outcome::Refused(InvalidReason::Blocked));
    watched.check(Verdict::Accepted);
    watched.attempt(Outcome::Refused(InvalidReason::Blocked));
    watched.check(Verdict::Accepted);
    assert!(!watched.is_usable());
    assert_eq!(
        watched.comes_back(),
        (Some(FIRST_TRIAL), Some(INTERVAL.interval))
    );
}

#[test]
fn what_was_begun_before_a_refusal_says_nothing() {
    let mut watched = Watched::new();
    let before = watched.standing.epoch();
    watched.attempt(Outcome::Refused(InvalidReason::Unknown));
    let refused = watched.standing.state();
    for late in [
        Outcome::Succeeded,
        Outcome::Limited(None, LimitedBy::Credential),
        Outcome::Refused(InvalidReason::Blocked),
    ] {
        watched.standing.learn(before, &late, COOLDOWN, watched.now);
        assert_eq!(watched.standing.state(), refused);
    }
    watched.check(Verdict::Accepted);
    let late = Outcome::Refused(InvalidReason::Unknown);
    watched.standing.learn(before, &late, COOLDOWN, watched.now);
    assert!(watched.is_usable(), "it was begun before the check");
}

#[test]
fn what_is_not_the_credentials_fault_leaves_it_as_it_is() {
    let mut watched = Watched::new();
    watched.attempt(Outcome::Succeeded);
    let before = watched.standing.state();
    for outcome in [Outcome::Unavailable, Outcome::Late, Outcome::SaysNothing] {
        watched.attempt(outcome);
        assert_eq!(watched.standing.state(), before);
    }
}

#[test]
fn a_check_finds_out_that_a_session_has_ended_before_a_client_does() {
    let mut watched = Watched::new();
    watched.check(Verdict::Accepted);
    assert!(watched.is_usable());
    watched.check(Verdict::Refused(InvalidReason::Challenge));
    let State::Invalid(invalid) = watched.standing.state() else {
        panic!("{:?}", watched.standing);
    };
    assert_eq!(invalid.reason, InvalidReason::Challenge);
    assert_eq!(watched.comes_back(), (None, Some(INTERVAL.interval)));
    watched.pass(INTERVAL.interval);
    watched.check(Verdict::Accepted);
    assert!(watched.is_usable());
}
