//! `llm2api model list`: which models there are.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::ExitCode,
    time::SystemTime,
};

use anyhow::Context;
use serde_json::json;

use super::quantity;
use crate::{
    commands::failure,
    config::Configuration,
    model_folder::{self, ModelFile},
};

/// Prints the models.
pub(super) fn run(configuration: &Configuration, json: bool) -> ExitCode {
    let settings = &configuration.settings;
    let folder = model_folder::path(&settings.data_dir);
    let files = model_folder::files(&settings.data_dir)
        .with_context(|| format!("can't read the folder {}", folder.display()));
    let mut files = match files {
        Ok(files) => files,
        Err(error) => return failure(&error),
    };
    let named = settings.local_model.as_deref();
    let served = named.or_else(|| Some(model_folder::newest(&files)?.path.as_path()));
    let served = served.map(Path::to_owned);
    if let Some(named) = named
        && !files.iter().any(|file| is_same(&file.path, named))
    {
        match ModelFile::at(named) {
            Ok(file) => files.push(file),
            Err(error) => eprintln!("llm2api: LOCAL_MODEL: {}: {error}", named.display()),
        }
    }
    let text = if json {
        as_json(&folder, &files, served.as_deref(), named)
    } else {
        if files.is_empty() {
            eprintln!(
                "llm2api: no model in {}; `llm2api model add FILE-or-URL` brings one there",
                folder.display()
            );
        }
        as_table(&files, served.as_deref())
    };
    // A reader that went away has seen enough.
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// Whether two paths lead to one file.
fn is_same(left: &Path, right: &Path) -> bool {
    left == right
        || matches!(
            (fs::canonicalize(left), fs::canonicalize(right)),
            (Ok(left), Ok(right)) if left == right
        )
}

fn as_json(
    folder: &Path,
    files: &[ModelFile],
    served: Option<&Path>,
    local_model: Option<&Path>,
) -> String {
    let models: Vec<_> = files
        .iter()
        .map(|file| {
            let written = file.modified.duration_since(SystemTime::UNIX_EPOCH);
            json!({
                "id": file.id,
                "path": file.path.display().to_string(),
                "size_bytes": file.size_bytes,
                "modified_at": written.map_or(0, |time| time.as_secs()),
                "default": served.is_some_and(|served| is_same(served, &file.path)),
            })
        })
        .collect();
    let text = json!({
        "folder": folder.display().to_string(),
        "local_model": local_model.map(|path| path.display().to_string()),
        "models": models,
    });
    format!("{text:#}\n")
}

fn as_table(files: &[ModelFile], served: Option<&Path>) -> String {
    let rows: Vec<[String; 4]> = files
        .iter()
        .map(|file| {
            let mark = match served.is_some_and(|served| is_same(served, &file.path)) {
                true => "default",
                false => "",
            };
            [
                file.id.clone(),
                quantity::size(file.size_bytes),
                mark.to_owned(),
                file.path.display().to_string(),
            ]
        })
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let (ids, sizes, marks) = (width(0), width(1), width(2));
    rows.iter()
        .map(|[id, size, mark, path]| format!("{id:ids$}  {size:>sizes$}  {mark:marks$}  {path}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::*;

    fn file(id: &str, size_bytes: u64) -> ModelFile {
        ModelFile {
            id: id.to_owned(),
            path: Path::new("data/models").join(format!("{id}.gguf")),
            size_bytes,
            modified: SystemTime::UNIX_EPOCH + Duration::from_millis(2500),
        }
    }

    #[test]
    fn models_are_shown_in_columns_and_the_one_that_is_served_is_marked() {
        let files = [file("a", 5_000_000), file("long", 98_362_432)];
        assert_eq!(
            as_table(&files, Some(&files[1].path)),
            "a      5.0 MB           data/models/a.gguf\n\
             long  98.4 MB  default  data/models/long.gguf\n"
        );
        assert_eq!(as_table(&[], None), "");
    }

    #[test]
    fn models_are_shown_as_json() {
        let files = [file("a", 5), file("b", 6)];
        let shown = as_json(
            Path::new("data/models"),
            &files,
            Some(&files[0].path),
            Some(Path::new("data/models/a.gguf")),
        );
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(
            shown,
            json!({"folder": "data/models", "local_model": "data/models/a.gguf", "models": [
                {"id": "a", "path": "data/models/a.gguf", "size_bytes": 5, "modified_at": 2, "default": true},
                {"id": "b", "path": "data/models/b.gguf", "size_bytes": 6, "modified_at": 2, "default": false},
            ]})
        );
    }
}
