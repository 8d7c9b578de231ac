//! Objects whose `type` says what else is in them.

use std::{fmt, marker::PhantomData};

use llm2api_proto::{private::Key, v1::RawField};
use serde::de::{DeserializeOwned, Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde_json::value::RawValue;

/// An object whose `type` says what else is in it.
pub(super) trait Tagged: DeserializeOwned {
    /// Reads what follows `type`.
    fn read_rest<'de, A: MapAccess<'de>>(tag: String, rest: A) -> Result<Self, A::Error>;
}

/// Reads a [`Tagged`] object, in one pass where `type` comes first, as nearly everywhere.
pub(super) struct TaggedVisitor<T>(PhantomData<T>);

impl<T> TaggedVisitor<T> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<'de, T: Tagged> Visitor<'de> for TaggedVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let Some(mut key) = map.next_key::<Key<'de>>()? else {
            return Err(A::Error::missing_field("type"));
        };
        if key.0 == "type" {
            let tag = map.next_value()?;
            return T::read_rest(tag, map);
        }
        let mut tag = None;
        let mut rest = String::new();
        loop {
            let value = map.next_value::<&'de RawValue>()?;
            if key.0 == "type" && tag.is_none() {
                tag = Some(value);
            } else {
                push_member(&mut rest, &key.0, value.get());
            }
            match map.next_key()? {
                Some(next) => key = next,
                None => break,
            }
        }
        let tag = tag.ok_or_else(|| A::Error::missing_field("type"))?;
        let reordered = format!(r#"{{"type":{tag}{rest}}}"#);
        serde_json::from_str(&reordered).map_err(|error| {
            A::Error::custom(
                error
                    .to_string()
                    .split(" at line ")
                    .next()
                    .unwrap_or_default(),
            )
        })
    }
}

/// Reads the rest of an object as a struct made by `json_object!`.
pub(super) fn typed<'de, A, T>(rest: A) -> Result<T, A::Error>
where
    A: MapAccess<'de>,
    T: serde::Deserialize<'de> + ExtraFields,
{
    let object = T::deserialize(MapAccessDeserializer::new(rest))?;
    if object
        .extra_fields()
        .iter()
        .any(|field| field.name == "type")
    {
        return Err(A::Error::duplicate_field("type"));
    }
    Ok(object)
}

/// A struct made by `json_object!`.
pub(super) trait ExtraFields {
    fn extra_fields(&self) -> &[RawField];
}

llm2api_proto::json_object! {
    /// An object of which nothing is known.
    struct Unknown {}
}

impl ExtraFields for Unknown {
    fn extra_fields(&self) -> &[RawField] {
        &self.extra_fields
    }
}

/// Reads the rest of an object of an unknown type, as the JSON text of the whole, in the order in which it came.
pub(super) fn carried<'de, A: MapAccess<'de>>(tag: &str, rest: A) -> Result<String, A::Error> {
    let unknown: Unknown = typed(rest)?;
    let mut text = format!(r#"{{"type":{}"#, quote(tag));
    for field in &unknown.extra_fields {
        push_member(&mut text, &field.name, &field.value_json);
    }
    text.push('}');
    Ok(text)
}

fn push_member(text: &mut String, name: &str, value: &str) {
    text.push(',');
    text.push_str(&quote(name));
    text.push(':');
    text.push_str(value);
}

fn quote(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}
