//! `llm2api config`: the settings in effect.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use serde_json::json;

use crate::config::{Configuration, Effective};

/// Prints the settings, and the warnings on standard error.
pub(super) fn run(configuration: &Configuration, json: bool) -> ExitCode {
    for warning in &configuration.warnings {
        eprintln!("llm2api: warning: {warning}");
    }
    let text = if json {
        as_json(&configuration.effective)
    } else {
        as_table(&configuration.effective)
    };
    // A reader that went away has seen enough.
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn as_json(effective: &[Effective]) -> String {
    let settings: Vec<_> = effective
        .iter()
        .map(|setting| {
            json!({
                "name": setting.name,
                "value": setting.value,
                "source": setting.origin.to_string(),
            })
        })
        .collect();
    format!("{:#}\n", json!({ "settings": settings }))
}

fn as_table(effective: &[Effective]) -> String {
    let width = |length: fn(&Effective) -> usize| effective.iter().map(length).max().unwrap_or(0);
    let names = width(|setting| setting.name.chars().count());
    // One long value must not push all origins out of sight.
    let values = width(|setting| setting.value.chars().count()).min(48);
    effective
        .iter()
        .map(|setting| {
            format!(
                "{:names$}  {:values$}  {}\n",
                setting.name, setting.value, setting.origin
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Origin;

    fn settings() -> Vec<Effective> {
        vec![
            Effective {
                name: "API_KEY",
                value: "****".to_owned(),
                origin: Origin::Variable("LLM2API_API_KEY".to_owned()),
            },
            Effective {
                name: "LOG",
                value: "info".to_owned(),
                origin: Origin::Default,
            },
        ]
    }

    #[test]
    fn settings_are_shown_in_columns() {
        assert_eq!(
            as_table(&settings()),
            "API_KEY  ****  LLM2API_API_KEY\nLOG      info  default\n"
        );
    }

    #[test]
    fn settings_are_shown_as_json() {
        let shown: serde_json::Value = serde_json::from_str(&as_json(&settings())).unwrap();
        assert_eq!(
            shown,
            json!({"settings": [
                {"name": "API_KEY", "value": "****", "source": "LLM2API_API_KEY"},
                {"name": "LOG", "value": "info", "source": "default"},
            ]})
        );
    }
}
