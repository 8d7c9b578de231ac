//! How an instance starts: what it takes, what it says, what it refuses.

use std::time::Duration;

use llm2api_test_support::{
    Deployment, RawClient, Request, ScriptedUpstream,
    command::{Output, run},
    llm2api::Process,
};
use tempfile::TempDir;
use tokio::process::Command;

use crate::{
    canned,
    stage::{Stage, binary, instance},
};

/// Starts `serve` with these settings, on free ports and with a folder of its own.
fn serve(settings: &[(&str, &str)], data: &TempDir) -> Process {
    let mut all = vec![
        ("LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
        ("GRPC_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
        ("DATA_DIR".to_owned(), data.path().display().to_string()),
        ("LOG_FORMAT".to_owned(), "json".to_owned()),
    ];
    all.extend(
        settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    Process::start(binary(), "serve", &all)
}

/// Runs the binary to its end.
async fn ends(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .env_clear()
        .envs(settings.iter().copied())
        .kill_on_drop(true)
        .stdin(std::process::Stdio::null());
    tokio::time::timeout(Duration::from_secs(20), run(&mut command))
        .await
        .expect("it ends by itself")
}

#[tokio::test]
async fn the_original_environments_start_and_say_what_is_missing() {
    for settings in [
        &[("AUTH_CODE", "code-of-mine")][..],
        &[
            ("AUTH_CODE", "code-of-mine"),
            ("API_KEY", "key-of-mine"),
            ("API_PATH", "path-of-mine"),
            ("SEARXNG_URL", "https://search.example.org"),
            ("TOOL_ALL_IN_ONE", "true"),
        ],
    ] {
        let data = TempDir::new().unwrap();
        let process = serve(settings, &data);
        let http = process.address("http").await;
        process.logs("UPSTREAM_URL").await;
        let mut client = RawClient::connect(http).await;
        assert_eq!(client.exchange(&Request::get("/healthz")).await.status, 200);
        for secret in ["code-of-mine", "key-of-mine", "path-of-mine"] {
            assert!(!process.log().contains(secret), "{}", process.log());
        }
    }
}

#[tokio::test]
async fn without_keys_an_admin_key_is_made_and_kept() {
    use std::os::unix::fs::PermissionsExt;

    let data = TempDir::new().unwrap();
    let first = serve(&[], &data);
    first.address("http").await;
    let path = data.path().join("admin.key");
    let key = std::fs::read_to_string(&path).unwrap();
    assert!(key.trim().len() >= 32, "{key:?}");
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(!first.log().contains(key.trim()), "{}", first.log());
    drop(first);
    let second = serve(&[("API_KEY", "off")], &data);
    second.address("http").await;
    assert_eq!(std::fs::read_to_string(&path).unwrap(), key);
}

#[tokio::test]
async fn the_start_says_what_to_type_first() {
    let upstream = ScriptedUpstream::start(&["test-model"]).await;
    let data = TempDir::new().unwrap();
    let process = serve(
        &[("UPSTREAM_URL", &upstream.url()), ("LOG_FORMAT", "text")],
        &data,
    );
    process.logs("curl http://127.0.0.1:").await;
    process.logs("test-model").await;
}

#[tokio::test]
async fn a_wrong_setting_stops_the_start_and_is_named() {
    for (setting, value) in [
        ("LISTEN", "nowhere"),
        ("RETRY_ATTEMPTS", "0"),
        ("IDLE_TIMEOUT", "soon"),
        ("MAX_BODY", "big"),
        ("UPSTREAM_URL", "ftp://example.org"),
        ("LLM2API_NO_SUCH", "1"),
    ] {
        let data = TempDir::new().unwrap();
        let folder = data.path().display().to_string();
        let output = ends(&["serve"], &[(setting, value), ("DATA_DIR", &folder)]).await;
        assert_eq!(output.status.code(), Some(64), "{setting}: {output:?}");
        assert!(output.stderr.contains(setting), "{output:?}");
        assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
    }
}

#[tokio::test]
async fn a_gateway_without_a_key_for_its_core_does_not_start() {
    let output = ends(&["gateway"], &[("CORE_URL", "http://127.0.0.1:1")]).await;
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert!(output.stderr.contains("CORE_KEY"), "{output:?}");
}

#[tokio::test]
async fn a_gateway_without_its_core_says_so() {
    let gone = ScriptedUpstream::start(&[]).await.address();
    let gateway = Process::start(
        binary(),
        "gateway",
        &[
            ("LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("CORE_URL".to_owned(), format!("http://{gone}")),
            ("CORE_KEY".to_owned(), "key".to_owned()),
            ("LOG_FORMAT".to_owned(), "json".to_owned()),
        ],
    );
    let http = gateway.address("http").await;
    for (path, status) in [("/healthz", 200), ("/readyz", 503), ("/v1/models", 503)] {
        let mut client = RawClient::connect(http).await;
        let answer = client.exchange(&Request::get(path)).await;
        assert_eq!(answer.status, status, "{path}");
        if path == "/v1/models" {
            let error = &answer.json()["error"];
            assert_eq!(error["code"], "core_unavailable");
            assert!(error["message"].to_string().contains("CORE_URL"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_gateway_that_its_core_refuses_says_so() {
    let stage = Stage::new(Deployment::Serve).await;
    let gateway = Process::start(
        binary(),
        "gateway",
        &[
            ("LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            (
                "CORE_URL".to_owned(),
                format!("http://{}", stage.instance.grpc()),
            ),
            ("CORE_KEY".to_owned(), "wrong".to_owned()),
            ("LOG_FORMAT".to_owned(), "json".to_owned()),
        ],
    );
    let http = gateway.address("http").await;
    let mut client = RawClient::connect(http).await;
    let answer = client.exchange(&Request::get("/v1/models")).await;
    assert_eq!(answer.status, 503);
    let error = &answer.json()["error"];
    assert_eq!(error["code"], "core_unavailable");
    assert!(error["message"].to_string().contains("CORE_KEY"), "{error}");
}

#[tokio::test]
async fn a_running_instance_is_healthy_to_its_own_check() {
    let stage = Stage::new(Deployment::Serve).await;
    let listen = stage.instance.http().to_string();
    for arguments in [&["healthcheck"][..], &["healthcheck", "--ready"]] {
        let output = ends(arguments, &[("LISTEN", &listen), ("GRPC_LISTEN", "off")]).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    let output = ends(
        &["healthcheck"],
        &[("LISTEN", "127.0.0.1:1"), ("GRPC_LISTEN", "off")],
    )
    .await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[tokio::test]
async fn one_runtime_for_all_answers_as_well() {
    for deployment in [Deployment::Serve, Deployment::Split] {
        let stage = Stage::with(deployment, &[("RUNTIME", "shared"), ("WORKERS", "3")]).await;
        stage.upstream.queue(canned::stream_text(&["Hello"]));
        let answer = stage.instance.chat(canned::ask(true)).await;
        assert_eq!(canned::content(&canned::choices(&answer.body), 0), "Hello");
    }
}

#[tokio::test]
async fn the_command_line_chats() {
    let stage = Stage::new(Deployment::Serve).await;
    stage
        .upstream
        .answer("test-model", canned::stream_text(&["Hel", "lo"]));
    let url = format!("http://{}", stage.instance.grpc());
    let output = ends(
        &["chat", "Say", "hello."],
        &[
            ("LLM2API_URL", &url),
            ("ADMIN_KEY", llm2api_test_support::llm2api::ADMIN_KEY),
        ],
    )
    .await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(output.stdout.trim_end(), "Hello");
    assert_eq!(
        stage.upstream.chat(0).await.json()["messages"],
        serde_json::json!([{"role": "user", "content": "Say hello."}])
    );
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_setting() {
    let taken = instance(Deployment::Serve).start().await;
    let listen = taken.http().to_string();
    let data = TempDir::new().unwrap();
    let folder = data.path().display().to_string();
    let output = ends(
        &["serve"],
        &[
            ("LISTEN", &listen),
            ("GRPC_LISTEN", "off"),
            ("DATA_DIR", &folder),
        ],
    )
    .await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stderr.contains("LISTEN"), "{output:?}");
}
