//! `llm2api backup`: all that is kept, in one file.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context, bail};
use llm2api_core::{
    config::SecretKeySource,
    maintenance::{self, Contents},
};
use secrecy::ExposeSecret;
use serde_json::json;

use super::{
    archive::{self, Writer, temporary_beside},
    failure, on_a_runtime,
};
use crate::{admin_key, cli::BackupOptions, config::Configuration};

/// Whether a backup can be read by whoever has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// The secret key is in it.
    Inside,
    /// It was left out.
    LeftOut,
    /// It is a setting, not a file.
    Setting,
}

/// Writes the backup.
pub(super) fn run(options: &BackupOptions, configuration: &Configuration, json: bool) -> ExitCode {
    match back_up(options, configuration) {
        Ok((contents, key, size)) => {
            let text = if json {
                as_json(&options.file, &contents, key, size)
            } else {
                as_text(&options.file, &contents, key, configuration)
            };
            // A reader that went away has seen enough.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => failure(&error),
    }
}

fn back_up(
    options: &BackupOptions,
    configuration: &Configuration,
) -> anyhow::Result<(Contents, Key, u64)> {
    let store = configuration.store();
    if !store.file.exists() {
        bail!(
            "{} isn't there; there is nothing to back up",
            store.file.display()
        );
    }
    let mut writer = Writer::begin(&options.file)?;
    let copy = temporary_beside(&options.file, ".db");
    let contents = on_a_runtime(async { Ok(maintenance::copy_database(&store, &copy.0).await?) })?;
    let database = File::open(&copy.0).context("can't read the copy of the database")?;
    let size = database.metadata()?.len();
    writer.add(archive::DATABASE, size, database)?;

    let key = match store.secret_key {
        _ if options.without_key => Key::LeftOut,
        SecretKeySource::Given(_) => Key::Setting,
        SecretKeySource::File(_) => {
            let text = contents.key.to_base64();
            let text = text.expose_secret().as_bytes();
            writer.add(archive::SECRET_KEY, text.len() as u64, text)?;
            Key::Inside
        }
    };
    let admin_key = admin_key::path(&configuration.settings.data_dir);
    if !options.without_key && admin_key.exists() {
        let text =
            fs::read(&admin_key).with_context(|| format!("can't read {}", admin_key.display()))?;
        writer.add(archive::ADMIN_KEY, text.len() as u64, text.as_slice())?;
    }
    let size = writer.finish()?;
    Ok((contents, key, size))
}

fn as_json(file: &Path, contents: &Contents, key: Key, size_bytes: u64) -> String {
    let text = json!({
        "file": file.display().to_string(),
        "size_bytes": size_bytes,
        "version": contents.version,
        "cookies": contents.credential_count,
        "key": match key {
            Key::Inside => "inside",
            Key::LeftOut => "left_out",
            Key::Setting => "setting",
        },
    });
    format!("{text:#}\n")
}

fn as_text(file: &Path, contents: &Contents, key: Key, configuration: &Configuration) -> String {
    let about_key = match key {
        Key::Inside => {
            "The secret key is inside: whoever has the file has the cookies and keys in it.".to_owned()
        }
        Key::LeftOut => {
            let place = match configuration.store().secret_key {
                SecretKeySource::File(path) => path.display().to_string(),
                SecretKeySource::Given(_) => "SECRET_KEY".to_owned(),
            };
            format!("The secret key is not inside: keep {place} apart, the file is worth nothing without it.")
        }
        Key::Setting => {
            "The secret key is not inside: keep SECRET_KEY apart, the file is worth nothing without it.".to_owned()
        }
    };
    format!(
        "{}: {} cookies and keys, database version {}\n{about_key}\n",
        file.display(),
        contents.credential_count,
        contents.version,
    )
}
