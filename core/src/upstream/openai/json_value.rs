//! JSON values that upstreams write in more than one type.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

/// An integer; also one written as `1.0` or `"1"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Integer(pub(super) i64);

impl Integer {
    /// The integer as `i32`, where it is one.
    pub(super) fn as_i32(self) -> Option<i32> {
        i32::try_from(self.0).ok()
    }
}

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IntegerVisitor;

        impl Visitor<'_> for IntegerVisitor {
            type Value = Integer;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an integer")
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Integer, E> {
                Ok(Integer(value))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Integer, E> {
                Ok(Integer(i64::try_from(value).unwrap_or(i64::MAX)))
            }

            #[expect(
                clippy::cast_possible_truncation,
                reason = "a cast from float saturates, which is what is wanted"
            )]
            fn visit_f64<E: Error>(self, value: f64) -> Result<Integer, E> {
                Ok(Integer(value as i64))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Integer, E> {
                value.trim().parse().map(Integer).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(IntegerVisitor)
    }
}

/// A text, borrowed from the JSON where it has no escapes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct Borrowed<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl Borrowed<'_> {
    /// The text, as one of its own.
    pub(super) fn into_string(self) -> String {
        self.0.into_owned()
    }
}

/// A text; also a number or boolean where a text belongs, as upstreams write error codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?.get();
        match quoted(json) {
            Some(text) => text.map(Self).map_err(D::Error::custom),
            None => Ok(Self(Cow::Borrowed(json))),
        }
    }
}

/// The text that JSON text is, if it is one.
fn quoted(json: &str) -> Option<serde_json::Result<Cow<'_, str>>> {
    let inside = json.strip_prefix('"')?.strip_suffix('"')?;
    Some(if memchr::memchr(b'\\', inside.as_bytes()).is_none() {
        // Without escapes it is its own value (RFC 8259, 7).
        Ok(Cow::Borrowed(inside))
    } else {
        serde_json::from_str(json).map(Cow::Owned)
    })
}

/// A text, or whatever else stands where a text belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TextOrJson {
    Text(String),
    /// Another value, as it was written.
    Json(String),
}

impl TextOrJson {
    /// The text; of another value, its JSON.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Json(text) => text,
        }
    }
}

impl<'de> Deserialize<'de> for TextOrJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?.get();
        match quoted(json) {
            Some(text) => text
                .map(|text| Self::Text(text.into_owned()))
                .map_err(D::Error::custom),
            None => Ok(Self::Json(json.to_owned())),
        }
    }
}

/// A message's or delta's content: a text, or parts of which reasoning may be one (Mistral).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) text: String,
    pub(super) reasoning: String,
    pub(super) refusal: String,
}

impl Content {
    fn add(&mut self, part: ContentPart) {
        if let Some(text) = part.text {
            self.text.push_str(&text);
        }
        if let Some(refusal) = part.refusal {
            self.refusal.push_str(&refusal);
        }
        if let Some(thinking) = part.thinking {
            self.reasoning.push_str(&thinking.text);
        }
    }
}

llm2api_proto::json_object! {
    /// A part of a content that is written in parts; its `type` says no more than its members do.
    struct ContentPart {
        text: String = "text",
        refusal: String = "refusal",
        thinking: Content = "thinking",
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContentVisitor;

        impl<'de> Visitor<'de> for ContentVisitor {
            type Value = Content;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text or an array of parts")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Content, E> {
                self.visit_string(text.to_owned())
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Content, E> {
                Ok(Content {
                    text,
                    ..Content::default()
                })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Content, A::Error> {
                let mut content = Content::default();
                while let Some(part) = parts.next_element()? {
                    content.add(part);
                }
                Ok(content)
            }
        }

        deserializer.deserialize_any(ContentVisitor)
    }
}

/// Whether JSON text is one of `null`, `false`, `0`, `""`, `[]`, `{}`: what stands where nothing is said.
pub(super) fn is_empty(json: &str) -> bool {
    serde_json::from_str(json).is_ok_and(|value| match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(members) => members.is_empty(),
    })
}
