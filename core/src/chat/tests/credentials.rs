//! Several credentials of one upstream, their limits, and the upstream's circuit breaker.

use super::*;

/// An upstream with so many keys.
fn with_keys(count: usize) -> impl FnOnce(&mut Config) {
    move |config| {
        config.upstreams[0].cookies = (0..count).map(|at| format!("sk-{at}").into()).collect();
    }
}

fn refused() -> Act {
    Act::Fail(failure(FailureKind::Unauthorized))
}

fn limited(seconds: u64) -> Act {
    Act::Fail(Failure {
        retry_after: Some(Duration::from_secs(seconds)),
        status: Some(429),
        ..failure(FailureKind::RateLimited)
    })
}

#[tokio::test(start_paused = true)]
async fn nine_dead_ones_in_a_row_cost_no_answer() {
    let mut acts: Vec<Act> = std::iter::repeat_with(refused).take(9).collect();
    acts.extend([says("alive"), says("again")]);
    let stage = Stage::with(vec![("one", acts)], with_keys(10));
    let first = stage.ask(true).await.expect("the tenth answers");
    assert_eq!(told(&first), ("alive".to_owned(), 10, None));
    let second = stage.ask(true).await.expect("the dead ones are not asked");
    assert_eq!(told(&second), ("again".to_owned(), 1, None));
}

#[tokio::test(start_paused = true)]
async fn a_request_stops_at_thirty_two_and_the_next_goes_on() {
    let mut acts: Vec<Act> = std::iter::repeat_with(refused).take(34).collect();
    acts.push(says("alive"));
    let stage = Stage::with(vec![("one", acts)], with_keys(35));
    let error = stage.ask(true).await.expect_err("too many are dead");
    assert_eq!(
        (error.reason, error.retry_after, stage.asked()),
        (
            ErrorReason::ServerIsOverloaded,
            Some(Duration::from_secs(1)),
            vec![32]
        )
    );
    assert_eq!(
        told(&stage.ask(true).await.expect("one is left")).0,
        "alive"
    );
}

#[tokio::test(start_paused = true)]
async fn when_none_of_its_cookies_is_valid_the_client_hears_so() {
    let stage = Stage::with(vec![("one", vec![refused(), refused()])], |config| {
        let cookies = ["session=one".to_owned(), "session=two".to_owned()];
        config.upstreams[0].added_cookies = cookies.map(Into::into).into();
    });
    let error = stage.ask(true).await.expect_err("none is valid");
    assert_eq!(
        (error.reason, error.retry_after, stage.asked()),
        (ErrorReason::NoValidCookie, None, vec![2])
    );
}

#[tokio::test(start_paused = true)]
async fn where_nothing_cools_each_credential_is_tried_once() {
    let acts = vec![limited(7), limited(8), limited(9)];
    let stage = Stage::with(vec![("one", acts)], |config| {
        with_keys(3)(config);
        config.upstreams[0].cooldown = Some(Cooldown::Off);
    });
    let error = stage.ask(true).await.expect_err("all are limited");
    assert_eq!(
        (error.reason, error.retry_after, stage.asked()),
        (
            ErrorReason::RateLimitExceeded,
            Some(Duration::from_secs(9)),
            vec![3]
        )
    );
}

/// Two upstreams with one request at a time each, of which the first is at work.
async fn at_work(acts: Vec<(&str, Vec<Act>)>) -> (Stage, AnswerStream) {
    let stage = Stage::with(acts, |config| {
        config.pool.concurrency = NonZeroU32::new(1);
    });
    let running = stage
        .chats
        .answer(request(true), &mut Ledger::of_nobody())
        .await
        .expect("begun");
    (stage, running)
}

#[tokio::test(start_paused = true)]
async fn a_busy_upstream_is_passed_over_at_once() {
    let (stage, _running) = at_work(vec![
        (
            "one",
            vec![Act::Answer(vec![vec![start(), text("a")]], End::Hang)],
        ),
        ("two", vec![says("here")]),
    ])
    .await;
    let asked = Instant::now();
    assert_eq!(told(&stage.ask(true).await.expect("the other")).0, "here");
    assert_eq!(asked.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn who_finds_all_busy_waits_for_a_while() {
    let (stage, running) = at_work(vec![("one", vec![says("first"), says("second")])]).await;
    let asked = Instant::now();
    let error = stage.ask(true).await.expect_err("nothing came back");
    assert_eq!(
        (error.reason, error.retry_after, asked.elapsed()),
        (
            ErrorReason::ServerIsOverloaded,
            Some(Duration::from_secs(1)),
            Duration::from_secs(2)
        )
    );

    let waiting = stage.ask(true);
    tokio::pin!(waiting);
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    drop(running);
    assert_eq!(
        told(&waiting.await.expect("served")),
        ("second".to_owned(), 1, None)
    );
}

#[tokio::test(start_paused = true)]
async fn a_cool_down_that_is_nearly_over_is_waited_for() {
    let stage = Stage::new(vec![("one", vec![limited(1), says("soon")])]);
    assert_eq!(
        told(&stage.ask(true).await.expect("in a second")),
        ("soon".to_owned(), 2, None)
    );
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_keeps_failing_is_left_alone() {
    let failing = || Act::Fail(failure(FailureKind::Unavailable));
    let acts = std::iter::repeat_with(failing)
        .take(5)
        .chain([says("back")]);
    let stage = Stage::new(vec![("one", acts.collect())]);
    let first = stage.ask(true).await.expect_err("three failed");
    assert_eq!(first.reason, ErrorReason::UpstreamError);
    let second = stage.ask(true).await.expect_err("two more failed");
    assert_eq!(
        (second.reason, second.retry_after, stage.asked()),
        (
            ErrorReason::UpstreamUnavailable,
            Some(Duration::from_secs(10)),
            vec![5]
        )
    );
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(told(&stage.ask(true).await.expect("it is back")).0, "back");
}

#[tokio::test(start_paused = true)]
async fn without_a_breaker_it_is_asked_however_often_it_failed() {
    let failing = || Act::Fail(failure(FailureKind::Unavailable));
    let acts = std::iter::repeat_with(failing).take(9).collect();
    let stage = Stage::with(vec![("one", acts)], |config| {
        config.upstreams[0].has_breaker = false;
    });
    for _ in 0..3 {
        let error = stage.ask(true).await.expect_err("it fails");
        assert_eq!(error.reason, ErrorReason::UpstreamError);
    }
    assert_eq!(stage.asked(), [9]);
}

#[tokio::test(start_paused = true)]
async fn the_ledger_tells_what_was_done_for_a_request() {
    let stage = Stage::new(vec![
        ("one", vec![limited(60)]),
        (
            "two",
            vec![Act::Fail(failure(FailureKind::Unavailable)), says("here")],
        ),
    ]);
    let request = request(false);
    let mut ledger = Ledger::of_nobody();
    let mut attempts = Attempts::new(&stage.chats, &request, None, &mut ledger);
    assert!(attempts.answer_as("m", None).await.is_ok());
    let told = ledger.record().expect("not handed over").to_string();
    let without_ids: Vec<&str> = told
        .split(' ')
        .filter(|word| !word.starts_with("ck_"))
        .collect();
    assert_eq!(
        without_ids.join(" "),
        "one RateLimited, fault credential; one cooling; two Unavailable, fault upstream; one cooling; two answered"
    );
}
