//! Names that are not settings: wrong ones stop the start or warn, later ones warn.

use super::{
    declaration::Setting,
    problem::Problem,
    settings::{LATER_SETTINGS, OWN_PREFIX_SETTING, SETTINGS},
    source::{Environment, FILE_SUFFIX, PREFIX, is_service_variable},
};

/// Shorter names are too often one letter from another program's.
const SHORTEST_RESEMBLED: usize = 5;

/// What a variable's name without our prefix is.
enum Meaning {
    Setting,
    Later,
    Unknown,
}

fn meaning(name: &str) -> Meaning {
    let is_setting = SETTINGS.iter().any(|setting| {
        setting.name == name
            || (setting.secret && name.strip_suffix(FILE_SUFFIX) == Some(setting.name))
    });
    if is_setting {
        return Meaning::Setting;
    }
    let plain = name.strip_suffix(FILE_SUFFIX).unwrap_or(name);
    if LATER_SETTINGS.contains(&name) || LATER_SETTINGS.contains(&plain) {
        Meaning::Later
    } else {
        Meaning::Unknown
    }
}

/// Checks the variables' names: unknown ones with our prefix are problems, and what deserves a warning is returned.
pub(crate) fn check_variables(
    environment: &Environment,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    let mut warnings = Vec::new();
    for (variable, value) in environment {
        if value.trim().is_empty() || variable == OWN_PREFIX_SETTING {
            continue;
        }
        let (name, prefixed) = match variable.strip_prefix(PREFIX) {
            Some(name) => (name, true),
            None => (variable.as_str(), false),
        };
        match meaning(name) {
            Meaning::Setting if prefixed && name == OWN_PREFIX_SETTING => {
                let message = format!("unknown setting; did you mean {OWN_PREFIX_SETTING}?");
                problems.push(Problem::new(variable, message));
            }
            Meaning::Setting => {}
            Meaning::Later => warnings.push(not_used_yet(variable)),
            Meaning::Unknown if prefixed && is_service_variable(name, value) => {}
            Meaning::Unknown if prefixed => {
                problems.push(Problem::new(variable, unknown(name, known_names(), PREFIX)));
            }
            Meaning::Unknown => {
                let resembled = known_names().find(|known| {
                    known.len() >= SHORTEST_RESEMBLED && is_one_letter_away(name, known)
                });
                if let Some(known) = resembled {
                    warnings.push(format!(
                        "{variable} is set, but is no setting; did you mean {known}?"
                    ));
                }
            }
        }
    }
    warnings
}

/// Checks the keys at the file's top level, as [`check_variables`] does with variables.
pub(crate) fn check_top_level_keys(
    file: &str,
    table: &toml::Table,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    let mut warnings = Vec::new();
    for key in table.keys() {
        let subject = format!("{file}: {key}");
        if matches!(key.as_str(), "upstreams" | "models") {
            continue;
        }
        if key == "config" {
            problems.push(Problem::new(subject, "the file can't name another file"));
            continue;
        }
        // Keys are the names in lower case, and nothing else.
        let name = key.to_ascii_uppercase();
        match meaning(&name) {
            Meaning::Setting if *key == name.to_ascii_lowercase() => {}
            Meaning::Later if *key == name.to_ascii_lowercase() => {
                warnings.push(not_used_yet(&subject));
            }
            Meaning::Setting | Meaning::Later | Meaning::Unknown => {
                let names = known_names().chain(["UPSTREAMS", "MODELS"]);
                let message = unknown(&name, names, "").to_ascii_lowercase();
                problems.push(Problem::new(subject, message));
            }
        }
    }
    warnings
}

/// Checks the keys of a table of the file: there are only these settings.
pub(crate) fn check_keys(
    file: &str,
    path: &str,
    table: &toml::Table,
    settings: &[Setting],
    problems: &mut Vec<Problem>,
) {
    for key in table.keys() {
        let is_known = settings.iter().any(|setting| {
            let name = setting.name.to_ascii_lowercase();
            *key == name || (setting.secret && *key == format!("{name}_file"))
        });
        if !is_known {
            let keys: Vec<String> = settings
                .iter()
                .map(|setting| setting.name.to_ascii_lowercase())
                .collect();
            let message = format!("unknown key; there are {}", keys.join(", "));
            problems.push(Problem::new(format!("{file}: {path}{key}"), message));
        }
    }
}

fn known_names() -> impl Iterator<Item = &'static str> {
    SETTINGS
        .iter()
        .map(|setting| setting.name)
        .chain(LATER_SETTINGS.iter().copied())
}

fn not_used_yet(name: &str) -> String {
    format!("{name} is set, but this version does not use it yet")
}

fn unknown(name: &str, names: impl Iterator<Item = &'static str>, prefix: &str) -> String {
    match names
        .into_iter()
        .find(|known| is_one_letter_away(name, known))
    {
        Some(known) if known == OWN_PREFIX_SETTING => {
            format!("unknown setting; did you mean {known}?")
        }
        Some(known) => format!("unknown setting; did you mean {prefix}{known}?"),
        None => "unknown setting; `llm2api serve --help` lists all".to_owned(),
    }
}

/// Whether one name becomes the other by one letter more, fewer or other, or by two neighbours that changed places.
fn is_one_letter_away(left: &str, right: &str) -> bool {
    let (shorter, longer) = if left.len() <= right.len() {
        (left.as_bytes(), right.as_bytes())
    } else {
        (right.as_bytes(), left.as_bytes())
    };
    let same = shorter
        .iter()
        .zip(longer)
        .take_while(|(left, right)| left == right)
        .count();
    match longer.len() - shorter.len() {
        0 if same == shorter.len() => false,
        0 => {
            let swapped = shorter.get(same) == longer.get(same + 1)
                && shorter.get(same + 1) == longer.get(same)
                && shorter.get(same + 2..) == longer.get(same + 2..);
            swapped || shorter[same + 1..] == longer[same + 1..]
        }
        1 => shorter[same..] == longer[same + 1..],
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_letter_more_fewer_other_or_swapped_is_one_letter_away() {
        for typo in [
            "API_KEYS", "AP_KEY", "APL_KEY", "AIP_KEY", "API_KYE", "API_KE",
        ] {
            assert!(is_one_letter_away(typo, "API_KEY"), "{typo}");
        }
        for other in ["API_KEY", "API_PATH", "KEY", "", "AIP_KYE"] {
            assert!(!is_one_letter_away(other, "API_KEY"), "{other}");
        }
    }
}
