//! `llm2api secret`: what encrypts credentials at rest.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::bail;
use llm2api_core::{
    config::SecretKeySource,
    maintenance::{self, Contents},
};
use serde_json::json;

use super::{failure, on_a_runtime, usage};
use crate::{
    cli::{RotateOptions, SecretCommand},
    config::{Configuration, Problem},
    data_dir,
};

/// Runs a subcommand.
pub(super) fn run(command: &SecretCommand, configuration: &Configuration, json: bool) -> ExitCode {
    let SecretCommand::Rotate(options) = command;
    let key_file = match (configuration.store().secret_key, &options.new_key_file) {
        (SecretKeySource::File(path), None) => path,
        (SecretKeySource::Given(_), Some(path)) => path.clone(),
        (SecretKeySource::Given(_), None) => {
            return usage(&[Problem::new(
                "SECRET_KEY",
                "gives the key: say by --new-key-file FILE where the new one shall go",
            )]);
        }
        (SecretKeySource::File(path), Some(_)) => {
            return usage(&[Problem::new(
                "--new-key-file",
                format!(
                    "is for where SECRET_KEY gives the key; the new one goes to {}",
                    path.display()
                ),
            )]);
        }
    };
    match rotate(options, configuration) {
        Ok(contents) => {
            let text = if json {
                as_json(&contents, &key_file)
            } else {
                as_text(&contents, &key_file, options.new_key_file.is_some())
            };
            // A reader that went away has seen enough.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => failure(&error),
    }
}

fn rotate(options: &RotateOptions, configuration: &Configuration) -> anyhow::Result<Contents> {
    let _folders = data_dir::lock_all(configuration)?;
    let store = configuration.store();
    if !store.file.exists() {
        bail!(
            "{} isn't there; there is nothing to encrypt",
            store.file.display()
        );
    }
    on_a_runtime(async {
        Ok(maintenance::rotate_key(&store, options.new_key_file.as_deref()).await?)
    })
}

fn as_json(contents: &Contents, key_file: &Path) -> String {
    let text = json!({
        "cookies": contents.credential_count,
        "key_file": key_file.display().to_string(),
    });
    format!("{text:#}\n")
}

fn as_text(contents: &Contents, key_file: &Path, is_to_be_set: bool) -> String {
    let mut text = format!(
        "{} cookies and keys are encrypted with a new key, in {}\n",
        contents.credential_count,
        key_file.display()
    );
    if is_to_be_set {
        text.push_str("Set SECRET_KEY to it before the next start.\n");
    }
    text.push_str("Backups and copies made before need the old key.\n");
    text
}
