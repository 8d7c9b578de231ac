//! How an instance stops: nothing that runs is lost before its time, and nothing hangs.

use std::time::Duration;

use llm2api_test_support::{
    Answer, Deployment, Ending, RawClient, Request, Script, Signal, within,
};
use serde_json::json;

use crate::{canned, stage::Stage, upstream_errors::verdict};

both_deployments! {
    a_running_answer_is_finished,
    what_is_not_finished_in_time_ends_with_an_error,
    new_requests_are_served_for_a_while_and_then_refused,
    an_idle_instance_stops_at_once,
}

/// A stream that has begun and goes on at a signal.
async fn begun(stage: &Stage, go_on: &Signal) -> (RawClient, Vec<u8>) {
    stage.upstream.queue(
        Script::stream()
            .event(canned::role(0))
            .event(canned::text("Hel"))
            .wait_for(go_on)
            .event(canned::text("lo"))
            .event(canned::finish(0, "stop"))
            .done(),
    );
    let mut client = stage.instance.client().await;
    client.send(&Request::chat(canned::ask(true))).await;
    client.head().await;
    let begun = client.body_until(r#""content":"Hel""#).await;
    (client, begun.into_bytes())
}

/// Asks, on one connection after another, until the answer is so.
async fn until(stage: &Stage, request: &Request, is_so: impl Fn(&Answer) -> bool) -> Answer {
    let asked = async {
        loop {
            let answer = stage.instance.exchange(request).await;
            if is_so(&answer) {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    within("the answer to change", asked).await
}

/// Waits until load balancers are told that the instance stops.
async fn until_not_ready(stage: &Stage) {
    let request = Request::get("/readyz");
    until(stage, &request, |answer| answer.status == 503).await;
}

async fn a_running_answer_is_finished(deployment: Deployment) {
    let mut stage = Stage::with(
        deployment,
        &[("DRAIN_DELAY", "100ms"), ("DRAIN_TIMEOUT", "30s")],
    )
    .await;
    let go_on = Signal::new();
    let (mut client, mut stream) = begun(&stage, &go_on).await;

    stage.instance.terminate();
    until_not_ready(&stage).await;
    go_on.open();

    stream.extend_from_slice(&client.body().await);
    assert_eq!(canned::content(&canned::choices(&stream), 0), "Hello");
    assert!(stage.instance.ended().await.success());
}

async fn what_is_not_finished_in_time_ends_with_an_error(deployment: Deployment) {
    let mut stage = Stage::with(
        deployment,
        &[("DRAIN_DELAY", "0s"), ("DRAIN_TIMEOUT", "300ms")],
    )
    .await;
    let never = Signal::new();
    let (mut client, mut stream) = begun(&stage, &never).await;

    stage.instance.terminate();

    stream.extend_from_slice(&client.body().await);
    let (choices, error) = canned::cut(&stream);
    assert_eq!(canned::content(&choices, 0), "Hel");
    assert_eq!(
        json!([error["type"], error["param"], error["code"]]),
        json!(["service_unavailable_error", null, "shutting_down"])
    );
    assert_ne!(stage.upstream.chat(0).await.ended().await.1, Ending::Script);
    assert!(stage.instance.ended().await.success());
}

async fn new_requests_are_served_for_a_while_and_then_refused(deployment: Deployment) {
    let mut stage = Stage::with(
        deployment,
        &[("DRAIN_DELAY", "1s"), ("DRAIN_TIMEOUT", "30s")],
    )
    .await;
    let go_on = Signal::new();
    let (mut client, _) = begun(&stage, &go_on).await;
    stage
        .upstream
        .answer("test-model", canned::stream_text(&["Hello"]));

    stage.instance.terminate();
    until_not_ready(&stage).await;
    assert_eq!(stage.instance.chat(canned::ask(true)).await.status, 200);
    let request = Request::chat(canned::ask(true));
    let refused = until(&stage, &request, |answer| answer.status == 503).await;
    let expected = (
        503,
        json!(["service_unavailable_error", null, "shutting_down"]),
    );
    assert_eq!(verdict(&refused), expected);
    // The core may refuse a moment before the gateway does, whose refusal ends the connection too.
    let closes = |answer: &Answer| {
        let connection = answer.header("connection").unwrap_or_default();
        connection.eq_ignore_ascii_case("close")
    };
    let refused = until(&stage, &request, closes).await;
    assert_eq!(verdict(&refused), expected);
    go_on.open();
    client.body().await;
    assert!(stage.instance.ended().await.success());
}

async fn an_idle_instance_stops_at_once(deployment: Deployment) {
    let mut stage = Stage::with(
        deployment,
        &[("DRAIN_DELAY", "0s"), ("DRAIN_TIMEOUT", "60s")],
    )
    .await;
    stage.upstream.queue(canned::stream_text(&["Hello"]));
    // A connection that is kept alive, and one on which nothing was sent, hold nothing up.
    let mut kept = stage.instance.client().await;
    kept.exchange(&Request::chat(canned::ask(true))).await;
    let _silent = stage.instance.client().await;

    stage.instance.terminate();

    let stopped = tokio::time::timeout(Duration::from_secs(10), stage.instance.ended());
    assert!(stopped.await.expect("nothing runs").success());
}
