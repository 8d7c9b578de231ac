//! Limits over years of requests in a second: moments are numbers here.

use std::{sync::Arc, thread};

use llm2api_proto::{RateLimit, RateLimits, v1::ErrorReason};
use proptest::prelude::*;

use super::{refusal::Refusal, *};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// Noon of some day.
const NOON: Moment = Moment {
    steady_ms: 1_000_000,
    wall_ms: 20_000 * DAY_MS + DAY_MS / 2,
};

fn later(moment: Moment, milliseconds: i64) -> Moment {
    Moment {
        steady_ms: moment.steady_ms + milliseconds,
        wall_ms: moment.wall_ms + milliseconds,
    }
}

fn requests(limit: u64) -> Limits {
    Limits {
        requests_per_minute: Some(limit),
        ..Limits::default()
    }
}

fn cost(input: u64, max_output: Option<u64>) -> Cost {
    Cost { input, max_output }
}

fn holder(limits: Limits) -> Holder {
    Holder {
        kind: HolderKind::Key,
        grant: Grant {
            limits,
            ..Grant::EVERYTHING
        },
        gauge: Arc::default(),
    }
}

proptest! {
    #[test]
    fn any_minute_has_as_many_requests_as_allowed_and_never_more(
        limit in 1..6_u64,
        steps in prop::collection::vec(0..25_000_i64, 1..200),
    ) {
        let mut meter = Meter::default();
        let mut now = NOON;
        let mut admitted: Vec<i64> = Vec::new();
        for step in steps {
            now = later(now, step);
            let of_minute = admitted.iter().filter(|at| now.steady_ms - **at <= MINUTE_MS).count();
            let has_room = (of_minute as u64) < limit;
            match meter.check(requests(limit), cost(1, None), now) {
                Ok(()) => {
                    prop_assert!(has_room);
                    meter.enter(requests(limit), cost(1, None), now);
                    admitted.push(now.steady_ms);
                }
                Err(Refusal::Requests { room_in, .. }) => {
                    prop_assert!(!has_room);
                    let then = later(now, i64::try_from(room_in.as_millis()).unwrap());
                    let just_before = later(then, -1);
                    let left = |at: Moment| {
                        admitted.iter().filter(|then| at.steady_ms - **then <= MINUTE_MS).count() as u64
                    };
                    prop_assert!(left(then) < limit, "too early");
                    prop_assert!(left(just_before) >= limit, "later than need be");
                }
                Err(other) => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn tokens_are_reserved_once_and_given_back_once(
        per_day in 50..500_u64,
        total in 50..5_000_u64,
        steps in prop::collection::vec(
            (0..DAY_MS / 8, 1..100_u64, prop::option::of(0..60_u64), 0..160_u64, any::<bool>()),
            1..200,
        ),
    ) {
        let limits = Limits {
            requests_per_minute: None,
            tokens_per_day: Some(per_day),
            tokens_total: Some(total),
        };
        let mut meter = Meter::default();
        let mut now = NOON;
        let (mut used_today, mut used_in_all, mut day) = (0_u64, 0_u64, now.day());
        let mut running: Vec<u64> = Vec::new();
        for (step, input, max_output, used, ends_one) in steps {
            now = later(now, step);
            if now.day() != day {
                (day, used_today) = (now.day(), 0);
            }
            if ends_one && let Some(reserved) = running.pop() {
                let tokens = Tokens { input: used / 2, output: used - used / 2 };
                meter.settle(reserved, tokens, now);
                used_today += used;
                used_in_all += used;
            }
            let reserved: u64 = running.iter().sum();
            let left = per_day
                .saturating_sub(used_today + reserved)
                .min(total.saturating_sub(used_in_all + reserved));
            let wanted = cost(input, max_output);
            let fits = input + max_output.unwrap_or(1) <= left;
            prop_assert_eq!(meter.check(limits, wanted, now).is_ok(), fits);
            if fits {
                let reserved = meter.enter(limits, wanted, now);
                prop_assert!(reserved <= left);
                prop_assert!(reserved >= input + max_output.unwrap_or(1));
                running.push(reserved);
            }
            let saved = meter.saved(now);
            prop_assert_eq!(saved.tokens.total(), used_in_all);
            prop_assert_eq!(saved.tokens_of_day, used_today);
        }
    }

    #[test]
    fn a_restart_makes_no_request_older(
        ages in prop::collection::vec(0..MINUTE_MS, 1..50),
        away in 0..2 * MINUTE_MS,
    ) {
        let mut meter = Meter::default();
        let limits = requests(1_000);
        let mut ages = ages;
        ages.sort_unstable();
        for age in ages.iter().rev() {
            meter.enter(limits, cost(1, None), later(NOON, -age));
        }
        let saved = meter.saved(NOON);
        let begin = Moment { steady_ms: 7, wall_ms: NOON.wall_ms + away };
        let mut restored = Meter::restored(&saved, begin);
        let really = ages.iter().filter(|age| **age + away <= MINUTE_MS).count() as u64;
        let counted = restored.requests_of_minute(begin);
        prop_assert!(counted >= really);
        let with_rounding = ages.iter().filter(|age| **age + away <= MINUTE_MS + 1_000).count() as u64;
        prop_assert!(counted <= with_rounding);
        prop_assert_eq!(Meter::restored(&saved, NOON).saved(NOON), saved);
    }
}

#[test]
fn of_many_at_once_exactly_as_many_are_admitted_as_allowed() {
    let key = holder(requests(100));
    let key = &key;
    let admitted: usize = thread::scope(|scope| {
        let clients: Vec<_> = (0..200)
            .map(|_| {
                scope.spawn(|| usize::from(admit(&[key], cost(1, None), Moment::now()).is_ok()))
            })
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .sum()
    });
    assert_eq!(admitted, 100);
}

#[test]
fn where_one_holder_refuses_none_counts() {
    let roomy = holder(requests(10));
    let narrow = holder(requests(1));
    let both = [&roomy, &narrow];
    let first = admit(&both, cost(1, None), NOON).expect("the first");
    drop(first);
    let error = admit(&both, cost(1, None), NOON).expect_err("the second");
    assert_eq!(error.reason, ErrorReason::RateLimitExceeded);
    assert_eq!(roomy.gauge.read(NOON).0.requests, 1);
    assert_eq!(narrow.gauge.read(NOON).0.requests, 1);
}

#[test]
fn an_account_settles_what_was_used_last_and_what_was_used_beside() {
    let limits = Limits {
        tokens_total: Some(1_000),
        ..Limits::default()
    };
    let key = holder(limits);
    let Admitted {
        account,
        rate_limits,
    } = admit(&[&key], cost(100, Some(200)), NOON).expect("there is enough");
    let left = |remaining| {
        let tokens = RateLimit {
            limit: 1_000,
            remaining,
            reset: None,
        };
        RateLimits::new(None, Some(tokens))
    };
    assert_eq!(rate_limits, left(700));
    let beside = account.beside();
    beside.used(Tokens {
        input: 10,
        output: 5,
    });
    drop(beside);
    account.used(Tokens {
        input: 90,
        output: 1,
    });
    account.used(Tokens {
        input: 90,
        output: 20,
    });
    drop(account);
    let (saved, _) = key.gauge.read(NOON);
    assert_eq!(
        saved.tokens,
        Tokens {
            input: 100,
            output: 25
        }
    );
    assert_eq!(key.gauge.meter().left(limits, NOON), left(875));
}

#[test]
fn what_is_told_says_whether_waiting_helps() {
    let told = |limits: Limits, used: u64, reserved: Option<Cost>, asked: Cost| {
        let key = holder(limits);
        key.gauge.meter().settle(
            0,
            Tokens {
                input: used,
                output: 0,
            },
            NOON,
        );
        let _running = reserved.map(|cost| admit(&[&key], cost, NOON).expect("there is enough"));
        let error = admit(&[&key], asked, NOON).expect_err("too much");
        (error.reason, error.retry_after.map(|wait| wait.as_secs()))
    };
    let per_day = Limits {
        tokens_per_day: Some(100),
        ..Limits::default()
    };
    let total = Limits {
        tokens_total: Some(100),
        ..Limits::default()
    };
    let half_a_day = Some(12 * 60 * 60);
    for (limits, used, reserved, asked, expected) in [
        (
            per_day,
            60,
            None,
            cost(20, Some(30)),
            (ErrorReason::RateLimitExceeded, half_a_day),
        ),
        (
            per_day,
            100,
            None,
            cost(1, None),
            (ErrorReason::RateLimitExceeded, half_a_day),
        ),
        (
            per_day,
            0,
            Some(cost(60, Some(0))),
            cost(20, Some(30)),
            (ErrorReason::RateLimitExceeded, Some(1)),
        ),
        (
            per_day,
            0,
            None,
            cost(20, Some(81)),
            (ErrorReason::InsufficientQuota, None),
        ),
        (
            total,
            60,
            None,
            cost(20, Some(30)),
            (ErrorReason::InsufficientQuota, None),
        ),
        (
            total,
            0,
            Some(cost(60, Some(0))),
            cost(20, Some(30)),
            (ErrorReason::RateLimitExceeded, Some(1)),
        ),
        (
            total,
            0,
            None,
            cost(101, None),
            (ErrorReason::InsufficientQuota, None),
        ),
    ] {
        assert_eq!(
            told(limits, used, reserved, asked),
            expected,
            "{limits:?} {used} {asked:?}"
        );
    }
}

#[test]
fn what_used_more_than_was_reserved_takes_it_from_those_after() {
    let limits = Limits {
        tokens_per_day: Some(100),
        ..Limits::default()
    };
    let mut meter = Meter::default();
    let reserved = meter.enter(limits, cost(10, None), NOON);
    assert_eq!(reserved, 100);
    meter.settle(
        reserved,
        Tokens {
            input: 10,
            output: 140,
        },
        NOON,
    );
    assert!(meter.check(limits, cost(1, None), NOON).is_err());
    assert!(
        meter
            .check(limits, cost(1, None), later(NOON, DAY_MS))
            .is_ok()
    );
}
