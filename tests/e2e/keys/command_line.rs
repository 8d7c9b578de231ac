//! On the command line.

use std::{path::Path, process::Stdio};

use llm2api_test_support::{
    Deployment, Llm2Api, Request,
    command::{Output, run},
    llm2api::ADMIN_KEY,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::stage::{Stage, binary};

/// Runs `llm2api key …` as an instance's operator.
async fn key(instance: &Llm2Api, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command
        .arg("key")
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

/// The same, of what must succeed: what it wrote.
async fn well(instance: &Llm2Api, arguments: &[&str]) -> String {
    let output = key(instance, arguments).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    output.stdout
}

async fn status_with(instance: &Llm2Api, value: &str) -> u16 {
    let request = Request::get("/v1/models").bearer(value);
    instance.exchange(&request).await.status
}

#[tokio::test]
async fn a_key_is_made_listed_changed_given_another_value_and_revoked() {
    let stage = Stage::new(Deployment::Serve).await;
    let instance = &stage.instance;
    let made = key(
        instance,
        &[
            "create",
            "--label",
            "phone",
            "--model",
            "test-model",
            "--requests-per-minute",
            "60",
            "--expires",
            "90d",
        ],
    )
    .await;
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    // The value alone, to be piped on.
    let first = made.stdout.trim_end();
    assert!(first.starts_with("sk-") && first.len() == 51, "{made:?}");
    assert!(made.stderr.contains("is not shown again"), "{made:?}");
    assert_eq!(status_with(instance, first).await, 200);

    let list: Value = serde_json::from_str(&well(instance, &["list", "--json"]).await).unwrap();
    let id = list["data"][0]["id"].as_str().unwrap().to_owned();
    let table = well(instance, &["list"]).await;
    let mut lines = table.lines();
    assert!(lines.next().unwrap().starts_with("ID "), "{table}");
    let row = lines.next().unwrap();
    for part in [
        id.as_str(),
        "active",
        &first[47..],
        "phone",
        "0 of 60",
        "test-model",
    ] {
        assert!(row.contains(part), "{part}: {table}");
    }

    let preview = format!("sk-…{}", &first[47..]);
    let beginning = &id[..id.len() - 2];
    let changed = [
        "update",
        beginning,
        "--label",
        "tablet",
        "--model",
        "all",
        "--expires",
        "never",
    ];
    assert_eq!(
        well(instance, &changed).await,
        format!("{id}  {preview}  active  tablet\n")
    );
    let list: Value = serde_json::from_str(&well(instance, &["list", "--json"]).await).unwrap();
    let shown = &list["data"][0];
    assert_eq!(
        (
            &shown["models"],
            &shown["expires_at"],
            &shown["requests_per_minute"]
        ),
        (&Value::Null, &Value::Null, &json!(60))
    );

    let rotated = well(instance, &["rotate", &id, "--json"]).await;
    let rotated: Value = serde_json::from_str(&rotated).unwrap();
    let second = rotated["key"].as_str().unwrap();
    assert_ne!(second, first);
    assert_eq!(status_with(instance, second).await, 200);

    let revoked = well(instance, &["revoke", &id, "--yes"]).await;
    assert_eq!(revoked, format!("{id} revoked\n"));
    let again = key(instance, &["revoke", &id, "--yes"]).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(again.stderr.contains("(key_not_found)"), "{again:?}");
    let none = key(instance, &["list"]).await;
    assert_eq!(none.stdout, "");
    assert!(none.stderr.contains("llm2api key create"), "{none:?}");
}

#[tokio::test]
async fn what_no_key_can_be_is_told_with_the_exit_code_of_a_mistake() {
    let stage = Stage::new(Deployment::Serve).await;
    let wrong = key(&stage.instance, &["create", "--expires", "soon"]).await;
    assert_eq!(wrong.status.code(), Some(64), "{wrong:?}");
    let wrong = key(&stage.instance, &["create", "--network", "everywhere"]).await;
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    assert!(wrong.stderr.contains("`networks` takes"), "{wrong:?}");
}

/// Runs `llm2api key admin` with these settings and nothing else.
async fn admin(settings: &[(&str, &str)], data: &Path) -> Output {
    let mut command = Command::new(binary());
    command
        .args(["key", "admin"])
        .env_clear()
        .envs(settings.iter().copied())
        .env("DATA_DIR", data);
    run(&mut command).await
}

#[tokio::test]
async fn the_admin_key_is_shown_from_where_it_is() {
    let data = TempDir::new().unwrap();
    let none = admin(&[], data.path()).await;
    assert_eq!(none.status.code(), Some(1), "{none:?}");
    assert!(none.stderr.contains("no admin key"), "{none:?}");
    std::fs::write(data.path().join("admin.key"), "of-the-folder\n").unwrap();
    for (settings, expected) in [
        (&[][..], "of-the-folder\n"),
        (&[("API_KEY", "first,second")][..], "first\n"),
        (&[("API_KEY", "off")][..], "of-the-folder\n"),
        (
            &[("API_KEY", "first"), ("ADMIN_KEY", "given")][..],
            "given\n",
        ),
    ] {
        let shown = admin(settings, data.path()).await;
        assert_eq!(
            (shown.status.code(), shown.stdout.as_str()),
            (Some(0), expected),
            "{settings:?}"
        );
    }
}
