//! The TOML file: settings, upstreams and models.

use std::{fs, path::Path};

use super::problem::Problem;

/// A file that was read.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    /// Its path, as the operator wrote it.
    pub(crate) path: String,
    /// What it holds.
    pub(crate) table: toml::Table,
}

impl ConfigFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Why it can't be read, or where it is not TOML; `subject` is what named the file.
    pub(crate) fn read(path: &Path, subject: &str) -> Result<Self, Problem> {
        let shown = path.display().to_string();
        let text = fs::read_to_string(path)
            .map_err(|error| Problem::new(subject, format!("can't read {shown}: {error}")))?;
        Self::parse(shown, &text)
    }

    /// Reads a file's text.
    ///
    /// # Errors
    ///
    /// Where it is not TOML.
    pub(crate) fn parse(path: String, text: &str) -> Result<Self, Problem> {
        match text.parse() {
            Ok(table) => Ok(Self { path, table }),
            Err(error) => {
                let error: toml::de::Error = error;
                let before = error.span().and_then(|span| text.get(..span.start));
                let line = before.map_or(1, |before| before.matches('\n').count() + 1);
                Err(Problem::new(
                    format!("{path}, line {line}"),
                    error.message().replace('\n', ", "),
                ))
            }
        }
    }
}
