//! How an instance stops: nothing that runs is lost before its time, and nothing hangs.

use std::time::Duration;

use llm2api_test_support::{Deployment, Ending, RawClient, Request, Script, Signal, within};
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

/// Asks a path, on one connection after another, until the answer has this status.
async fn until_status(
    stage: &Stage,
    request: &Request,
    status: u16,
) -> llm2api_test_support::Answer {
    let asked = async {
        loop {
            let answer = stage.instance.exchange(request).await;
            if answer.status == status {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    within("the status to change", asked).await
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
    until_status(&stage, &Request::get("/readyz"), 503).await;
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
    until_status(&stage, &Request::get("/readyz"), 503).await;
    assert_eq!(stage.instance.chat(canned::ask(true)).await.status, 200);
    let refused = until_status(&stage, &Request::chat(canned::ask(true)), 503).await;

    assert_eq!(
        verdict(&refused),
        (
            503,
            json!(["service_unavailable_error", null, "shutting_down"])
        )
    );
    assert_eq!(
        refused.header("connection").map(str::to_ascii_lowercase),
        Some("close".to_owned())
    );
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
