//! `llm2api model list`: which models there are.

use std::{
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
    let data_dir = &configuration.settings.data_dir;
    let folder = model_folder::path(data_dir);
    let files = model_folder::files(data_dir)
        .with_context(|| format!("can't read the folder {}", folder.display()));
    let files = match files {
        Ok(files) => files,
        Err(error) => return failure(&error),
    };
    let served = model_folder::newest(&files).map(|file| file.path.as_path());
    let text = if json {
        as_json(&folder, &files, served)
    } else {
        if files.is_empty() {
            eprintln!(
                "llm2api: no model in {}; `llm2api model add FILE-or-URL` brings one there",
                folder.display()
            );
        }
        as_table(&files, served)
    };
    // A reader that went away has seen enough.
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn as_json(folder: &Path, files: &[ModelFile], served: Option<&Path>) -> String {
    let models: Vec<_> = files
        .iter()
        .map(|file| {
            let written = file.modified.duration_since(SystemTime::UNIX_EPOCH);
            json!({
                "id": file.id,
                "path": file.path.display().to_string(),
                "size_bytes": file.size_bytes,
                "modified_at": written.map_or(0, |time| time.as_secs()),
                "default": served == Some(&file.path),
            })
        })
        .collect();
    let folder = folder.display().to_string();
    format!("{:#}\n", json!({ "folder": folder, "models": models }))
}

fn as_table(files: &[ModelFile], served: Option<&Path>) -> String {
    let rows: Vec<[String; 4]> = files
        .iter()
        .map(|file| {
            let mark = match served == Some(&file.path) {
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
        let shown = as_json(Path::new("data/models"), &files, Some(&files[0].path));
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(
            shown,
            json!({"folder": "data/models", "models": [
                {"id": "a", "path": "data/models/a.gguf", "size_bytes": 5, "modified_at": 2, "default": true},
                {"id": "b", "path": "data/models/b.gguf", "size_bytes": 6, "modified_at": 2, "default": false},
            ]})
        );
    }
}
