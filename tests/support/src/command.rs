//! Other programs that tests run: interpreters and tools.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::process::Command;

/// How long a program may run: the SDKs wait between their own retries.
const LONGEST_RUN: Duration = Duration::from_secs(100);

/// The folder with the Python environment and the Node modules that `make test` installs.
///
/// # Panics
///
/// When it isn't told, or isn't there.
#[must_use]
pub fn tools() -> PathBuf {
    let folder = std::env::var_os("LLM2API_TEST_TOOLS").map(PathBuf::from);
    let folder = folder.expect(
        "LLM2API_TEST_TOOLS is not set: run the tests by `make test`, which installs the tools",
    );
    assert!(
        folder.join("venv/bin/python").exists() && folder.join("node_modules").exists(),
        "{} lacks the tools: run the tests by `make test`, which installs them",
        folder.display()
    );
    folder
}

/// Python with the packages of tests/requirements.txt.
#[must_use]
pub fn python() -> Command {
    program(&tools().join("venv/bin/python"))
}

/// Node. Scripts find the modules of tests/package.json in the folder that `LLM2API_TEST_TOOLS` names.
#[must_use]
pub fn node() -> Command {
    program(Path::new("node"))
}

/// The real grpcurl.
#[must_use]
pub fn grpcurl() -> Command {
    program(&tools().join("venv/bin/grpcurl"))
}

fn program(path: &Path) -> Command {
    let mut command = Command::new(path);
    command
        .env("LLM2API_TEST_TOOLS", tools())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// What a program wrote and how it ended.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to its output.
    pub stdout: String,
    /// What it wrote to its error output.
    pub stderr: String,
}

/// Runs a program to its end.
///
/// # Panics
///
/// When it can't be started or does not end.
pub async fn run(command: &mut Command) -> Output {
    let output = tokio::time::timeout(LONGEST_RUN, command.output());
    let output = match output.await {
        Ok(output) => output.unwrap_or_else(|error| panic!("{error} when starting {command:?}")),
        Err(_) => panic!("{command:?} ran longer than {LONGEST_RUN:?}"),
    };
    Output {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs a program that must succeed, and gives back what it wrote.
///
/// # Panics
///
/// As [`run`], and when it fails.
pub async fn run_well(command: &mut Command) -> String {
    let output = run(command).await;
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{}\n{}",
        output.status,
        output.stdout,
        output.stderr
    );
    output.stdout
}
