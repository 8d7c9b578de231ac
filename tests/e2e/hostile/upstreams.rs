//! Upstreams that mean harm, or are in somebody else's hands.

use bytes::Bytes;
use llm2api_test_support::{
    Deployment, Llm2Api, Request, Script, ScriptedUpstream,
    command::{python, run_well},
    within,
};

use crate::{
    canned,
    stage::{MODEL, Stage, instance},
};

both_deployments! {
    headers_without_end_are_no_answer,
    events_without_end_are_no_answer,
    what_means_nothing_is_not_held_for_ever,
}

/// Checks that an instance is as well as before.
async fn is_well(stage: &Stage) {
    stage
        .upstream
        .answer(MODEL, canned::stream_text(&["Hello"]));
    let answer = stage.instance.chat(canned::ask(false)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

async fn fails(stage: &Stage, script: Script) {
    stage.upstream.answer(MODEL, script);
    for stream in [true, false] {
        let answer = stage.instance.chat(canned::ask(stream)).await;
        let code = answer.json()["error"]["code"].clone();
        assert_eq!(
            (answer.status, code.as_str()),
            (502, Some("upstream_error")),
            "{}",
            answer.text()
        );
    }
}

async fn stage(deployment: Deployment) -> Stage {
    let settings = [("MAX_BODY", "1MiB"), ("RETRY_ATTEMPTS", "1")];
    Stage::with(deployment, &settings).await
}

async fn headers_without_end_are_no_answer(deployment: Deployment) {
    let stage = stage(deployment).await;
    let huge = format!("X-Long: {}\r\n", "a".repeat(4 << 20));
    let many: String = (0..100_000)
        .map(|number| format!("X-{number}: a\r\n"))
        .collect();
    for headers in [huge, many] {
        fails(
            &stage,
            Script::raw(format!("HTTP/1.1 200 OK\r\n{headers}")).stall(),
        )
        .await;
    }
    is_well(&stage).await;
}

async fn events_without_end_are_no_answer(deployment: Deployment) {
    let stage = stage(deployment).await;
    let piece = Bytes::from("x".repeat(1 << 18));
    let endless = (0..16).fold(Script::stream().bytes("data: "), |script, _| {
        script.bytes(piece.clone())
    });
    fails(&stage, endless.stall()).await;
    is_well(&stage).await;
}

async fn what_means_nothing_is_not_held_for_ever(deployment: Deployment) {
    let stage = stage(deployment).await;
    let nothing = canned::delta(0, "{}");
    let endless = (0..2_000).fold(Script::stream(), |script, _| script.event(&nothing));
    fails(&stage, endless.stall()).await;
    is_well(&stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_models_that_grows_when_it_is_unpacked_fills_no_memory() {
    // 512 MiB of white space in half a MiB.
    let bomb = "import gzip, sys; sys.stdout.write(gzip.compress(b' ' * (512 << 20), 9).hex())";
    let bomb = run_well(python().args(["-c", bomb])).await;
    let bomb: Vec<u8> = (0..bomb.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&bomb[at..at + 2], 16).unwrap())
        .collect();
    let upstream = ScriptedUpstream::start(&[MODEL]).await;
    upstream.answer(MODEL, canned::stream_text(&["Hello"]));
    upstream.answer_models(Script::json(200, bomb).header("Content-Encoding", "gzip"));
    let instance = instance(Deployment::Serve)
        .setting("UPSTREAM_URL", &upstream.url())
        .start()
        .await;
    let told = async {
        loop {
            let list = instance.administer(Request::get("/upstreams")).await.json();
            if list["data"][0]["state"] == "degraded" {
                return;
            }
        }
    };
    within("the list to be given up", told).await;
    let answer = instance.chat(canned::ask(false)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let most = most_memory_kib(&instance);
    assert!(most < 256 * 1024, "{most} KiB");
}

/// The most memory that an instance has had, in KiB.
fn most_memory_kib(instance: &Llm2Api) -> u64 {
    let path = format!("/proc/{}/status", instance.core_process().id());
    let status = std::fs::read_to_string(path).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
