//! What is wrong with a request, told as OpenAI tells it: `param` is the path to the fault.

use llm2api_proto::{ContractError, v1::ErrorReason};
use serde::Deserialize;
use serde_json::error::Category;

/// A required field is missing.
pub(crate) fn missing(param: impl Into<String>) -> ContractError {
    let param = param.into();
    ContractError::new(
        ErrorReason::MissingRequiredParameter,
        format!("Missing required parameter: '{param}'."),
    )
    .with_param(param)
}

/// A field's value can't be used; `expected` goes on from "Invalid value for …: ".
pub(crate) fn invalid_value(param: impl Into<String>, expected: &str) -> ContractError {
    let param = param.into();
    ContractError::new(
        ErrorReason::InvalidValue,
        format!("Invalid value for '{param}': {expected}."),
    )
    .with_param(param)
}

/// A field has the wrong JSON type.
pub(crate) fn invalid_type(param: impl Into<String>, expected: &str) -> ContractError {
    let param = param.into();
    ContractError::new(
        ErrorReason::InvalidType,
        format!("Invalid type for '{param}': expected {expected}."),
    )
    .with_param(param)
}

/// There is no such field; `known` names those that there are, and goes on from "expected".
pub(crate) fn unknown(param: impl Into<String>, known: &str) -> ContractError {
    let param = param.into();
    ContractError::new(
        ErrorReason::UnsupportedParameter,
        format!("Unknown parameter: '{param}'; expected {known}."),
    )
    .with_param(param)
}

/// Finds what is wrong with a text that could not be read as a `T`, by reading it once more, with an eye on the path.
pub(crate) fn explain<'de, T: Deserialize<'de>>(text: &'de str) -> ContractError {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let error = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) => error,
        Ok(_) => {
            let what = match deserializer.end() {
                Err(error) => error.to_string(),
                Ok(()) => "it could be read only at the second try".to_owned(),
            };
            return invalid_json(&what);
        }
    };
    let path = error.path().to_string();
    describe(&path, error.inner())
}

/// Puts serde's words into ours. A value is never repeated: it may be anything that a user wrote.
pub(crate) fn describe(path: &str, error: &serde_json::Error) -> ContractError {
    let words = error.to_string();
    if error.classify() != Category::Data {
        return invalid_json(&words);
    }
    let words = words.split(" at line ").next().unwrap_or_default();
    let is_root = path == ".";
    let expected = words
        .rsplit_once("expected ")
        .map_or("", |(_, expected)| expected);
    if words.starts_with("invalid type") && is_root {
        no_object()
    } else if words.starts_with("invalid type") {
        invalid_type(path, json_type(expected))
    } else if words.starts_with("invalid value") || words.starts_with("invalid length") {
        invalid_value(path, &format!("expected {}", json_type(expected)))
    } else if let Some(name) = quoted(words, "missing field `") {
        missing(if is_root {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        })
    } else if let Some(name) = quoted(words, "unknown field `") {
        let (_, known) = words.split_once("`, expected ").unwrap_or_default();
        unknown(if is_root { name } else { path }, &known.replace('`', ""))
    } else if let Some(name) = quoted(words, "duplicate field `") {
        let error = ContractError::new(
            ErrorReason::InvalidJson,
            format!("The member '{name}' comes twice in one object."),
        );
        if is_root {
            error.with_param(name)
        } else {
            error.with_param(path)
        }
    } else {
        invalid_value(path, words)
    }
}

/// The body is JSON of another kind than what all bodies are.
pub(super) fn no_object() -> ContractError {
    invalid_json("expected a JSON object")
}

fn invalid_json(what: &str) -> ContractError {
    ContractError::new(
        ErrorReason::InvalidJson,
        format!("The body could not be read as JSON: {what}."),
    )
}

/// Rust's names of types as a client knows them.
fn json_type(expected: &str) -> &str {
    match expected {
        "i32" | "i64" => "an integer",
        "f64" => "a number",
        "a sequence" => "an array",
        other => other,
    }
}

/// What stands between the opening words and the next backtick.
fn quoted<'a>(words: &'a str, opening: &str) -> Option<&'a str> {
    words.strip_prefix(opening)?.split('`').next()
}
