//! The state machine through its days.

use proptest::prelude::*;

use super::*;
use crate::authorization::{AUDIENCE, Audience};

const NOW: i64 = 1_790_000_000;
const POLICY: Policy = Policy {
    interval: 600,
    grace: 3600,
};

fn claims(exp: i64) -> Claims {
    Claims {
        jti: "ac_1".to_owned(),
        exp: Some(exp),
        aud: Audience::One(AUDIENCE.to_owned()),
        ..Claims::default()
    }
}

fn good() -> Finding {
    Finding::Good(claims(NOW + 1_000_000))
}

fn no_answer() -> Finding {
    Finding::NoAnswer("the authority is away".to_owned())
}

fn verdict(standing: &Standing, now: i64) -> (State, &'static str) {
    let view = standing.view(now);
    (view.state, view.reason)
}

#[test]
fn before_the_first_check_nobody_is_let_in() {
    let standing = Standing::new(POLICY, None, NOW);
    assert_eq!(verdict(&standing, NOW), (State::Unchecked, "unchecked"));
    assert!(!State::Unchecked.admits());
    assert_eq!(standing.next_check_at(), NOW);
}

#[test]
fn a_good_code_holds_until_it_ends_however_long_the_checks_take() {
    let mut standing = Standing::new(POLICY, None, NOW);
    standing.note(Finding::Good(claims(NOW + 100)), NOW);
    assert_eq!(verdict(&standing, NOW + 159), (State::Valid, ""));
    assert_eq!(verdict(&standing, NOW + 160), (State::Invalid, "expired"));
    // It is looked at again when it ends, before the next check.
    assert_eq!(standing.next_event_at(NOW), NOW + 160);
    assert_eq!(standing.next_event_at(NOW + 160), NOW + 600);
}

#[test]
fn while_the_authority_is_away_the_last_good_answer_holds_for_the_grace() {
    let mut standing = Standing::new(POLICY, None, NOW);
    standing.note(good(), NOW);
    standing.note(no_answer(), NOW + 600);
    assert_eq!(
        verdict(&standing, NOW + 3599),
        (State::Grace, "authority_unreachable")
    );
    assert_eq!(
        verdict(&standing, NOW + 3600),
        (State::Invalid, "authority_unreachable")
    );
    standing.note(good(), NOW + 4000);
    assert_eq!(verdict(&standing, NOW + 4000), (State::Valid, ""));
}

#[test]
fn grace_does_not_outlive_the_code() {
    let mut standing = Standing::new(POLICY, None, NOW);
    standing.note(Finding::Good(claims(NOW + 700)), NOW);
    standing.note(no_answer(), NOW + 600);
    assert_eq!(verdict(&standing, NOW + 759).0, State::Grace);
    assert_eq!(verdict(&standing, NOW + 760), (State::Invalid, "expired"));
}

#[test]
fn an_authority_that_is_away_at_the_first_start_lets_nobody_in() {
    let mut standing = Standing::new(POLICY, None, NOW);
    standing.note(no_answer(), NOW);
    assert_eq!(
        verdict(&standing, NOW),
        (State::Invalid, "authority_unreachable")
    );
}

#[test]
fn what_an_earlier_process_found_holds_over_a_restart() {
    let last_good = LastGood {
        claims: claims(NOW + 1_000_000),
        found_at: NOW - 3000,
    };
    let mut standing = Standing::new(POLICY, Some(last_good), NOW);
    assert_eq!(verdict(&standing, NOW), (State::Grace, "unchecked"));
    standing.note(no_answer(), NOW);
    assert_eq!(verdict(&standing, NOW + 599).0, State::Grace);
    assert_eq!(verdict(&standing, NOW + 600).0, State::Invalid);
}

#[test]
fn a_refusal_holds_at_once_and_no_grace_undoes_it() {
    let mut standing = Standing::new(POLICY, None, NOW);
    standing.note(good(), NOW);
    standing.note(Finding::Bad(Fault::Inactive, None), NOW + 600);
    assert_eq!(verdict(&standing, NOW + 600), (State::Invalid, "inactive"));
    assert_eq!(standing.last_good(), None);
    standing.note(no_answer(), NOW + 1200);
    assert_eq!(
        verdict(&standing, NOW + 1200),
        (State::Invalid, "authority_unreachable")
    );
}

#[test]
fn an_authority_that_gives_no_answer_is_asked_sooner_and_ever_less_often() {
    let mut standing = Standing::new(POLICY, None, NOW);
    let mut waits = Vec::new();
    for _ in 0..9 {
        standing.note(no_answer(), NOW);
        waits.push(standing.next_check_at() - NOW);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    standing.note(good(), NOW);
    assert_eq!(standing.next_check_at(), NOW + 600);
    standing.note(no_answer(), NOW);
    assert_eq!(standing.next_check_at(), NOW + 1);
}

#[test]
fn a_code_that_is_not_good_yet_is_checked_when_it_begins() {
    let mut standing = Standing::new(POLICY, None, NOW);
    let early = Claims {
        nbf: Some(NOW + 300),
        ..claims(NOW + 1000)
    };
    let bad = Finding::Bad(Fault::NotYetValid, Some(early.clone()));
    standing.note(bad, NOW);
    assert_eq!(verdict(&standing, NOW), (State::Invalid, "not_yet_valid"));
    assert_eq!(standing.next_check_at(), NOW + 240);
    assert_eq!(standing.view(NOW).claims, Some(early));
}

proptest! {
    /// Whatever checks find, whenever: clients are let in only where the last answer was good, and no older than the grace.
    #[test]
    fn nobody_is_let_in_without_a_good_answer_that_still_holds(
        findings in prop::collection::vec((0..3, 0..5000_i64), 1..30),
    ) {
        let mut standing = Standing::new(POLICY, None, NOW);
        let mut now = NOW;
        let mut last_answer = None;
        let mut is_answered = false;
        for (kind, pause) in findings {
            now += pause;
            is_answered = kind != 2;
            match kind {
                0 => {
                    standing.note(good(), now);
                    last_answer = Some(now);
                }
                1 => {
                    standing.note(Finding::Bad(Fault::Inactive, None), now);
                    last_answer = None;
                }
                _ => standing.note(no_answer(), now),
            }
            prop_assert!(standing.next_check_at() > now);
            prop_assert!(standing.next_check_at() <= now + POLICY.interval);
            prop_assert!(standing.next_event_at(now) > now);
        }
        let is_good = last_answer.is_some_and(|at| is_answered || now - at < POLICY.grace);
        prop_assert_eq!(standing.view(now).state.admits(), is_good);
    }
}
