use std::{num::NonZeroU32, time::Duration};

use futures_util::{StreamExt, poll, stream::FuturesUnordered};

use super::*;
use crate::{
    config::Cooldown,
    upstream::{Credential, Failure, FailureKind},
};

const SECOND: Duration = Duration::from_secs(1);
const CHECKS: CheckInterval = CheckInterval {
    interval: Duration::from_secs(1800),
    spread: 1.0,
};

fn rules() -> Rules {
    Rules {
        cooldown: Cooldown::For(60 * SECOND),
        concurrency: None,
        requests_per_minute: None,
        checks_first: true,
        idle_check: None,
    }
}

fn one_at_a_time() -> Rules {
    Rules {
        concurrency: NonZeroU32::new(1),
        ..rules()
    }
}

/// A pool whose credentials are not to be checked before something is held against them.
fn pool(count: usize, rules: Rules) -> Arc<Pool> {
    let pool = Arc::new(Pool::new("one", rules, true));
    pool.add((0..count).map(|number| {
        let member = Member {
            id: CredentialId::new(),
            credential: Credential::api_key(format!("key-{number}").into()),
            source: CredentialSource::Config,
        };
        let mut credential = NewCredential::unknown(member);
        credential.standing.proof = Proof::NotVerifiable;
        credential
    }));
    pool
}

fn lease(pool: &Arc<Pool>) -> Result<Lease, NoLease> {
    pool.lease(Wish::default())
}

fn fail(pool: &Arc<Pool>, kind: FailureKind) {
    lease(pool)
        .expect("ready")
        .failed(&Failure::new(kind, "no"));
}

#[tokio::test(start_paused = true)]
async fn a_lease_comes_back_however_its_attempt_ends() {
    let ends: [fn(Lease); 4] = [
        drop,
        |mut lease| lease.succeeded(),
        |mut lease| lease.failed(&Failure::new(FailureKind::Rejected, "no")),
        |mut lease| {
            lease.succeeded();
            lease.failed(&Failure::new(FailureKind::Unauthorized, "told twice"));
        },
    ];
    let pool = pool(1, one_at_a_time());
    for end in ends {
        let taken = lease(&pool).expect("ready");
        assert_eq!(lease(&pool).err(), Some(NoLease::Busy(None)));
        end(taken);
        assert!(lease(&pool).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_served_in_the_order_in_which_they_came() {
    let pool = pool(1, one_at_a_time());
    let pools = [Arc::clone(&pool)];
    let until = Instant::now() + 2 * SECOND;
    let mut held = lease(&pool).expect("ready");
    let mut waiting: Vec<_> = (0..3)
        .map(|_| Box::pin(first_free(&pools, until)))
        .collect();
    for waiter in &mut waiting {
        assert!(poll!(waiter).is_pending());
    }
    // Who leaves the queue is passed over.
    drop(waiting.remove(1));
    for mut waiter in waiting {
        held.succeeded();
        assert!(lease(&pool).is_err(), "nobody overtakes");
        let (_, served) = waiter.as_mut().await.expect("served");
        held = served;
    }
    drop(held);
    assert!(lease(&pool).is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_was_handed_to_somebody_who_left_goes_to_the_next() {
    let pool = pool(1, one_at_a_time());
    let pools = [Arc::clone(&pool)];
    let until = Instant::now() + 2 * SECOND;
    let held = lease(&pool).expect("ready");
    let mut first = Box::pin(first_free(&pools, until));
    let mut second = Box::pin(first_free(&pools, until));
    assert!(poll!(&mut first).is_pending());
    assert!(poll!(&mut second).is_pending());
    drop(held);
    drop(first);
    assert!(second.await.is_some());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_two_pools_takes_one_lease() {
    let pools = [pool(1, one_at_a_time()), pool(1, one_at_a_time())];
    let held = [
        lease(&pools[0]).expect("ready"),
        lease(&pools[1]).expect("ready"),
    ];
    let until = Instant::now() + 2 * SECOND;
    let mut waiting = Box::pin(first_free(&pools, until));
    assert!(poll!(&mut waiting).is_pending());
    let [first, second] = held;
    drop(second);
    drop(first);
    let (served_by, _lease) = waiting.await.expect("served");
    assert_eq!(served_by, 1);
    assert!(lease(&pools[0]).is_ok());
    assert!(lease(&pools[1]).is_err());
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_when_a_credential_is_ready_or_the_time_is_up() {
    let a_minute = Rules {
        requests_per_minute: NonZeroU32::new(1),
        ..rules()
    };
    let pools = [pool(1, a_minute)];
    let started = Instant::now();
    drop(lease(&pools[0]).expect("ready"));
    assert!(first_free(&pools, started + 2 * SECOND).await.is_none());
    assert_eq!(started.elapsed(), 2 * SECOND);
    assert!(first_free(&pools, started + 100 * SECOND).await.is_some());
    assert_eq!(started.elapsed(), 60 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn an_outage_empties_no_pool() {
    let pool = pool(3, rules());
    for _ in 0..5 {
        fail(&pool, FailureKind::Unavailable);
    }
    let until = Instant::now() + 10 * SECOND;
    assert_eq!(lease(&pool).err(), Some(NoLease::Broken(Some(until))));
    tokio::time::advance(10 * SECOND).await;
    let mut probe = lease(&pool).expect("one may try");
    assert_eq!(lease(&pool).err(), Some(NoLease::Broken(None)));
    probe.accepted();
    // Its answer has only begun, and yet all three are back.
    let mut all: Vec<_> = (0..3)
        .map(|_| lease(&pool).expect("ready").slot())
        .collect();
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn clients_that_leave_or_err_change_nothing() {
    let pool = pool(2, rules());
    for _ in 0..1000 {
        drop(lease(&pool));
        fail(&pool, FailureKind::Rejected);
    }
    assert!(lease(&pool).is_ok());
    let states = [0, 1].map(|slot| pool.shared().roster.state(slot));
    let fresh = State::Usable {
        proof: Proof::NotVerifiable,
        quota_streak: 0,
    };
    assert_eq!(states, [fresh, fresh]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_credential_is_checked_once() {
    let pool = pool(2, rules());
    let mut checks = Box::pin(pool.next_check());
    assert!(poll!(&mut checks).is_pending());
    let leases: Vec<_> = (0..4).map(|_| lease(&pool).expect("ready")).collect();
    for mut lease in leases {
        // Each of the two is refused twice.
        lease.failed(&Failure::new(FailureKind::Unauthorized, "no"));
    }
    let first = checks.await;
    let second = pool.next_check().await;
    assert_ne!(first.member.id, second.member.id);
    assert!(poll!(Box::pin(pool.next_check())).is_pending());
    assert_eq!(lease(&pool).err(), Some(NoLease::NoneValid));

    pool.checked(&first, Verdict::Accepted, CHECKS);
    assert_eq!(
        lease(&pool).expect("it is back").credential_id(),
        first.member.id
    );
    pool.checked(&second, Verdict::Refused(InvalidReason::Expired), CHECKS);
    let refused_at = Instant::now();
    assert_eq!(pool.next_check().await.member.id, second.member.id);
    assert_eq!(refused_at.elapsed(), CHECKS.interval);
}

#[tokio::test(start_paused = true)]
async fn one_that_nobody_uses_is_checked_once_a_day() {
    let day = 24 * 3600 * SECOND;
    let daily = Rules {
        idle_check: Some(day),
        ..rules()
    };
    let pool = pool(2, daily);
    let started = Instant::now();
    tokio::time::advance(day / 4).await;
    // The first is used meanwhile.
    drop(lease(&pool));
    let forgotten = pool.next_check().await;
    assert_eq!(
        (forgotten.member.id, started.elapsed()),
        (pool.in_turn(1)[0].id, day)
    );
    pool.checked(&forgotten, Verdict::Accepted, CHECKS);
    let used = pool.next_check().await;
    assert_ne!(used.member.id, forgotten.member.id);
    assert_eq!(started.elapsed(), day + day / 4);
}

#[tokio::test(start_paused = true)]
async fn a_day_without_use_is_one_though_the_process_was_another() {
    let day = 24 * 3600 * SECOND;
    let daily = Rules {
        idle_check: Some(day),
        ..rules()
    };
    let pool = pool(0, daily);
    let member = Member {
        id: CredentialId::new(),
        credential: Credential::api_key("key".into()),
        source: CredentialSource::User,
    };
    let mut credential = NewCredential::unknown(member);
    credential.standing.proof = Proof::Check;
    credential.added_at -= 7 * day;
    credential.usage.last_used_at = Some(credential.added_at + 6 * day + day / 4);
    pool.add([credential]);
    let started = Instant::now();
    pool.next_check().await;
    // The clock on the wall is the real one, and moves.
    let waited = started.elapsed();
    assert!(
        waited <= day / 4 && day / 4 - waited < 60 * SECOND,
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_is_answered_brings_the_credential_back_with_its_first_token() {
    let pool = pool(1, rules());
    fail(&pool, FailureKind::Unauthorized);
    let check = pool.next_check().await;
    pool.checked(&check, Verdict::ProvesNothing, CHECKS);
    tokio::time::advance(29 * SECOND).await;
    assert_eq!(lease(&pool).err(), Some(NoLease::NoneValid));
    tokio::time::advance(SECOND).await;
    let mut trial = lease(&pool).expect("a trial");
    assert_eq!(lease(&pool).err(), Some(NoLease::NoneValid));
    trial.accepted();
    assert!(lease(&pool).is_ok());
}

#[tokio::test(start_paused = true)]
async fn one_credential_that_keeps_failing_is_no_outage_while_others_are_there() {
    let pool = pool(2, one_at_a_time());
    let good = lease(&pool).expect("ready");
    for _ in 0..30 {
        fail(&pool, FailureKind::Unavailable);
        tokio::time::advance(SECOND).await;
    }
    drop(good);

    // An upstream where both fail is one: the first failure counted.
    for _ in 0..4 {
        fail(&pool, FailureKind::Unavailable);
    }
    assert!(matches!(lease(&pool), Err(NoLease::Broken(_))));
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_spread_evenly_however_long_their_answers_are() {
    const COUNT: usize = 1000;
    for seed in 0..20 {
        let rules = Rules {
            concurrency: NonZeroU32::new(2),
            ..rules()
        };
        let pool = pool(5, rules);
        let pools = [Arc::clone(&pool)];
        let mut random = fastrand::Rng::with_seed(seed);
        let started = Instant::now();
        let (mut counts, mut work) = ([0_u32; 5], Duration::ZERO);
        let mut begun = 0;
        let mut running = FuturesUnordered::new();
        while begun < COUNT || !running.is_empty() {
            while begun < COUNT && running.len() < 100 {
                begun += 1;
                let length = Duration::from_millis(random.u64(200..4000));
                work += length;
                let pools = &pools;
                running.push(async move {
                    let until = Instant::now() + 3600 * SECOND;
                    let (_, mut lease) = first_free(pools, until).await.expect("served");
                    tokio::time::sleep(length).await;
                    lease.succeeded();
                    lease.slot()
                });
            }
            if let Some(slot) = running.next().await {
                counts[slot] += 1;
            }
        }
        let (least, most) = (counts.iter().min(), counts.iter().max());
        let (least, most) = (least.expect("five"), most.expect("five"));
        assert!(most * 100 <= least * 106, "{counts:?}");
        let share = work.as_secs_f64() / (10.0 * started.elapsed().as_secs_f64());
        assert!(share > 0.92, "they pause too long: {share}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_held_or_pauses_is_handed_on_though_nothing_comes_back() {
    for outcome in [None, Some(FailureKind::Unavailable)] {
        let pool = pool(2, one_at_a_time());
        let pools = [Arc::clone(&pool)];
        // One answers for long, and the other has had more turns.
        let _slow = lease(&pool).expect("ready");
        for _ in 0..5 {
            lease(&pool).expect("ready").succeeded();
        }
        let mut quick = lease(&pool).expect("ready");
        let until = Instant::now() + 3600 * SECOND;
        let mut waiting: Vec<_> = (0..2)
            .map(|_| Box::pin(first_free(&pools, until)))
            .collect();
        for waiter in &mut waiting {
            assert!(poll!(waiter).is_pending());
        }
        tokio::time::advance(SECOND).await;
        let ended = Instant::now();
        match outcome {
            None => quick.succeeded(),
            Some(kind) => quick.failed(&Failure::new(kind, "no")),
        }
        // The second keeps the time when the first has gone.
        let mut second = waiting.pop().expect("two");
        drop(waiting);
        let (_, served) = second.as_mut().await.expect("served");
        assert_eq!(served.slot(), quick.slot());
        let waited = ended.elapsed();
        assert!(
            waited >= Duration::from_millis(100) && waited < SECOND,
            "{waited:?}"
        );
    }
}
