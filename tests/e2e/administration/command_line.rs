//! On the command line.

use std::process::Stdio;

use llm2api_test_support::{
    Deployment, Llm2Api,
    command::{Output, run},
    llm2api::ADMIN_KEY,
};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::process::Command;

use super::{EXPIRED, SESSIONS, site, stage};
use crate::stage::{MODEL, binary, instance};

/// Runs a command of an instance's operator, with this file as its standard input.
async fn llm2api(instance: &Llm2Api, arguments: &[&str], input: &str) -> Output {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), input).unwrap();
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .env_clear()
        .env("LLM2API_URL", format!("http://{}", instance.grpc()))
        .env("ADMIN_KEY", ADMIN_KEY)
        .stdin(Stdio::from(file.reopen().unwrap()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    run(&mut command).await
}

/// Runs a command that must succeed, and gives back what it wrote.
async fn well(instance: &Llm2Api, arguments: &[&str]) -> String {
    let output = llm2api(instance, arguments, "").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    output.stdout
}

/// The only id in the list of cookies.
async fn only_id(instance: &Llm2Api) -> String {
    let list = well(instance, &["cookie", "list", "--json"]).await;
    let list: Value = serde_json::from_str(&list).unwrap();
    let [cookie] = list["data"].as_array().unwrap().as_slice() else {
        panic!("{list}");
    };
    cookie["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn cookies_from_standard_input_are_each_told_accepted_or_rejected() {
    let (site, instance) = stage(Deployment::Serve).await;
    let domain = "127.0.0.1";
    let export = json!([{"domain": domain, "name": "hf-chat", "value": SESSIONS[1]}]);
    let input = format!(
        "{}\n{EXPIRED}\n{export}\n\n# Netscape HTTP Cookie File\n{domain}\tFALSE\t/\tFALSE\t0\thf-chat\t{}\n",
        SESSIONS[0], SESSIONS[2]
    );
    let output = llm2api(&instance, &["cookie", "add", "--label", "many"], &input).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let mut accepted: Vec<_> = output
        .stdout
        .lines()
        .map(|line| line.rsplit("  ").nth(1).unwrap())
        .collect();
    accepted.sort_unstable();
    assert_eq!(
        accepted,
        ["hf-chat=…aa01", "hf-chat=…bb02", "hf-chat=…cc03"],
        "{output:?}"
    );
    assert!(
        output.stderr.contains("2/4 rejected: ") && output.stderr.contains("(cookie_invalid)"),
        "{output:?}"
    );
    assert!(
        output.stderr.ends_with("3 accepted, 1 rejected\n"),
        "{output:?}"
    );
    for session in SESSIONS.iter().chain([&EXPIRED]) {
        assert!(!output.stdout.contains(session) && !output.stderr.contains(session));
    }
    drop(site);
}

#[tokio::test]
async fn a_cookie_is_listed_labelled_disabled_checked_and_removed() {
    let (_site, instance) = stage(Deployment::Serve).await;
    let added = llm2api(&instance, &["cookie", "add", SESSIONS[0], "--json"], "").await;
    assert_eq!(added.status.code(), Some(0), "{added:?}");
    let added: Value = serde_json::from_str(&added.stdout).unwrap();
    assert_eq!(added["created"], json!(true));
    let id = only_id(&instance).await;
    assert_eq!(added["id"], json!(id));

    let beginning = &id[..id.len() - 2];
    let labelled = well(&instance, &["cookie", "label", beginning, "my own"]).await;
    assert_eq!(labelled, format!("{id}  chat  hf-chat=…aa01  valid\n"));
    let disabled = well(&instance, &["cookie", "disable", &id]).await;
    assert_eq!(disabled, format!("{id}  chat  hf-chat=…aa01  disabled\n"));
    let list = well(&instance, &["cookie", "list"]).await;
    let mut lines = list.lines();
    assert!(lines.next().unwrap().starts_with("ID "), "{list}");
    let row = lines.next().unwrap();
    assert!(
        row.starts_with(&id) && row.contains("disabled") && row.contains("my own"),
        "{list}"
    );
    well(&instance, &["cookie", "enable", &id]).await;
    for verb in ["check", "clear"] {
        let shown = well(&instance, &["cookie", verb, &id]).await;
        assert_eq!(shown, format!("{id}  chat  hf-chat=…aa01  valid\n"));
    }
    let removed = well(&instance, &["cookie", "remove", &id, "--yes"]).await;
    assert_eq!(removed, format!("{id} removed\n"));
    let again = llm2api(&instance, &["cookie", "remove", &id, "--yes"], "").await;
    assert_eq!(again.status.code(), Some(1));
    assert!(again.stderr.contains("(cookie_not_found)"), "{again:?}");
}

#[tokio::test]
async fn what_is_wrong_for_all_of_them_is_told_once() {
    let (_site, instance) = stage(Deployment::Serve).await;
    let input = SESSIONS.join("\n");
    let output = llm2api(&instance, &["cookie", "add", "--upstream", "none"], &input).await;
    assert_eq!(
        (output.status.code(), output.stdout.as_str()),
        (Some(1), ""),
        "{output:?}"
    );
    assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
    let output = llm2api(&instance, &["cookie", "add"], "\n").await;
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.contains("nothing to add"), "{output:?}");
}

#[tokio::test]
async fn an_upstream_is_added_tested_listed_and_removed() {
    let site = site().await;
    let instance = instance(Deployment::Serve).start().await;
    let add = [
        "upstream",
        "add",
        &site.url(),
        "--name",
        "chat",
        "--cookie-file",
        "-",
        "--alias",
        "gpt-4o=test-model",
    ];
    let refused = llm2api(&instance, &add, EXPIRED).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(refused.stderr.contains("(cookie_invalid)"), "{refused:?}");
    let added = llm2api(&instance, &add, SESSIONS[0]).await;
    assert_eq!(added.status.code(), Some(0), "{added:?}");
    assert_eq!(
        added.stdout,
        "added chat; `llm2api upstream test chat` tries it\n"
    );
    let tested = well(&instance, &["upstream", "test", "chat"]).await;
    assert!(
        tested.starts_with("ok: 1 models in ") && tested.ends_with(&format!("  {MODEL}\n")),
        "{tested}"
    );
    let list = well(&instance, &["upstream", "list", "--json"]).await;
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["data"][0]["aliases"], json!({"gpt-4o": MODEL}));
    let list = well(&instance, &["upstream", "list"]).await;
    assert!(
        list.lines()
            .nth(1)
            .unwrap()
            .starts_with("chat  chat-ui  ok"),
        "{list}"
    );
    let removed = well(&instance, &["upstream", "remove", "chat", "--yes"]).await;
    assert_eq!(removed, "chat removed\n");
}
