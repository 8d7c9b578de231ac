//! Writes JSON objects into one buffer, member by member.

use llm2api_proto::v1::RawField;
use serde::Serialize;
use serde_json::value::RawValue;

/// A field that carries JSON holds something else, or what it must not.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in super::super) enum SpliceError {
    /// It is not one JSON value.
    #[error("the field `{0}` is not valid JSON")]
    NotJson(String),
    /// It has the name of a member that is written from another field.
    #[error("the field `{0}` may not be given as an unknown one")]
    KnownName(String),
}

/// A JSON object that is being written.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self {
            out,
            is_empty: true,
        }
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }

    /// Writes a member's name; the caller writes its value.
    pub(super) fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        write_value(self.out, name);
        self.out.push(b':');
        self.out
    }

    pub(super) fn value<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        write_value(self.name(name), value);
    }

    pub(super) fn optional<T: Serialize>(&mut self, name: &str, value: Option<T>) {
        if let Some(value) = value {
            self.value(name, &value);
        }
    }

    /// Writes a text, unless it is empty.
    pub(super) fn non_empty(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.value(name, text);
        }
    }

    /// Writes JSON as it is, unless it is empty.
    pub(super) fn json(&mut self, name: &str, json: &str) -> Result<(), SpliceError> {
        if json.is_empty() {
            return Ok(());
        }
        write_json(self.name(name), name, json)
    }

    /// Writes members as they came; none of them may have one of the names that the contract has fields for.
    pub(super) fn splice(
        &mut self,
        fields: &[RawField],
        known: &[&str],
    ) -> Result<(), SpliceError> {
        for field in fields {
            if known.contains(&field.name.as_str()) {
                return Err(SpliceError::KnownName(field.name.clone()));
            }
            write_json(self.name(&field.name), &field.name, &field.value_json)?;
        }
        Ok(())
    }
}

/// Writes an array, each element by the given function.
pub(super) fn write_array<T>(
    out: &mut Vec<u8>,
    elements: &[T],
    write: impl Fn(&mut Vec<u8>, &T) -> Result<(), SpliceError>,
) -> Result<(), SpliceError> {
    out.push(b'[');
    for (position, element) in elements.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write(out, element)?;
    }
    out.push(b']');
    Ok(())
}

/// Writes JSON as it is, once it is known to be one value and no more.
pub(super) fn write_json(out: &mut Vec<u8>, name: &str, json: &str) -> Result<(), SpliceError> {
    let value: &RawValue =
        serde_json::from_str(json).map_err(|_| SpliceError::NotJson(name.to_owned()))?;
    out.extend_from_slice(value.get().as_bytes());
    Ok(())
}

fn write_value<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value)
        .expect("texts, numbers and lists of texts can be written to memory");
}
