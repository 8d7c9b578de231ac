//! What the pages show: it is what docs/examples holds, and it runs.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use llm2api_test_support::{
    Deployment, ScriptedUpstream,
    command::{self, node, python, run_well},
    sse,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::{
    canned, local_model,
    stage::{binary, instance},
};

/// The model that the examples ask for, and the pieces of its answer.
const MODEL: &str = "gpt-4o-mini";
const PIECES: [&str; 3] = ["Hello! ", "Bonjour! ", "你好!"];

#[test]
fn the_pages_show_every_example_as_it_is() {
    let mut names: Vec<String> = fs::read_dir(root().join("docs/examples"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    for name in names {
        let code = example(&name);
        let (pages, language): (&[&str], &str) = match name.rsplit_once('.').unwrap().1 {
            "conf" => (&["docs/reverse-proxy.md"], "nginx"),
            "mjs" => (&["README.md", "README.zh-CN.md"], "js"),
            "py" => (&["README.md", "README.zh-CN.md"], "python"),
            other => (&["README.md", "README.zh-CN.md"], other),
        };
        for page in pages {
            let text = fs::read_to_string(root().join(page)).unwrap();
            let shown = format!("```{language}\n{code}```\n");
            assert!(
                text.contains(&shown) && text.contains(&format!("docs/examples/{name}")),
                "{page} does not show docs/examples/{name} as it is"
            );
        }
    }
}

#[tokio::test]
async fn the_examples_of_files_are_understood() {
    for name in ["llm2api.toml", "sessions.toml"] {
        let data = TempDir::new().unwrap();
        run_well(
            Command::new(binary())
                .args(["config", "--config"])
                .arg(root().join("docs/examples").join(name))
                .env_clear()
                .env("DATA_DIR", data.path()),
        )
        .await;
    }
}

both_deployments!(the_examples_run, the_first_answer_is_the_one_that_is_shown);

async fn the_examples_run(deployment: Deployment) {
    let upstream = ScriptedUpstream::start(&[MODEL]).await;
    upstream.answer(MODEL, canned::stream_text(&PIECES));
    let instance = instance(deployment)
        .setting("UPSTREAM_URL", &upstream.url())
        .start()
        .await;
    let folder = TempDir::new().unwrap();
    // Node looks for modules beside the script.
    std::os::unix::fs::symlink(
        command::tools().join("node_modules"),
        folder.path().join("node_modules"),
    )
    .unwrap();
    // Example, address and port apart, as it is shown.
    let here = |name: &str| {
        let code = example(name)
            .replace("127.0.0.1:9999", &instance.http().to_string())
            .replace("127.0.0.1:50051", &instance.grpc().to_string());
        let file = folder.path().join(name);
        fs::write(&file, code).unwrap();
        file
    };
    let text = PIECES.concat();

    let answer = run_well(&mut shell(&here("answer.sh"))).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["choices"][0]["message"]["content"], text.as_str());

    let stream = run_well(&mut shell(&here("stream.sh"))).await;
    assert!(sse::events(stream.as_bytes()).ends_with(&["[DONE]"]));
    let choices = canned::choices(stream.as_bytes());
    assert_eq!(canned::content(&choices, 0), text);

    let messages = run_well(&mut shell(&here("grpc.sh"))).await;
    let content: String = serde_json::Deserializer::from_str(&messages)
        .into_iter::<Value>()
        .flat_map(|message| message.unwrap()["events"].as_array().unwrap().clone())
        .filter_map(|event| event["delta"]["content"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(content, text);

    let printed = run_well(python().arg(here("requests_answer.py"))).await;
    assert!(
        printed.contains(&format!("'content': '{text}'")),
        "{printed}"
    );
    for name in ["requests_stream.py", "openai_answer.py", "openai_stream.py"] {
        let printed = run_well(python().arg(here(name))).await;
        assert_eq!(printed, format!("{text}\n"), "{name}");
    }
    let printed = run_well(node().arg(here("openai_stream.mjs"))).await;
    assert_eq!(printed, format!("{text}\n"));
}

async fn the_first_answer_is_the_one_that_is_shown(deployment: Deployment) {
    let instance = instance(deployment)
        .setting("LOCAL_MODEL", &local_model::file().display().to_string())
        .start()
        .await;
    let folder = TempDir::new().unwrap();
    let script = folder.path().join("first.sh");
    let code = example("first.sh").replace("127.0.0.1:9999", &instance.http().to_string());
    fs::write(&script, code).unwrap();
    let mut answer: Value = serde_json::from_str(&run_well(&mut shell(&script)).await).unwrap();
    let text = &answer["choices"][0]["message"]["content"];
    assert!(text.as_str().unwrap().contains("Paris"), "{text}");
    for page in ["README.md", "README.zh-CN.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let after = &text[text.find(&example("first.sh")).unwrap()..];
        let shown = after.lines().find(|line| line.starts_with('{')).unwrap();
        let mut shown: Value = serde_json::from_str(shown).unwrap();
        for member in ["id", "created"] {
            answer[member] = shown[member].take();
            shown[member] = answer[member].clone();
        }
        assert_eq!(answer, shown, "{page}");
    }
}

/// A shell that runs this script and finds grpcurl.
fn shell(script: &Path) -> Command {
    let mut path = OsString::from(command::tools().join("venv/bin"));
    path.push(":");
    path.push(env::var_os("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell
        .arg("-eu")
        .arg(script)
        .env("PATH", path)
        .kill_on_drop(true);
    shell
}

fn example(name: &str) -> String {
    fs::read_to_string(root().join("docs/examples").join(name)).unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
