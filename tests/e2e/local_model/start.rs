//! The model's file at the start, and memory.

use llm2api_test_support::{
    Deployment,
    command::{Output, run},
};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use super::{ask, file, started};
use crate::stage::binary;

both_deployments! {
    a_model_that_nobody_asks_takes_no_memory,
}

/// MiB that a gateway with a model may take that it has not loaded; the model's weights alone are 94.
const SMALL: u64 = 40;

/// MiB of memory that a process holds by itself.
fn resident_mebibytes(process: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
    kibibytes.unwrap().parse::<u64>().unwrap() / 1024
}

async fn a_model_that_nobody_asks_takes_no_memory(deployment: Deployment) {
    let instance = started(deployment).await;
    let core = instance.processes().last().unwrap();
    let before = resident_mebibytes(core.id());
    assert!(before < SMALL, "{before} MiB");
    instance.chat(ask("hi", json!({"max_tokens": 1}))).await;
    let after = resident_mebibytes(core.id());
    assert!(
        after > SMALL,
        "what was measured is not the model: {after} MiB"
    );
}

async fn fails_to_start(settings: &[(&str, &str)]) -> Output {
    let data = TempDir::new().unwrap();
    run(Command::new(binary())
        .arg("serve")
        .env_clear()
        .env("DATA_DIR", data.path())
        .envs(settings.iter().copied())
        .kill_on_drop(true))
    .await
}

#[tokio::test]
async fn a_model_file_that_is_not_there_stops_the_start() {
    let output = fails_to_start(&[("LLM2API_LOCAL_MODEL", "/nowhere/model.gguf")]).await;
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(
        output.stderr,
        "llm2api: LLM2API_LOCAL_MODEL: /nowhere/model.gguf: No such file or directory (os error 2)\n"
    );
}

#[tokio::test]
async fn the_newest_file_of_the_data_folder_is_the_model() {
    use llm2api_test_support::{RawClient, Request, llm2api::Process};

    let data = TempDir::new().unwrap();
    let models = data.path().join("models");
    std::fs::create_dir(&models).unwrap();
    std::fs::write(models.join("old.gguf"), "").unwrap();
    std::os::unix::fs::symlink(file(), models.join("My-Model.GGUF")).unwrap();
    std::fs::write(models.join("newer.gguf.part"), "").unwrap();
    let old = std::fs::File::open(models.join("old.gguf")).unwrap();
    old.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let settings = [
        ("LISTEN", "127.0.0.1:0"),
        ("GRPC_LISTEN", "off"),
        ("LOG_FORMAT", "json"),
        ("DATA_DIR", data.path().to_str().unwrap()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let process = Process::start(binary(), "serve", &settings);
    let mut client = RawClient::connect(process.address("http").await).await;
    let list = client.exchange(&Request::get("/v1/models")).await.json();
    assert_eq!(list["data"][0]["id"], "my-model", "{list}");
}
