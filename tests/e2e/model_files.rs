//! `llm2api model`: files that come into `DATA_DIR`, whole and checked or not at all.

mod download;
mod file_server;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use bytes::Bytes;
use llm2api_test_support::command::{Output, run};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::stage::binary;

/// A folder to add models to.
struct DataDir(TempDir);

impl DataDir {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Where a model's file is.
    fn model(&self, name: &str) -> PathBuf {
        self.path().join("models").join(name)
    }

    /// What lies in the folder of models, hidden files too, by name.
    fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path().join("models")) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// `llm2api model` with these arguments.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .arg("model")
            .args(arguments)
            .env_clear()
            .env("DATA_DIR", self.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        run(&mut self.command(arguments)).await
    }

    /// Runs what must succeed, and reads its output.
    async fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--json"]].concat();
        let output = self.run(&arguments).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        serde_json::from_str(&output.stdout).unwrap()
    }

    /// Runs what must fail with one line, and gives that back.
    async fn failure(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(output.stdout, "");
        let lines: Vec<&str> = output.stderr.lines().collect();
        lines.last().expect("it says why").to_string()
    }
}

/// A model's file, as far as it is looked at before its weights are; another number makes another file.
fn model(number: u8) -> Bytes {
    gguf("llama", number)
}

/// A GGUF file of this architecture, of [`SIZE`] bytes.
fn gguf(architecture: &str, number: u8) -> Bytes {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let entry = |key: &str, kind: u32, value: &[u8]| {
        [&text(key), kind.to_le_bytes().as_slice(), value].concat()
    };
    // The numbers of the format's types.
    let (count, string, list) = (10_u32, 8_u32, 9_u32);
    let counts = [
        ("llama.block_count", 2_u64),
        ("llama.context_length", 512),
        ("llama.embedding_length", 64),
        ("llama.feed_forward_length", 96),
        ("llama.attention.head_count", 4),
    ];
    let tokens = [
        string.to_le_bytes().as_slice(),
        &1_u64.to_le_bytes(),
        &text("a"),
    ]
    .concat();
    let mut entries = vec![
        entry("general.architecture", string, &text(architecture)),
        entry("tokenizer.ggml.tokens", list, &tokens),
        entry("tokenizer.chat_template", string, &text("")),
    ];
    entries.extend(counts.map(|(key, number)| entry(key, count, &number.to_le_bytes())));
    let mut file = b"GGUF\x03\0\0\0".to_vec();
    file.extend(0_u64.to_le_bytes());
    file.extend((entries.len() as u64).to_le_bytes());
    file.extend(entries.concat());
    let filled = file.len();
    file.extend((filled..SIZE).map(|at| (at % 251) as u8 ^ number));
    file.into()
}

/// The size of the tests' files.
const SIZE: usize = 300_008;

/// What coreutils' `sha256sum` says of it.
const SHA256_OF_MODEL_0: &str = "c566589ef13b1685768401aa7b53a5b343d6abdb7b13f422764b766f98de3bdc";

#[tokio::test]
async fn a_file_is_copied_and_listed() {
    let data = DataDir::new();
    assert_eq!(
        data.json(&["list"]).await,
        json!({"folder": data.path().join("models"), "local_model": null, "models": []})
    );
    let source = data.path().join("Tiny.Q4_1.gguf");
    fs::write(&source, model(0)).unwrap();
    let source = source.to_str().unwrap();
    let path = data.model("Tiny.Q4_1.gguf");
    let mut added = json!({
        "id": "tiny.q4_1",
        "path": path,
        "size_bytes": 300_008,
        "sha256": SHA256_OF_MODEL_0,
        "added": true,
    });
    assert_eq!(data.json(&["add", source]).await, added);
    assert_eq!(fs::read(&path).unwrap(), model(0));
    assert_eq!(data.names(), ["Tiny.Q4_1.gguf"]);

    // What is done with the file that was given is done to that alone.
    fs::write(source, "").unwrap();
    assert_eq!(fs::read(&path).unwrap(), model(0));

    added["added"] = json!(false);
    let again = path.to_str().unwrap();
    assert_eq!(data.json(&["add", again]).await, added);

    let mut listed = data.json(&["list"]).await;
    let modified_at = listed["models"][0]["modified_at"].take();
    assert!(modified_at.as_u64().unwrap() > 1_700_000_000);
    assert_eq!(
        listed["models"],
        json!([{
            "id": "tiny.q4_1",
            "path": path,
            "size_bytes": 300_008,
            "modified_at": null,
            "default": true,
        }])
    );
}

#[tokio::test]
async fn the_one_that_was_added_last_is_the_default() {
    let data = DataDir::new();
    let source = data.path().join("b.gguf");
    fs::write(&source, model(0)).unwrap();
    let source = source.to_str().unwrap();
    for name in ["b", "a"] {
        data.json(&["add", source, "--name", name]).await;
    }
    let output = data.run(&["list"]).await;
    let folder = data.path().join("models").display().to_string();
    assert_eq!(
        output.stdout,
        format!(
            "a  300.0 kB  default  {folder}/a.gguf\n\
             b  300.0 kB           {folder}/b.gguf\n"
        )
    );
}

#[tokio::test]
async fn the_one_that_local_model_names_is_the_default_wherever_it_is() {
    let data = DataDir::new();
    let outside = data.path().join("outside.bin");
    fs::write(&outside, model(0)).unwrap();
    let outside = outside.to_str().unwrap();
    data.json(&["add", outside, "--name", "inside"]).await;
    let inside = data.model("inside.gguf");
    for (named, expected) in [
        (
            outside,
            [("inside", false), ("outside.bin", true)].as_slice(),
        ),
        (inside.to_str().unwrap(), &[("inside", true)]),
    ] {
        let mut command = data.command(&["list", "--json"]);
        let output = run(command.env("LOCAL_MODEL", named)).await;
        let listed: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(listed["local_model"], named);
        let models: Vec<_> = listed["models"]
            .as_array()
            .unwrap()
            .iter()
            .map(|model| (model["id"].as_str().unwrap(), model["default"] == true))
            .collect();
        assert_eq!(models, expected);
    }
}

#[tokio::test]
async fn a_file_that_is_no_model_is_refused() {
    let data = DataDir::new();
    let source = data.path().join("a.gguf");
    for content in [&b"PK\x03\x04 and so on"[..], b"GGU", b""] {
        fs::write(&source, content).unwrap();
        let line = data.failure(&["add", source.to_str().unwrap()]).await;
        assert_eq!(
            line,
            format!("llm2api: {} is not a GGUF file", source.display())
        );
        assert_eq!(data.names(), [""; 0]);
    }
}

#[tokio::test]
async fn a_model_that_cannot_be_computed_here_is_refused() {
    let data = DataDir::new();
    let source = data.path().join("a.gguf");
    let template = Bytes::from_static(b"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    for (content, problem) in [
        (
            gguf("mamba", 0),
            "needs architecture mamba, which is not supported",
        ),
        (template, "has no usable general.architecture"),
        (model(0).slice(..100), "is damaged: it ends too early"),
    ] {
        fs::write(&source, content).unwrap();
        let line = data.failure(&["add", source.to_str().unwrap()]).await;
        assert_eq!(line, format!("llm2api: {} {problem}", source.display()));
        assert_eq!(data.names(), [""; 0]);
    }
}

#[tokio::test]
async fn a_file_of_another_checksum_changes_nothing() {
    let data = DataDir::new();
    let source = data.path().join("a.gguf");
    fs::write(&source, model(1)).unwrap();
    let source = source.to_str().unwrap();
    data.json(&["add", source]).await;
    fs::write(source, model(0)).unwrap();
    let expected = "0".repeat(64);
    let line = data.failure(&["add", source, "--sha256", &expected]).await;
    assert_eq!(
        line,
        format!(
            "llm2api: {source} has the SHA-256 {SHA256_OF_MODEL_0}, and not {expected}; nothing was changed"
        )
    );
    assert_eq!(data.names(), ["a.gguf"]);
    assert_eq!(fs::read(data.model("a.gguf")).unwrap(), model(1));

    // And one of the right checksum replaces what was there.
    data.json(&["add", source, "--sha256", SHA256_OF_MODEL_0])
        .await;
    assert_eq!(fs::read(data.model("a.gguf")).unwrap(), model(0));
}

#[tokio::test]
async fn a_wrong_command_line_says_what_is_wrong() {
    let data = DataDir::new();
    for (arguments, named) in [
        (&["add"][..], "FILE-or-URL"),
        (&["add", "ftp://example.org/a.gguf"], "http://"),
        (&["add", "a.gguf", "--sha256", "abc"], "--sha256"),
        (&["add", "a.gguf", "--name", "../a"], "--name"),
        (&["add", "https://example.org/a.zip"], "--name"),
        (&["bring"], "bring"),
    ] {
        let output = data.run(arguments).await;
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {output:?}");
        assert!(output.stderr.contains(named), "{output:?}");
    }
    assert_eq!(data.names(), [""; 0]);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named_with_what_to_run() {
    let data = DataDir::new();
    let source = data.path().join("a.gguf");
    fs::write(&source, model(0)).unwrap();
    // Root may write everywhere but below a file.
    let folder = source.join("data");
    let mut command = data.command(&["add", source.to_str().unwrap()]);
    let output = run(command.env("DATA_DIR", &folder)).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let shown = folder.display();
    for part in [
        format!("llm2api: the folder {shown} is not writable: "),
        format!("run `mkdir -p {shown} && chown -R "),
        "or set DATA_DIR\n".to_owned(),
    ] {
        assert!(output.stderr.contains(&part), "{part}: {output:?}");
    }
}
