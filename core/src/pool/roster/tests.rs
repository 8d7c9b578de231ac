//! The roster against a model that is too simple to be wrong.

use std::{collections::VecDeque, time::Duration};

use proptest::{prelude::*, sample::Index};

use super::*;
use crate::pool::{
    reason::InvalidReason,
    standing::Standing,
    verdict::{CheckInterval, Verdict},
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const CHECKS: CheckInterval = CheckInterval {
    interval: Duration::from_secs(1800),
    spread: 1.0,
};

fn rules() -> Rules {
    Rules {
        cooldown: Cooldown::For(MINUTE),
        concurrency: None,
        requests_per_minute: None,
        checks_first: true,
        idle_check: None,
    }
}

/// A credential of which nothing is known.
fn newcomer() -> Newcomer {
    Newcomer {
        standing: Standing::new(),
        is_disabled: false,
        first_check_at: None,
        idle_for: Duration::ZERO,
    }
}

fn roster(count: usize, rules: Rules, now: Instant) -> Roster {
    let mut roster = Roster::new(rules);
    for slot in 0..count {
        assert_eq!(roster.add(newcomer(), now), slot);
    }
    roster
}

/// What happens to a roster.
#[derive(Debug, Clone)]
enum Step {
    Take { tries_invalid: bool },
    GiveBack(Index, Outcome),
    Check(Verdict),
    Pass(Duration),
    Add,
    Remove(Index),
    Disable(Index, bool),
    Clear(Index),
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        6 => Just(Outcome::Succeeded),
        1 => Just(Outcome::SaysNothing),
        1 => Just(Outcome::Unavailable),
        1 => (1..90_u64).prop_map(|told| Outcome::Limited(Some(Duration::from_secs(told)), LimitedBy::Credential)),
        1 => Just(Outcome::QuotaSpent),
        1 => Just(Outcome::Refused(InvalidReason::Revoked)),
    ];
    let verdict = prop_oneof![
        Just(Verdict::Accepted),
        Just(Verdict::Refused(InvalidReason::Expired)),
        Just(Verdict::ProvesNothing),
        Just(Verdict::OutOfReach),
    ];
    prop_oneof![
        8 => any::<bool>().prop_map(|tries_invalid| Step::Take { tries_invalid }),
        7 => (any::<Index>(), outcome).prop_map(|(lease, outcome)| Step::GiveBack(lease, outcome)),
        1 => verdict.prop_map(Step::Check),
        2 => (1..120_u64).prop_map(|seconds| Step::Pass(Duration::from_secs(seconds))),
        1 => Just(Step::Add),
        1 => any::<Index>().prop_map(Step::Remove),
        1 => (any::<Index>(), any::<bool>()).prop_map(|(slot, is_disabled)| Step::Disable(slot, is_disabled)),
        1 => any::<Index>().prop_map(Step::Clear),
    ]
}

/// A roster, with all that was leased from it.
struct Watched {
    roster: Roster,
    rules: Rules,
    now: Instant,
    leases: Vec<Taken>,
    begun: Vec<VecDeque<Instant>>,
    /// Of each slot, whether its credential is there, and disabled.
    is_there: Vec<bool>,
    is_disabled: Vec<bool>,
}

impl Watched {
    fn new(count: usize, rules: Rules) -> Self {
        Self {
            roster: roster(count, rules, Instant::now()),
            rules,
            now: Instant::now(),
            leases: Vec::new(),
            begun: vec![VecDeque::new(); count],
            is_there: vec![true; count],
            is_disabled: vec![false; count],
        }
    }

    fn in_flight(&self, slot: usize) -> usize {
        self.leases
            .iter()
            .filter(|taken| taken.slot == slot)
            .count()
    }

    fn requests_in_a_minute(&self, slot: usize) -> usize {
        let begun = self.begun[slot].iter();
        begun.filter(|&&begun| self.now < begun + MINUTE).count()
    }

    /// Whether a slot's credential is there, and not disabled.
    fn is_wanted(&self, slot: usize) -> bool {
        self.is_there[slot] && !self.is_disabled[slot]
    }

    /// Whether a slot's credential may be leased, but for its limits.
    fn is_usable(&self, slot: usize) -> bool {
        let is_usable = match self.roster.state(slot) {
            State::Usable { .. } => true,
            State::Cooling { until, .. } => until <= self.now,
            State::Invalid(_) => false,
        };
        is_usable && self.is_wanted(slot)
    }

    /// Whether a slot's credential has as many leases as it may have.
    fn is_full(&self, slot: usize) -> bool {
        let limit = self.rules.concurrency;
        self.is_usable(slot)
            && limit.is_some_and(|limit| self.in_flight(slot) >= limit.get() as usize)
    }

    /// Whether a slot's credential pauses after a failure.
    fn rests(&self, slot: usize) -> bool {
        self.roster.slots[slot].rest.until(self.now).is_some()
    }

    /// Whether a slot may be leased, by the rules alone.
    fn may_be_leased(&self, slot: usize) -> bool {
        let below = |limit: Option<NonZeroU32>, count: usize| {
            limit.is_none_or(|limit| count < limit.get() as usize)
        };
        self.is_usable(slot)
            && below(self.rules.concurrency, self.in_flight(slot))
            && below(
                self.rules.requests_per_minute,
                self.requests_in_a_minute(slot),
            )
    }

    fn take(&mut self, tries_invalid: bool) -> Result<usize, NoLease> {
        let may: Vec<bool> = (0..self.begun.len())
            .map(|slot| self.may_be_leased(slot))
            .collect();
        // One that pauses after a failure waits for another that is full.
        let is_any_full = (0..may.len()).any(|slot| self.is_full(slot));
        let must: Vec<bool> = (0..may.len())
            .map(|slot| may[slot] && !(is_any_full && self.rests(slot)))
            .collect();
        let states: Vec<State> = (0..may.len()).map(|slot| self.roster.state(slot)).collect();
        let trials: Vec<_> = self
            .roster
            .slots
            .iter()
            .map(|slot| slot.standing.trial_at())
            .collect();
        let wish = Wish {
            tries_invalid,
            ..Wish::default()
        };
        match self.roster.take(wish, self.now) {
            Ok(taken) => {
                let slot = taken.slot;
                if taken.is_trial {
                    assert!(matches!(states[slot], State::Invalid(_)) && self.is_wanted(slot));
                    assert!(
                        trials[slot].is_some_and(|at| at <= self.now),
                        "a trial too early"
                    );
                    assert!(
                        tries_invalid || !must.contains(&true),
                        "a trial out of need"
                    );
                } else {
                    assert!(may[slot], "{:?}", states[slot]);
                    let has_rested = |slot: usize| may[slot] && !self.rests(slot);
                    let is_needed = !(0..may.len()).any(has_rested);
                    assert!(!self.rests(slot) || is_needed, "it should pause");
                }
                self.begun[slot].push_back(self.now);
                self.leases.push(taken);
                Ok(slot)
            }
            Err(none) => {
                assert!(!must.contains(&true), "{none:?} though one may be leased");
                let wanted = |slot: usize| self.is_wanted(slot);
                let limited =
                    |slot: usize| wanted(slot) && matches!(states[slot], State::Usable { .. });
                let cools =
                    |slot: usize| wanted(slot) && matches!(states[slot], State::Cooling { .. });
                match none {
                    NoLease::Busy(_) => {
                        assert!((0..may.len()).any(|slot| limited(slot) || cools(slot)))
                    }
                    NoLease::Cooling(until) => {
                        assert!(self.now < until && (0..may.len()).any(cools))
                    }
                    NoLease::NoneValid => {
                        let is_invalid = |slot: usize| matches!(states[slot], State::Invalid(_));
                        assert!((0..may.len()).all(|slot| !wanted(slot) || is_invalid(slot)));
                    }
                    NoLease::Unwished | NoLease::Broken(_) => panic!("{none:?}"),
                }
                Err(none)
            }
        }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Take { tries_invalid } => drop(self.take(tries_invalid)),
            Step::GiveBack(lease, outcome) => {
                if !self.leases.is_empty() {
                    let taken = self.leases.swap_remove(lease.index(self.leases.len()));
                    self.roster.give_back(&taken, &outcome, self.now);
                }
            }
            Step::Check(verdict) => {
                if let Ok(check) = self.roster.begin_check(self.now) {
                    self.roster.checked(&check, verdict, CHECKS, self.now);
                }
            }
            Step::Pass(time) => self.now += time,
            Step::Add => self.add(),
            Step::Remove(slot) => {
                let slot = slot.index(self.begun.len());
                if std::mem::take(&mut self.is_there[slot]) {
                    self.roster.remove(slot, self.now);
                }
            }
            Step::Disable(slot, is_disabled) => {
                let slot = slot.index(self.begun.len());
                if self.is_there[slot] {
                    self.is_disabled[slot] = is_disabled;
                    self.roster.set_disabled(slot, is_disabled, self.now);
                }
            }
            Step::Clear(slot) => {
                let slot = slot.index(self.begun.len());
                if self.is_there[slot] {
                    self.roster.clear(slot, self.now);
                }
            }
        }
        self.assert_whole();
    }

    fn add(&mut self) {
        let slot = self.roster.add(newcomer(), self.now);
        assert_eq!(self.in_flight(slot), 0, "what is leased has its place");
        if slot == self.begun.len() {
            self.begun.push(VecDeque::new());
            self.is_there.push(true);
            self.is_disabled.push(false);
        }
        self.begun[slot].clear();
        (self.is_there[slot], self.is_disabled[slot]) = (true, false);
    }

    /// That every lease is counted once, and every slot in one place.
    fn assert_whole(&self) {
        let ready: Vec<usize> = self.roster.ready.iter().collect();
        let mut full_count = 0;
        for (at, slot) in self.roster.slots.iter().enumerate() {
            assert_eq!(slot.in_flight as usize, self.in_flight(at));
            let is_ready = slot.place == Place::Ready;
            assert_eq!(
                ready.iter().filter(|&&other| other == at).count(),
                usize::from(is_ready)
            );
            full_count += usize::from(slot.place == Place::Full);
            if is_ready {
                assert!(matches!(slot.standing.state(), State::Usable { .. }));
                assert!(self.is_wanted(at));
            }
        }
        assert_eq!(self.roster.full_count, full_count);
    }
}

fn limit() -> impl Strategy<Value = Option<NonZeroU32>> {
    prop_oneof![Just(None), (1..4_u32).prop_map(NonZeroU32::new)]
}

proptest! {
    #[test]
    fn no_lease_is_lost_or_doubled_and_none_goes_to_whom_it_must_not(
        count in 1..6_usize,
        concurrency in limit(),
        requests_per_minute in limit(),
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let rules = Rules { concurrency, requests_per_minute, ..rules() };
        let mut watched = Watched::new(count, rules);
        for step in steps {
            watched.apply(step);
        }
        // Once all have come back, and time has passed, whoever is not refused can be leased.
        while let Some(taken) = watched.leases.pop() {
            watched.roster.give_back(&taken, &Outcome::SaysNothing, watched.now);
        }
        watched.now += 25 * 60 * MINUTE;
        for slot in 0..watched.begun.len() {
            let is_invalid = matches!(watched.roster.state(slot), State::Invalid(_));
            let is_wanted = watched.is_wanted(slot);
            prop_assert_eq!(watched.may_be_leased(slot), is_wanted && !is_invalid);
        }
    }

    #[test]
    fn nobody_who_could_be_leased_is_passed_over(
        count in 1..8_usize,
        concurrency in limit(),
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let rules = Rules { concurrency, ..rules() };
        let mut watched = Watched::new(count, rules);
        // How often each other one was leased since this one was, or could not be.
        let mut overtaken = vec![vec![0_u32; count]; count];
        for step in steps {
            if let Step::Take { .. } = step {
                let waiting: Vec<usize> = watched.roster.ready.iter().collect();
                if let Ok(slot) = watched.take(false) {
                    for &other in &waiting {
                        overtaken[other][slot] += 1;
                        prop_assert!(other == slot || overtaken[other][slot] <= 1);
                    }
                    overtaken[slot].fill(0);
                }
            } else {
                watched.apply(step);
            }
            let slot_count = watched.begun.len();
            overtaken.resize_with(slot_count, Vec::new);
            for row in &mut overtaken {
                row.resize(slot_count, 0);
            }
            for (slot, overtaken) in overtaken.iter_mut().enumerate() {
                if watched.roster.slots[slot].place != Place::Ready {
                    overtaken.fill(0);
                }
            }
        }
    }

    #[test]
    fn the_load_is_even_over_the_healthy_ones(
        healthy in 2..12_usize,
        dead in 0..4_usize,
        at_once in 1..100_usize,
        concurrency in limit(),
        ends in prop::collection::vec(any::<Index>(), 1000),
    ) {
        let rules = Rules { concurrency, ..rules() };
        let mut watched = Watched::new(healthy + dead, rules);
        let mut counts = vec![0_u32; healthy + dead];
        let mut begun = 0;
        for end in ends.into_iter().cycle() {
            while begun < 1000 && watched.leases.len() < at_once {
                let Ok(slot) = watched.take(false) else { break };
                if slot < dead {
                    let taken = watched.leases.pop().expect("just leased");
                    let refused = Outcome::Refused(InvalidReason::Revoked);
                    watched.roster.give_back(&taken, &refused, watched.now);
                    counts[slot] += 1;
                } else {
                    counts[slot] += 1;
                    begun += 1;
                }
            }
            if watched.leases.is_empty() {
                break;
            }
            // In any order; where a limit makes answers hold a credential up, all take the same time.
            let running = concurrency.map_or(watched.leases.len(), |_| 1);
            let taken = watched.leases.remove(end.index(running));
            watched.roster.give_back(&taken, &Outcome::Succeeded, watched.now);
        }
        prop_assert_eq!(&counts[..dead], &vec![1; dead]);
        let (least, most) = (counts[dead..].iter().min(), counts[dead..].iter().max());
        let (least, most) = (*least.expect("some"), *most.expect("some"));
        prop_assert!(f64::from(most) <= 1.1 * f64::from(least), "{:?}", counts);
    }
}

/// Leases the next credential.
fn lease(watched: &mut Watched) -> Taken {
    watched.take(false).expect("one is ready");
    watched.leases.pop().expect("just leased")
}

#[test]
fn two_that_are_limited_together_cool_all_where_the_upstream_may_count_by_address() {
    for (limited_by, apart, cools_all) in [
        (LimitedBy::Address, 10, true),
        (LimitedBy::Address, 11, false),
        (LimitedBy::Credential, 0, false),
    ] {
        let limited = Outcome::Limited(Some(30 * SECOND), limited_by);
        let mut watched = Watched::new(3, rules());
        for _ in 0..2 {
            watched.now += apart * SECOND;
            let taken = lease(&mut watched);
            watched.roster.give_back(&taken, &limited, watched.now);
        }
        let third = watched.roster.take(Wish::default(), watched.now);
        match cools_all {
            true => assert_eq!(third, Err(NoLease::Cooling(watched.now + 30 * SECOND))),
            false => assert_eq!(third.expect("ready").slot, 2),
        }
    }
}

#[test]
fn one_that_is_let_in_after_another_was_limited_shows_that_the_address_is_not() {
    let limited = Outcome::Limited(Some(30 * SECOND), LimitedBy::Address);
    // How the request ends that is begun between the two which are refused, and when.
    for (outcome, ends_before, cools_all) in [
        (Outcome::Succeeded, true, false),
        (Outcome::Succeeded, false, false),
        (Outcome::Unavailable, true, true),
        (limited, false, true),
    ] {
        let mut watched = Watched::new(4, rules());
        let taken = [(); 3].map(|()| {
            watched.now += SECOND;
            lease(&mut watched)
        });
        let [first, between, second] = taken;
        let mut give_back = |taken: &Taken, outcome: &Outcome| {
            watched.roster.give_back(taken, outcome, watched.now);
        };
        give_back(&first, &limited);
        if ends_before {
            give_back(&between, &outcome);
        }
        give_back(&second, &limited);
        if !ends_before {
            give_back(&between, &outcome);
        }
        let fourth = watched.roster.take(Wish::default(), watched.now);
        match cools_all {
            true => assert_eq!(fourth, Err(NoLease::Cooling(watched.now + 30 * SECOND))),
            false => assert_eq!(fourth.expect("ready").slot, 3, "{outcome:?} {ends_before}"),
        }
    }
}

#[test]
fn one_that_fails_pauses_for_as_long_as_others_answer() {
    let rules = Rules {
        concurrency: NonZeroU32::new(1),
        ..rules()
    };
    let mut watched = Watched::new(2, rules);
    let failing = lease(&mut watched);
    let good = lease(&mut watched);
    let (roster, now) = (&mut watched.roster, watched.now);
    roster.give_back(&failing, &Outcome::Unavailable, now);
    let pause = Duration::from_millis(100);
    let mut take = |at| roster.take(Wish::default(), at).map(|taken| taken.slot);
    assert_eq!(take(now), Err(NoLease::Busy(Some(now + pause))));
    assert_eq!(take(now + pause), Ok(failing.slot));

    // Where the other answers no more, there is nobody to wait for.
    let mut watched = Watched::new(2, rules);
    let failing = lease(&mut watched);
    let (roster, now) = (&mut watched.roster, watched.now);
    roster.give_back(&failing, &Outcome::Unavailable, now);
    assert_eq!(
        roster.take(Wish::default(), now).map(|taken| taken.slot),
        Ok(good.slot)
    );
    let dead = Taken {
        slot: good.slot,
        ..good
    };
    roster.give_back(&dead, &Outcome::Refused(InvalidReason::Expired), now);
    assert_eq!(
        roster.take(Wish::default(), now).map(|taken| taken.slot),
        Ok(failing.slot)
    );
}

#[test]
fn a_wish_is_heard() {
    let mut three = roster(3, rules(), Instant::now());
    let now = Instant::now();
    let mut take = |wish| three.take(wish, now).map(|taken| taken.slot);
    let rather_not = |slot| Wish {
        rather_not: Some(slot),
        ..Wish::default()
    };
    assert_eq!(take(rather_not(0)), Ok(1));
    let none_of = Wish {
        none_of: &[0, 1],
        ..Wish::default()
    };
    assert_eq!(take(none_of), Ok(2));
    let nobody = Wish {
        none_of: &[0, 1, 2],
        ..Wish::default()
    };
    assert_eq!(take(nobody), Err(NoLease::Unwished));

    let mut alone = roster(1, rules(), Instant::now());
    let again = alone.take(rather_not(0), now).expect("the only one");
    assert_eq!(again.slot, 0);
}

/// How long a lease takes, there and back.
fn cost(roster: &mut Roster) -> Duration {
    let (now, rounds) = (Instant::now(), 10_000);
    let measured = (0..10).map(|_| {
        let started = std::time::Instant::now();
        for _ in 0..rounds {
            let taken = roster.take(Wish::default(), now).expect("one is ready");
            roster.give_back(&taken, &Outcome::Succeeded, now);
        }
        started.elapsed() / rounds
    });
    measured.min().unwrap_or_default()
}

#[test]
fn choosing_costs_the_same_for_ten_and_for_ten_thousand() {
    let few = cost(&mut roster(10, rules(), Instant::now()));
    let many = cost(&mut roster(10_000, rules(), Instant::now()));
    // Memory that is not in the nearest cache costs a little; looking at each would cost a thousand times as much.
    assert!(many < 20 * few, "{few:?} for 10, {many:?} for 10,000");

    // As much where nearly all cool.
    let mut crowd = roster(10_000, rules(), Instant::now());
    let now = Instant::now();
    for _ in 0..9_990 {
        let taken = crowd.take(Wish::default(), now).expect("one is ready");
        crowd.give_back(&taken, &Outcome::Limited(None, LimitedBy::Credential), now);
    }
    let cooling = cost(&mut crowd);
    assert!(
        cooling < 20 * few,
        "{few:?} for 10, {cooling:?} beside 9,990 that cool"
    );
}
