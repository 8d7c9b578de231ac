//! Parts of a message's content.

use std::fmt;

use llm2api_proto::{
    ContractError, json_object,
    v1::{ContentPart, File, ImageUrl, InputAudio, RawField, content_part::Part},
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::{
    fault::missing,
    tagged::{ExtraFields, Tagged, TaggedVisitor, carried, typed},
};

/// A message's content, in either form.
#[derive(Debug)]
pub(super) enum ContentJson {
    Text(String),
    Parts(Vec<PartJson>),
}

/// One part, as it came.
#[derive(Debug)]
pub(super) enum PartJson {
    Text(TextJson),
    ImageUrl(ImagePartJson),
    InputAudio(AudioPartJson),
    File(FilePartJson),
    Refusal(RefusalJson),
    /// A part of a kind that the contract does not name, as JSON text.
    Other(String),
}

json_object! { pub(super) struct TextJson { text: String = "text" } }
json_object! { pub(super) struct RefusalJson { refusal: String = "refusal" } }
json_object! { pub(super) struct ImagePartJson { image_url: ImageJson = "image_url" } }
json_object! { pub(super) struct AudioPartJson { input_audio: AudioJson = "input_audio" } }
json_object! { pub(super) struct FilePartJson { file: FileJson = "file" } }
json_object! {
    pub(super) struct ImageUrlJson {
        url: String = "url",
        detail: String = "detail",
    }
}
json_object! {
    pub(super) struct AudioJson {
        data: String = "data",
        format: String = "format",
    }
}
json_object! {
    pub(super) struct FileJson {
        filename: String = "filename",
        file_data: String = "file_data",
        file_id: String = "file_id",
    }
}

macro_rules! extra_fields {
    ($($object:ident),*) => {
        $(impl ExtraFields for $object {
            fn extra_fields(&self) -> &[RawField] {
                &self.extra_fields
            }
        })*
    };
}
extra_fields!(
    TextJson,
    RefusalJson,
    ImagePartJson,
    AudioPartJson,
    FilePartJson
);

impl PartJson {
    /// Translates the part; `place` is the path to it.
    pub(super) fn translate(self, place: fmt::Arguments<'_>) -> Result<ContentPart, ContractError> {
        let (part, extra_fields) = match self {
            Self::Text(part) => {
                let text = part.text.ok_or_else(|| missing(format!("{place}.text")))?;
                (Part::Text(text), part.extra_fields)
            }
            Self::Refusal(part) => {
                let refusal = part
                    .refusal
                    .ok_or_else(|| missing(format!("{place}.refusal")))?;
                (Part::Refusal(refusal), part.extra_fields)
            }
            Self::ImageUrl(part) => {
                let image = part
                    .image_url
                    .ok_or_else(|| missing(format!("{place}.image_url")))?
                    .0;
                let url = image
                    .url
                    .ok_or_else(|| missing(format!("{place}.image_url.url")))?;
                let image = ImageUrl {
                    url,
                    detail: image.detail.unwrap_or_default(),
                    extra_fields: image.extra_fields,
                };
                (Part::ImageUrl(image), part.extra_fields)
            }
            Self::InputAudio(part) => {
                let audio = part
                    .input_audio
                    .ok_or_else(|| missing(format!("{place}.input_audio")))?;
                let data = audio
                    .data
                    .ok_or_else(|| missing(format!("{place}.input_audio.data")))?;
                let audio = InputAudio {
                    data,
                    format: audio.format.unwrap_or_default(),
                    extra_fields: audio.extra_fields,
                };
                (Part::InputAudio(audio), part.extra_fields)
            }
            Self::File(part) => {
                let file = part.file.ok_or_else(|| missing(format!("{place}.file")))?;
                let file = File {
                    filename: file.filename.unwrap_or_default(),
                    file_data: file.file_data.unwrap_or_default(),
                    file_id: file.file_id.unwrap_or_default(),
                    extra_fields: file.extra_fields,
                };
                (Part::File(file), part.extra_fields)
            }
            Self::Other(json) => (Part::OtherJson(json), Vec::new()),
        };
        Ok(ContentPart {
            part: Some(part),
            extra_fields,
        })
    }
}

impl Tagged for PartJson {
    fn read_rest<'de, A: MapAccess<'de>>(tag: String, rest: A) -> Result<Self, A::Error> {
        Ok(match tag.as_str() {
            "text" => Self::Text(typed(rest)?),
            "image_url" => Self::ImageUrl(typed(rest)?),
            "input_audio" => Self::InputAudio(typed(rest)?),
            "file" => Self::File(typed(rest)?),
            "refusal" => Self::Refusal(typed(rest)?),
            other => Self::Other(carried(other, rest)?),
        })
    }
}

impl<'de> Deserialize<'de> for PartJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TaggedVisitor::new())
    }
}

impl<'de> Deserialize<'de> for ContentJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContentVisitor;

        impl<'de> Visitor<'de> for ContentVisitor {
            type Value = ContentJson;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or an array of parts")
            }

            fn visit_str<E>(self, text: &str) -> Result<ContentJson, E> {
                Ok(ContentJson::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ContentJson, A::Error> {
                let mut parts = Vec::new();
                while let Some(part) = list.next_element()? {
                    parts.push(part);
                }
                Ok(ContentJson::Parts(parts))
            }
        }

        deserializer.deserialize_any(ContentVisitor)
    }
}

/// An image: an object, or, from older clients, the address alone.
#[derive(Debug)]
pub(super) struct ImageJson(ImageUrlJson);

impl<'de> Deserialize<'de> for ImageJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ImageVisitor;

        impl<'de> Visitor<'de> for ImageVisitor {
            type Value = ImageJson;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object with a url")
            }

            fn visit_str<E>(self, url: &str) -> Result<ImageJson, E> {
                Ok(ImageJson(ImageUrlJson {
                    url: Some(url.to_owned()),
                    ..ImageUrlJson::default()
                }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ImageJson, A::Error> {
                ImageUrlJson::deserialize(MapAccessDeserializer::new(map)).map(ImageJson)
            }
        }

        deserializer.deserialize_any(ImageVisitor)
    }
}
