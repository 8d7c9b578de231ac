//! Where a setting's value comes from: a variable, a key of the file, or its default.

use std::{collections::BTreeMap, fmt};

/// The environment's variables.
pub(crate) type Environment = BTreeMap<String, String>;

/// The prefix under which each variable is read first.
pub(crate) const PREFIX: &str = "LLM2API_";

/// What follows a secret's name where a file holds it.
pub(crate) const FILE_SUFFIX: &str = "_FILE";

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nowhere.
    Default,
    /// On the command line, by `--config`.
    CommandLine,
    /// In this variable.
    Variable(String),
    /// In the file.
    Key {
        /// The file's path.
        file: String,
        /// The key's path in it.
        key: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::CommandLine => formatter.write_str("--config"),
            Self::Variable(name) => formatter.write_str(name),
            Self::Key { file, key } => write!(formatter, "{file}: {key}"),
        }
    }
}

/// A value as it was given.
#[derive(Debug, Clone)]
pub(crate) enum Given {
    /// Text; numbers and booleans of the file too.
    Text(String),
    /// An array of texts.
    List(Vec<String>),
    /// A table of texts.
    Table(Vec<(String, String)>),
    /// Something that no setting takes: a date, an array of tables.
    Other,
}

impl Given {
    /// The value as one text.
    pub(crate) fn as_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::List(items) => items.join(","),
            Self::Table(entries) => entries
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join(","),
            Self::Other => String::new(),
        }
    }

    fn from_toml(value: &toml::Value) -> Self {
        let given = match value {
            toml::Value::Array(items) => items
                .iter()
                .map(scalar)
                .collect::<Option<_>>()
                .map(Self::List),
            toml::Value::Table(entries) => entries
                .iter()
                .map(|(name, value)| Some((name.clone(), scalar(value)?)))
                .collect::<Option<_>>()
                .map(Self::Table),
            _ => scalar(value).map(Self::Text),
        };
        given.unwrap_or(Self::Other)
    }
}

/// A simple value of the file, as a variable would have it.
fn scalar(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.trim().to_owned()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Float(_)
        | toml::Value::Datetime(_)
        | toml::Value::Array(_)
        | toml::Value::Table(_) => None,
    }
}

/// One place where values are looked up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    /// Variables with our prefix.
    PrefixedVariables(&'a Environment),
    /// Variables under the settings' own names.
    Variables(&'a Environment),
    /// Variables in lower case, where that is customary.
    LowerCaseVariables(&'a Environment),
    /// A table of the file.
    Table {
        /// The file's path.
        file: &'a str,
        /// The table's path in the file, with a dot at its end; empty for the top level.
        path: &'a str,
        /// The table.
        table: &'a toml::Table,
    },
}

impl Source<'_> {
    /// The value given under this name, if any; empty ones are none.
    pub(crate) fn find(self, name: &str) -> Option<(Given, Origin)> {
        match self {
            Self::PrefixedVariables(_) if name.starts_with(PREFIX) => None,
            Self::PrefixedVariables(variables) => variable(variables, format!("{PREFIX}{name}"))
                .filter(|(given, _)| !is_service_address(name, &given.as_text())),
            Self::Variables(variables) => variable(variables, name.to_owned()),
            Self::LowerCaseVariables(variables) => super::settings::LOWER_CASE_SETTINGS
                .contains(&name)
                .then(|| variable(variables, name.to_ascii_lowercase()))?,
            Self::Table { file, path, table } => {
                let key = name.to_ascii_lowercase();
                let given = Given::from_toml(table.get(&key)?);
                if matches!(&given, Given::Text(text) if text.is_empty()) {
                    return None;
                }
                let origin = Origin::Key {
                    file: file.to_owned(),
                    key: format!("{path}{key}"),
                };
                Some((given, origin))
            }
        }
    }
}

fn variable(variables: &Environment, name: String) -> Option<(Given, Origin)> {
    let text = variables.get(&name)?.trim();
    (!text.is_empty()).then(|| (Given::Text(text.to_owned()), Origin::Variable(name)))
}

/// Whether Kubernetes set this variable (given without our prefix) for a service whose name begins with `llm2api`:
/// `LLM2API_PORT=tcp://10.0.0.1:80`, `LLM2API_PORT_80_TCP_ADDR`, `LLM2API_SERVICE_HOST`, and `LLM2API_GATEWAY_PORT` for `llm2api-gateway`.
pub(crate) fn is_service_variable(name: &str, value: &str) -> bool {
    let name_with_mark = format!("_{name}");
    is_service_address(name, value)
        || name_with_mark.contains("_PORT_")
        || name_with_mark.contains("_SERVICE_")
}

fn is_service_address(name: &str, value: &str) -> bool {
    let is_port = name == "PORT" || name.ends_with("_PORT");
    let is_address = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme));
    is_port && is_address
}
