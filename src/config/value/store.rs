//! Where state is kept, and what encrypts it.

use std::path::PathBuf;

use llm2api_core::config::SecretKey;

use super::{MASK, SettingValue};

/// The file of an SQLite database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DatabaseFile(pub(crate) PathBuf);

impl SettingValue for DatabaseFile {
    // Many a program's environment has a variable of this name.
    const TAKES: &'static str = "sqlite:PATH, such as sqlite:/var/lib/llm2api/llm2api.db; where DATABASE_URL is meant for another program, LLM2API_DATABASE_URL wins";

    fn from_text(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("sqlite:")?;
        let path = rest.strip_prefix("//").unwrap_or(rest);
        // What is in memory is not kept; what follows a question mark are options of other programs.
        let is_path = !path.is_empty() && !path.starts_with(':') && !path.contains('?');
        is_path.then(|| Self(path.into()))
    }

    /// The address of another database has a password in it.
    fn shown(text: &str) -> String {
        match text.split_once(':') {
            Some(("sqlite", _)) => text.to_owned(),
            Some((scheme, _)) => format!("{scheme}:{MASK}"),
            None => MASK.to_owned(),
        }
    }
}

impl SettingValue for SecretKey {
    const TAKES: &'static str = "32 bytes in base64, as `openssl rand -base64 32` makes them";
    const SECRET: bool = true;

    fn from_text(text: &str) -> Option<Self> {
        Self::from_base64(text)
    }
}
