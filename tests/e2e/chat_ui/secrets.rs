//! No value of a cookie is in clear anywhere but in the memory of the core, and on its way to its upstream.

use std::{fs, path::Path};

use llm2api_test_support::{
    Answer, Deployment, Request, ScriptedChatUi,
    llm2api::ADMIN_KEY,
    scripted_chat_ui::{Family, Reply, Session, Setup},
};
use serde_json::json;

use super::{Stage, cookies};
use crate::stage::{MODEL, instance};

both_deployments! {
    no_value_of_a_cookie_is_in_files_logs_errors_or_pages,
}

const CONFIGURED: &str = "0f9c2d6e-aaaa-4222-8333-444455556666";
const ADDED: &str = "1e8d3c5f-bbbb-4222-8333-444455557777";
const REJECTED: &str = "2d7e4b40-cccc-4222-8333-444455558888";
const BESIDE: &str = "a-token-that-goes-along-9f8e7d6c";

/// All files below a folder.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            // The test's own file has what the test gave.
            false
                if path
                    .extension()
                    .is_some_and(|extension| extension == "toml") => {}
            false => found.push((path.display().to_string(), fs::read(&path).unwrap())),
        }
    }
    found
}

#[track_caller]
fn assert_clean(place: &str, bytes: &[u8]) {
    for secret in [CONFIGURED, ADDED, REJECTED, BESIDE] {
        let is_there = bytes
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(!is_there, "{secret} is in {place}");
    }
}

#[track_caller]
fn assert_answer_clean(what: &str, answer: &Answer) {
    assert_clean(what, &answer.body);
    assert_clean(what, format!("{answer:?}").as_bytes());
}

async fn no_value_of_a_cookie_is_in_files_logs_errors_or_pages(deployment: Deployment) {
    let setup = Setup {
        has_login: true,
        ..Setup::new(Family::New, MODEL)
    };
    let site = ScriptedChatUi::start(setup).await;
    for session in [CONFIGURED, ADDED] {
        site.session(session, Session::Valid);
    }
    let keys = format!("cookies = [\"hf-chat={CONFIGURED}; token={BESIDE}\"]");
    let stage = Stage::at(site, instance(deployment).setting("LOG", "trace"), &keys).await;

    let added = format!("hf-chat={ADDED}; token={BESIDE}");
    for (cookie, status) in [
        (added.as_str(), 200),
        (added.as_str(), 200),
        (REJECTED, 400),
    ] {
        let body = json!({"cookie": cookie, "label": "mine"}).to_string();
        let request = Request::post_json("/cookie/add", body);
        let answer = stage.instance.administer(request).await;
        assert_eq!(answer.status, status);
        assert_answer_clean("the answer to an addition", &answer);
    }
    // Answers, limits, errors that repeat what they were sent, deaths.
    let echo = format!("500 session {ADDED} of {CONFIGURED} with {BESIDE} failed");
    let refusal = json!({"message": format!("{CONFIGURED} and {ADDED}: {BESIDE}")});
    for reply in [
        Reply::text(&["Hello"]),
        Reply::started().error(&echo, Some(500)),
        Reply::refusal(400, "application/json", refusal.to_string()),
        Reply::started().token("Hel").close(),
    ] {
        stage.site.answer(reply);
        for stream in [true, false] {
            for _ in 0..2 {
                let answer = stage.say_hello(stream).await;
                assert_answer_clean("an answer", &answer);
            }
        }
    }
    for session in [CONFIGURED, ADDED] {
        stage.site.session(session, Session::Expired);
    }
    let answer = stage.say_hello(true).await;
    assert_answer_clean("an answer of nobody", &answer);
    for path in [
        "/",
        "/cookie",
        "/cookies",
        "/upstreams",
        "/openapi.json",
        "/readyz?deep=1",
        "/v1/models",
        "/nowhere",
    ] {
        let answer = stage.instance.administer(Request::get(path)).await;
        assert_answer_clean(path, &answer);
    }
    let shown = cookies(&stage.instance).await;
    let previews: Vec<_> = shown.iter().map(|cookie| &cookie["preview"]).collect();
    assert_eq!(previews, ["hf-chat=…6666", "hf-chat=…7777"]);

    assert_clean("the log", stage.instance.log().as_bytes());
    assert!(!stage.instance.log().contains(ADMIN_KEY), "nor is the key");
    // Ended, so that whatever it holds back is not written at its end.
    let killed = stage.instance.kill().await;
    let files = files(killed.data_dir());
    assert!(
        files.iter().any(|(path, _)| path.ends_with(".db")),
        "{files:?}"
    );
    for (path, bytes) in files {
        assert_clean(&path, &bytes);
    }
}
