//! The settings' tables, for help and documentation.

use std::fmt::Write as _;

use super::{
    declaration::Setting,
    settings::{LATER_SETTINGS, MODEL_SETTINGS, SETTINGS, UPSTREAM_SETTINGS},
};

/// The settings as `llm2api serve --help` lists them.
pub(crate) fn help_table() -> String {
    let mut text = String::from(
        "Settings, as variables (each also as LLM2API_<NAME>, which wins) or in lower case in the TOML file;\nsecrets also as <NAME>_FILE, the path of a file that holds it:\n",
    );
    for setting in SETTINGS {
        // Writing to a string can't fail.
        let _ = write!(
            text,
            "\n  {}{}\n      {}\n      Takes {}.\n      Default: {}\n",
            setting.name,
            if setting.secret { " (secret)" } else { "" },
            setting.meaning.trim().replace('`', ""),
            setting.takes,
            setting.default.replace('`', ""),
        );
    }
    text
}

/// The settings as docs/configuration.md has them.
pub(crate) fn markdown() -> String {
    let mut text = String::new();
    table(&mut text, "variable", SETTINGS, str::to_owned);
    text.push_str("\nKeys of an `[[upstreams]]` entry:\n\n");
    table(&mut text, "key", UPSTREAM_SETTINGS, str::to_lowercase);
    text.push_str("\nKeys of a `[models.NAME]` table:\n\n");
    table(&mut text, "key", MODEL_SETTINGS, str::to_lowercase);
    text.push_str("\nKnown, but not used by this version; setting one gives a warning: ");
    let later: Vec<String> = LATER_SETTINGS
        .iter()
        .map(|name| format!("`{name}`"))
        .collect();
    text.push_str(&later.join(", "));
    text.push_str(".\n");
    text
}

fn table(text: &mut String, what: &str, settings: &[Setting], name: fn(&str) -> String) {
    let _ = writeln!(
        text,
        "| {what} | default | meaning | takes |\n| --- | --- | --- | --- |"
    );
    for setting in settings {
        let default = match setting.default {
            "–" | "none" => setting.default.to_owned(),
            description if description.contains(['`', ' ', '\'']) => description.to_owned(),
            value => format!("`{value}`"),
        };
        let _ = writeln!(
            text,
            "| `{}`{} | {} | {} | {} |",
            name(setting.name),
            if setting.secret { " (secret)" } else { "" },
            default,
            escape(setting.meaning.trim()),
            escape(setting.takes),
        );
    }
}

/// Text within a cell.
fn escape(text: &str) -> String {
    text.replace('|', "\\|").replace('*', "\\*")
}
