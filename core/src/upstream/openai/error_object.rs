//! The error object of an upstream, in whichever shape it comes.

use serde_json::{Map, Value};

use super::super::{Credential, failure::UpstreamError, json_repair::repair, scrub::scrub};

/// Bytes of a message that are kept: it goes into headers and logs.
const MAX_MESSAGE_SIZE: usize = 2048;

/// Bytes of a type, param or code that are kept.
const MAX_WORD_SIZE: usize = 256;

/// Reads the error that a body holds: `None` where it holds none.
///
/// Knows OpenAI's `{"error":{…}}`, and the same in an array (Google); `{"error":"…"}` (Ollama, Hugging Face); `{"object":"error",
/// "message":…}` (vLLM before 0.10); `{"message":…}`; `{"detail":…}` (FastAPI), which may be a list.
pub(super) fn from_body(body: &[u8], credential: &Credential) -> Option<UpstreamError> {
    let value: Value = serde_json::from_slice(body)
        .or_else(|_| serde_json::from_str(&repair(body)))
        .ok()?;
    from_value(&value, credential)
}

fn from_value(value: &Value, credential: &Credential) -> Option<UpstreamError> {
    match value {
        Value::Array(values) => from_value(values.first()?, credential),
        Value::Object(members) => {
            let error = match members.get("error") {
                Some(Value::Object(error)) => from_members(error),
                Some(Value::String(message)) => UpstreamError {
                    message: message.clone(),
                    ..from_members(members)
                },
                _ => from_members(members),
            };
            let is_empty =
                error.message.is_empty() && error.code.is_none() && error.error_type.is_none();
            (!is_empty).then(|| clean(error, credential))
        }
        Value::String(message) => {
            let error = UpstreamError {
                message: message.clone(),
                ..UpstreamError::default()
            };
            Some(clean(error, credential))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn from_members(members: &Map<String, Value>) -> UpstreamError {
    UpstreamError {
        message: ["message", "detail", "msg"]
            .iter()
            .find_map(|name| message(members.get(*name)?))
            .unwrap_or_default(),
        // Google says `status` where others say `type`.
        error_type: word(members.get("type")).or_else(|| word(members.get("status"))),
        param: word(members.get("param")),
        code: word(members.get("code")),
    }
}

/// A message; of FastAPI's list, each entry's place and text.
fn message(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(entries) => Some(
            entries
                .iter()
                .filter_map(|entry| {
                    let text = entry.get("msg").and_then(Value::as_str)?;
                    let place = entry.get("loc").and_then(Value::as_array)?;
                    let place: Vec<String> = place
                        .iter()
                        .filter_map(|step| word(Some(step)))
                        .filter(|step| step != "body")
                        .collect();
                    Some(format!("{}: {text}", place.join(".")))
                })
                .collect::<Vec<_>>()
                .join("; "),
        ),
        Value::Object(members) => message(members.get("message")?),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn word(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn clean(mut error: UpstreamError, credential: &Credential) -> UpstreamError {
    let hidden = credential.texts_to_hide();
    let clean = |text: &str, size: usize| cut(scrub(text, &hidden), size);
    error.message = clean(&error.message, MAX_MESSAGE_SIZE);
    for word in [&mut error.error_type, &mut error.param, &mut error.code] {
        *word = word.as_deref().map(|text| clean(text, MAX_WORD_SIZE));
    }
    error
}

fn cut(mut text: String, size: usize) -> String {
    if text.len() > size {
        text.truncate(text.floor_char_boundary(size));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests;
