//! Moving from other programs, as docs/migrate.md says.

use std::{fs, path::Path};

use llm2api_test_support::command::{python, run, run_well};
use tempfile::TempDir;
use tokio::process::Command;

use crate::stage::binary;

/// Makes a database as one-api has it, in the columns that matter.
const DATABASE: &str = r#"
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("CREATE TABLE channels (id INTEGER, type INTEGER, key TEXT, status INTEGER, name TEXT, weight INTEGER, "
    "base_url TEXT, models TEXT, model_mapping TEXT, priority INTEGER)")
database.executemany("INSERT INTO channels VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [
    (1, 1, "sk-one", 1, "OpenAI 官方", 0, "", "gpt-4o,gpt-4o-mini", "", 0),
    (2, 8, "sk-two\nsk-three", 1, "My vLLM", 5, "http://10.0.0.5:8000", "gpt-4o,qwen3", '{"gpt-4o": "qwen3"}', 10),
    (3, 1, "sk-off", 2, "off", 0, "", "gpt-4o", "", 0),
    (4, 14, "sk-other", 1, "Other", 0, "", "claude", "", 0),
    (5, 1, "sk-last", 1, "my vllm", 0, "https://b.example/v1", "", None, None),
])
database.commit()
"#;

const FILE: &str = r#"[[upstreams]]
name = "openai"
kind = "openai"
url = "https://api.openai.com"
api_key = "sk-one"
models = ["gpt-4o", "gpt-4o-mini"]

[[upstreams]]
name = "my-vllm"
kind = "openai"
url = "http://10.0.0.5:8000"
cookies = ["sk-two", "sk-three"]
models = ["qwen3"]
aliases = { "gpt-4o" = "qwen3" }
priority = -10
weight = 5

[[upstreams]]
name = "my-vllm-2"
kind = "openai"
url = "https://b.example/v1"
api_key = "sk-last"

"#;

#[tokio::test]
async fn channels_of_one_api_become_upstreams() {
    let folder = TempDir::new().unwrap();
    let database = folder.path().join("one-api.db");
    run_well(python().args(["-c", DATABASE]).arg(&database)).await;
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/channels.py");
    let written = run(python().arg(tool).arg(&database)).await;
    assert!(written.status.success(), "{written:?}");
    assert_eq!(written.stdout, FILE);
    assert_eq!(
        written.stderr,
        "channel 4 (Other) is left out: it has no base_url; find out the address of channel type 14, and add it by hand\n"
    );
    let file = folder.path().join("llm2api.toml");
    fs::write(&file, written.stdout).unwrap();
    let config = run_well(
        Command::new(binary())
            .args(["config", "--config"])
            .arg(&file)
            .env_clear(),
    )
    .await;
    assert!(config.contains("CONFIG"), "{config}");
}
