//! Tools that the model may call, and which it must.

use llm2api_proto::{
    ContractError, json_object,
    v1::{
        CustomTool, FunctionTool, RawField, Tool, ToolChoice, tool::Tool as Kind,
        tool_choice::Choice,
    },
};
use serde::{Deserialize, Deserializer, de::MapAccess};
use serde_json::value::RawValue;

use super::{
    fault::{self, invalid_type, missing},
    json_text,
    tagged::{ExtraFields, Tagged, TaggedVisitor, carried, typed},
};

/// One tool, as it came.
#[derive(Debug)]
pub(super) enum ToolJson {
    Function(FunctionEntryJson),
    Custom(CustomEntryJson),
    /// A tool of a kind that the contract does not name, as JSON text.
    Other(String),
}

json_object! { pub(super) struct FunctionEntryJson { function: FunctionJson = "function" } }
json_object! { pub(super) struct CustomEntryJson { custom: CustomJson = "custom" } }
json_object! {
    pub(super) struct FunctionJson {
        name: String = "name",
        description: String = "description",
        parameters: Box<RawValue> = "parameters",
        strict: bool = "strict",
    }
}
json_object! {
    pub(super) struct CustomJson {
        name: String = "name",
        description: String = "description",
        format: Box<RawValue> = "format",
    }
}
json_object! {
    struct ChoiceJson {
        tag: String = "type",
        function: NameJson = "function",
        custom: NameJson = "custom",
    }
}
json_object! { struct NameJson { name: String = "name" } }

impl ExtraFields for FunctionEntryJson {
    fn extra_fields(&self) -> &[RawField] {
        &self.extra_fields
    }
}

impl ExtraFields for CustomEntryJson {
    fn extra_fields(&self) -> &[RawField] {
        &self.extra_fields
    }
}

impl ToolJson {
    /// Translates the tool at this place of the list.
    pub(super) fn translate(self, index: usize) -> Result<Tool, ContractError> {
        let (tool, extra_fields) = match self {
            Self::Function(entry) => {
                let function = entry
                    .function
                    .ok_or_else(|| missing(format!("tools[{index}].function")))?;
                let name = function
                    .name
                    .ok_or_else(|| missing(format!("tools[{index}].function.name")))?;
                let function = FunctionTool {
                    name,
                    description: function.description,
                    parameters_json: function.parameters.map(json_text).unwrap_or_default(),
                    strict: function.strict,
                    extra_fields: function.extra_fields,
                };
                (Kind::Function(function), entry.extra_fields)
            }
            Self::Custom(entry) => {
                let custom = entry
                    .custom
                    .ok_or_else(|| missing(format!("tools[{index}].custom")))?;
                let name = custom
                    .name
                    .ok_or_else(|| missing(format!("tools[{index}].custom.name")))?;
                let custom = CustomTool {
                    name,
                    description: custom.description,
                    format_json: custom.format.map(json_text).unwrap_or_default(),
                    extra_fields: custom.extra_fields,
                };
                (Kind::Custom(custom), entry.extra_fields)
            }
            Self::Other(json) => (Kind::OtherJson(json), Vec::new()),
        };
        Ok(Tool {
            tool: Some(tool),
            extra_fields,
        })
    }
}

impl Tagged for ToolJson {
    fn read_rest<'de, A: MapAccess<'de>>(tag: String, rest: A) -> Result<Self, A::Error> {
        Ok(match tag.as_str() {
            "function" => Self::Function(typed(rest)?),
            "custom" => Self::Custom(typed(rest)?),
            other => Self::Other(carried(other, rest)?),
        })
    }
}

impl<'de> Deserialize<'de> for ToolJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TaggedVisitor::new())
    }
}

/// Translates `tool_choice`: a word, or an object.
pub(super) fn choice(raw: Box<RawValue>) -> Result<ToolChoice, ContractError> {
    let choice = match raw.get().as_bytes().first().copied() {
        Some(b'"') => Choice::Mode(
            serde_json::from_str(raw.get())
                .map_err(|error| fault::describe("tool_choice", &error))?,
        ),
        Some(b'{') => named(raw.get()).unwrap_or_else(|| Choice::OtherJson(json_text(raw))),
        _ => return Err(invalid_type("tool_choice", "a string or an object")),
    };
    Ok(ToolChoice {
        choice: Some(choice),
    })
}

/// The tool that a choice names; `None` where it says anything else, or anything more.
fn named(json: &str) -> Option<Choice> {
    let object: ChoiceJson = serde_json::from_str(json).ok()?;
    let name = |named: NameJson| named.name.filter(|_| named.extra_fields.is_empty());
    if !object.extra_fields.is_empty() {
        return None;
    }
    match (object.tag?.as_str(), object.function, object.custom) {
        ("function", Some(function), None) => name(function).map(Choice::Function),
        ("custom", None, Some(custom)) => name(custom).map(Choice::Custom),
        _ => None,
    }
}
