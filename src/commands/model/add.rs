//! `llm2api model add`: brings a model's file into `DATA_DIR`.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use serde_json::json;

use super::{
    checksum::Sha256,
    copy::copy,
    download::{client, download},
    progress::Progress,
    quantity,
    source::{FileName, Source},
    unfinished::Unfinished,
};
use crate::{
    cli::{EXIT_USAGE, ModelAddOptions},
    commands::{EXIT_INTERRUPTED, failure, on_a_runtime, unless_interrupted},
    config::Configuration,
    model_folder,
};

/// A model's file that is in its place.
struct Added {
    path: PathBuf,
    size_bytes: u64,
    checksum: Sha256,
    /// Whether it was there before, and nothing was brought.
    was_there: bool,
}

/// Brings it, and tells what came.
pub(super) fn run(
    options: &ModelAddOptions,
    configuration: &Configuration,
    json: bool,
) -> ExitCode {
    let source = &options.source;
    let Some(name) = options.name.clone().or_else(|| source.file_name()) else {
        eprintln!(
            "llm2api: {source} does not end with a name that a model can have here; give one by --name NAME"
        );
        return ExitCode::from(EXIT_USAGE);
    };
    let mut progress = Progress::of_process();
    let added = on_a_runtime(unless_interrupted(add(
        options,
        &name,
        configuration,
        &mut progress,
    )));
    progress.clear();
    match added {
        Ok(Some(added)) => {
            let text = match json {
                true => as_json(&added),
                false => as_text(&added),
            };
            // A reader that went away has the exit code.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Ok(None) => {
            eprintln!("llm2api: interrupted; the same command goes on, where the server lets it");
            ExitCode::from(EXIT_INTERRUPTED)
        }
        Err(error) => failure(&error),
    }
}

async fn add(
    options: &ModelAddOptions,
    name: &FileName,
    configuration: &Configuration,
    progress: &mut Progress,
) -> anyhow::Result<Added> {
    let settings = &configuration.settings;
    let target = model_folder::path(&settings.data_dir).join(name.as_path());
    if let Some(added) = already_there(options, &target, progress).await? {
        return Ok(added);
    }
    let mut unfinished = Unfinished::open(&settings.data_dir, name)?;
    match &options.source {
        Source::File(path) => copy(path, &mut unfinished, progress).await?,
        Source::Url(url) => {
            progress.note(&format!("downloading {}", options.source));
            download(&client(settings)?, url, &mut unfinished, progress).await?;
        }
    }
    let size_bytes = unfinished.length();
    let checksum = unfinished
        .finish(&options.source.to_string(), options.sha256, progress)
        .await?;
    Ok(Added {
        path: target,
        size_bytes,
        checksum,
        was_there: false,
    })
}

/// What is in its place already, where that is known to be what was asked for: the source itself, or a file of the checksum.
async fn already_there(
    options: &ModelAddOptions,
    target: &Path,
    progress: &mut Progress,
) -> anyhow::Result<Option<Added>> {
    let Ok(file) = File::open(target) else {
        return Ok(None);
    };
    let size_bytes = file.metadata()?.len();
    let is_source = match &options.source {
        Source::File(path) => fs::metadata(path).is_ok_and(|source| {
            file.metadata()
                .is_ok_and(|target| (source.dev(), source.ino()) == (target.dev(), target.ino()))
        }),
        Source::Url(_) => false,
    };
    if !is_source && options.sha256.is_none() {
        return Ok(None);
    }
    progress.begin("checking", 0, Some(size_bytes));
    let checksum = Sha256::of(&file, progress)
        .await
        .with_context(|| format!("can't read {}", target.display()))?;
    match options.sha256 {
        Some(expected) if checksum == expected => {}
        Some(expected) if is_source => bail!(
            "{} has the SHA-256 {checksum}, and not {expected}; nothing was changed",
            target.display()
        ),
        Some(_) => return Ok(None),
        None => {}
    }
    Ok(Some(Added {
        path: target.to_owned(),
        size_bytes,
        checksum,
        was_there: true,
    }))
}

impl Added {
    fn id(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        model_folder::model_id(&name).unwrap_or_default()
    }
}

fn as_json(added: &Added) -> String {
    let text = json!({
        "id": added.id(),
        "path": added.path.display().to_string(),
        "size_bytes": added.size_bytes,
        "sha256": added.checksum.to_string(),
        "added": !added.was_there,
    });
    format!("{text:#}\n")
}

fn as_text(added: &Added) -> String {
    let what = match added.was_there {
        true => "there already",
        false => "added",
    };
    format!(
        "{what}: {} ({}, {})\nsha256: {}\n",
        added.id(),
        quantity::size(added.size_bytes),
        added.path.display(),
        added.checksum
    )
}
