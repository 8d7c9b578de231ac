//! On the command line, with an instance and with nothing but files.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Stdio};

use llm2api_test_support::{
    Deployment, Llm2Api,
    command::{Output, run},
    llm2api::ADMIN_KEY,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::{refuses_clients, serves_clients, upstream};
use crate::stage::{binary, instance};

/// Runs `llm2api auth` with this standard input, where there is an instance as its operator.
async fn auth(
    folder: &Path,
    instance: Option<&Llm2Api>,
    arguments: &[&str],
    input: &str,
) -> Output {
    let file = folder.join("input");
    fs::write(&file, input).unwrap();
    let mut command = Command::new(binary());
    command
        .arg("auth")
        .args(arguments)
        .env_clear()
        .current_dir(folder);
    if let Some(instance) = instance {
        command
            .env("LLM2API_URL", format!("http://{}", instance.grpc()))
            .env("ADMIN_KEY", ADMIN_KEY);
    }
    command
        .stdin(Stdio::from(fs::File::open(&file).unwrap()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    run(&mut command).await
}

async fn well(
    folder: &Path,
    instance: Option<&Llm2Api>,
    arguments: &[&str],
    input: &str,
) -> String {
    let output = auth(folder, instance, arguments, input).await;
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    output.stdout
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_codes_are_made_and_verified_without_an_instance_and_open_one() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    let public = well(at, None, &["keygen", "private.pem"], "").await;
    fs::write(at.join("public.pem"), &public).unwrap();
    assert!(
        public.starts_with("-----BEGIN PUBLIC KEY-----\n"),
        "{public}"
    );
    let mode = fs::metadata(at.join("private.pem"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = auth(at, None, &["keygen", "private.pem"], "").await;
    assert_eq!(again.status.code(), Some(1), "{again:?}");

    let issue = [
        "issue",
        "Büro",
        "--key",
        "private.pem",
        "--days",
        "2",
        "--tokens-per-day",
        "1000000",
    ];
    let code = well(at, None, &issue, "").await;
    let verify = ["verify", "--public-key", "public.pem", "--json"];
    let told: Value = serde_json::from_str(&well(at, None, &verify, &code).await).unwrap();
    assert_eq!(told["subject"], "Büro");
    assert_eq!(told["limits"], json!({"tokens_per_day": 1000000}));
    let lifetime = told["expires_at"].as_i64().unwrap() - told["not_before"].as_i64().unwrap();
    assert_eq!(lifetime, 2 * 24 * 3600);

    let early = [
        "issue",
        "early",
        "--key",
        "private.pem",
        "--not-before",
        "4000000000",
    ];
    let early = well(at, None, &early, "").await;
    well(at, None, &["keygen", "other.pem"], "").await;
    let foreign = well(at, None, &["issue", "foreign", "--key", "other.pem"], "").await;
    for (code, reason) in [
        (&early, "not_yet_valid"),
        (&foreign, "wrong_signature"),
        (&"x".to_owned(), "malformed"),
    ] {
        let verdict = auth(at, None, &["verify", "--public-key", "public.pem"], code).await;
        assert_eq!(
            (verdict.status.code(), verdict.stdout),
            (Some(1), format!("not good: {reason}\n"))
        );
    }

    let upstream = upstream().await;
    let start = async |code: &str| {
        let instance = instance(Deployment::Serve)
            .setting("UPSTREAM_URL", &upstream.url())
            .setting("AUTH_CODE", code)
            .setting("AUTH_PUBLIC_KEY", at.join("public.pem").to_str().unwrap());
        instance.start().await
    };
    let opened = start(code.trim()).await;
    serves_clients(&opened).await;
    let closed = start(foreign.trim()).await;
    refuses_clients(&closed).await;
    let shown = auth(at, Some(&closed), &["show"], "").await;
    assert_eq!(shown.status.code(), Some(1), "{shown:?}");
    assert!(
        shown
            .stdout
            .starts_with("state      invalid\nreason     wrong_signature\n"),
        "{shown:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_of_an_instance_are_issued_verified_listed_and_revoked() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    let instance = instance(Deployment::Serve).start().await;
    let instance = Some(&instance);
    let issued = auth(
        at,
        instance,
        &[
            "issue",
            "tester",
            "--requests-per-minute",
            "9",
            "--no-web-search",
        ],
        "",
    )
    .await;
    assert_eq!(issued.status.code(), Some(0), "{issued:?}");
    assert!(
        issued.stderr.contains(" to tester, good until "),
        "{issued:?}"
    );
    let code = issued.stdout;

    let list = well(at, instance, &["list", "--json"], "").await;
    let list: Value = serde_json::from_str(&list).unwrap();
    let id = list["data"][1]["id"].as_str().unwrap().to_owned();
    assert_eq!(list["data"][1]["subject"], "tester");
    assert_eq!(
        list["data"][1]["limits"],
        json!({"requests_per_minute": 9, "web_search": false})
    );
    let table = well(at, instance, &["list"], "").await;
    assert!(
        table.contains("9 requests a minute, no web search"),
        "{table}"
    );

    let good = well(at, instance, &["verify"], &code).await;
    assert!(
        good.starts_with(&format!("good: {id}, to tester, until ")),
        "{good}"
    );
    let revoked = well(at, instance, &["revoke", &id], "").await;
    assert_eq!(revoked, format!("{id} revoked\n"));
    let bad = auth(at, instance, &["verify"], &code).await;
    assert_eq!(
        (bad.status.code(), bad.stdout.as_str()),
        (Some(1), "not good: not_active\n")
    );
    let undone = well(at, instance, &["revoke", &id, "--undo"], "").await;
    assert_eq!(undone, format!("{id} good again\n"));
    well(at, instance, &["verify", code.trim()], "").await;
    let unknown = auth(at, instance, &["revoke", "ac_0"], "").await;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(unknown.stderr.contains("(code_not_found)"), "{unknown:?}");

    let shown = well(at, instance, &["show", "--json"], "").await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (&shown["state"], &shown["authority"]),
        (&json!("valid"), &json!("own"))
    );
}
