//! `llm2api restore`: what a backup holds, in the place of what is there.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use llm2api_core::{
    config::{SecretKeySource, StoreConfig},
    maintenance::{self, Contents},
};
use serde_json::json;

use super::{
    archive::{self, Unpacked, temporary_beside},
    failure, on_a_runtime,
};
use crate::{admin_key, cli::RestoreOptions, config::Configuration, data_dir};

/// What was done.
struct Restored {
    contents: Contents,
    database: PathBuf,
    /// What was there before, where it is now.
    kept: Vec<PathBuf>,
}

/// Restores the backup.
pub(super) fn run(options: &RestoreOptions, configuration: &Configuration, json: bool) -> ExitCode {
    match restore(options, configuration) {
        Ok(restored) => {
            let text = if json {
                as_json(&restored)
            } else {
                as_text(&restored)
            };
            // A reader that went away has seen enough.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => failure(&error),
    }
}

fn restore(options: &RestoreOptions, configuration: &Configuration) -> anyhow::Result<Restored> {
    let _folders = data_dir::lock_all(configuration)?;
    let store = configuration.store();
    let has_database = fs::metadata(&store.file).is_ok_and(|metadata| metadata.len() > 0);
    if has_database && !options.force {
        bail!(
            "{} is there already; --force puts it aside and the backup in its place",
            store.file.display()
        );
    }
    // In the same folder, so that it can be moved to its place.
    let unpacked = archive::unpack(&options.file, temporary_beside(&store.file, ".restore"))?;
    let (contents, mut kept) = on_a_runtime(replace(&unpacked, &store))?;
    if let Some(new) = unpacked.file(archive::ADMIN_KEY) {
        kept.extend(put_admin_key(&new, &configuration.settings.data_dir)?);
    }
    Ok(Restored {
        contents,
        database: store.file,
        kept,
    })
}

async fn replace(
    unpacked: &Unpacked,
    store: &StoreConfig,
) -> anyhow::Result<(Contents, Vec<PathBuf>)> {
    let database = unpacked
        .file(archive::DATABASE)
        .context("the backup has no database")?;
    // SECRET_KEY is what the next start will read it with; a file comes along.
    let key = match (&store.secret_key, unpacked.file(archive::SECRET_KEY)) {
        (SecretKeySource::File(_), Some(inside)) => SecretKeySource::File(inside),
        (own, _) => own.clone(),
    };
    let contents = maintenance::read_through(&database, &key)
        .await
        .context("the backup can't be used, nothing was changed")?;
    let kept = maintenance::replace(store, &database, Some(&contents.key)).await?;
    let kept = kept.database.into_iter().chain(kept.key_file).collect();
    Ok((contents, kept))
}

/// Puts the admin key in its place. Where the former one is now, if it was another.
fn put_admin_key(new: &Path, data_dir: &Path) -> anyhow::Result<Option<PathBuf>> {
    let place = admin_key::path(data_dir);
    let explain = || format!("can't replace {}", place.display());
    let mut kept = None;
    if place.exists() {
        if fs::read(&place).with_context(explain)? == fs::read(new).with_context(explain)? {
            return Ok(None);
        }
        let aside = place.with_extension("key.before-restore");
        fs::rename(&place, &aside).with_context(explain)?;
        kept = Some(aside);
    }
    // It may lie in another file system.
    let key = fs::read(new).with_context(explain)?;
    let unfinished = temporary_beside(&place, "");
    let written = archive::make(&unfinished.0).and_then(|mut file| {
        file.write_all(&key)?;
        file.sync_all()?;
        fs::rename(&unfinished.0, &place)
    });
    written.with_context(explain)?;
    Ok(kept)
}

fn as_json(restored: &Restored) -> String {
    let kept: Vec<_> = restored
        .kept
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let text = json!({
        "database": restored.database.display().to_string(),
        "version": restored.contents.version,
        "cookies": restored.contents.credential_count,
        "kept": kept,
    });
    format!("{text:#}\n")
}

fn as_text(restored: &Restored) -> String {
    let mut text = format!(
        "{}: {} cookies and keys, database version {}\n",
        restored.database.display(),
        restored.contents.credential_count,
        restored.contents.version,
    );
    for path in &restored.kept {
        text.push_str(&format!("What was there is in {}\n", path.display()));
    }
    text
}
