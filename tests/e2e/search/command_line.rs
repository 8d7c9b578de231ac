//! `llm2api search`.

use std::process::Stdio;

use llm2api_test_support::{
    Deployment, Llm2Api,
    command::{Output, run},
    llm2api::ADMIN_KEY,
    scripted_searxng::blocked,
};
use serde_json::{Value, json};
use tokio::process::Command;

use super::stage;
use crate::stage::binary;

both_deployments! {
    results_are_shown_as_chats_have_them,
}

/// Runs `llm2api search`.
pub(super) async fn llm2api(instance: &Llm2Api, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command
        .arg("search")
        .args(arguments)
        .env_clear()
        .env("LLM2API_URL", format!("http://{}", instance.grpc()))
        .env("ADMIN_KEY", ADMIN_KEY)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    run(&mut command).await
}

async fn results_are_shown_as_chats_have_them(deployment: Deployment) {
    let (searxng, instance) = stage(deployment).await;
    searxng.finds(&[
        ("Bees", "https://bees.example/", "They hum."),
        ("Wasps", "https://wasps.example/", ""),
        ("Ants", "https://ants.example/", "They don't."),
    ]);
    let output = llm2api(&instance, &["--limit", "2", "which", "insects", "hum"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        output.stdout,
        "[1] Bees\n    https://bees.example/\n    They hum.\n\n[2] Wasps\n    https://wasps.example/\n"
    );
    let output = llm2api(
        &instance,
        &["--json", "--limit=1", "--language", "en", "humming"],
    )
    .await;
    let object: Value = serde_json::from_str(&output.stdout).unwrap();
    let first = json!({"title": "Bees", "url": "https://bees.example/", "snippet": "They hum."});
    assert_eq!(
        object,
        json!({"status": "ok", "status_message": "", "results": [first]})
    );
    assert_eq!(searxng.queries(), ["which insects hum", "humming"]);
}

#[tokio::test]
async fn where_there_is_nothing_it_says_why() {
    let (searxng, instance) = stage(Deployment::Serve).await;
    let output = llm2api(&instance, &["bees"]).await;
    assert_eq!(
        (
            output.status.code(),
            output.stdout.as_str(),
            output.stderr.as_str()
        ),
        (Some(0), "", "llm2api: nothing was found\n")
    );
    searxng.answers(blocked(&[("brave", "CAPTCHA")]));
    let output = llm2api(&instance, &["bees"]).await;
    let why = format!(
        "llm2api: {}: its search engines refuse it (brave: CAPTCHA)\n",
        searxng.address()
    );
    assert_eq!(
        (output.status.code(), output.stdout.as_str(), output.stderr),
        (Some(1), "", why)
    );
    for wrong in [&["--limit", "0", "x"][..], &["--limit", "21", "x"], &[]] {
        assert_eq!(
            llm2api(&instance, wrong).await.status.code(),
            Some(64),
            "{wrong:?}"
        );
    }
}
