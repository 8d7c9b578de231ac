//! Messages of a conversation, and the tool calls in them.

use llm2api_proto::{
    ContractError, json_object,
    v1::{CustomToolCall, FunctionCall, Message, RawField, ToolCall, tool_call::Call},
};
use serde_json::value::RawValue;

use super::{
    fault::{invalid_value, missing},
    json_text,
    part::ContentJson,
};

/// Who may speak.
const ROLES: &[&str] = &[
    "developer",
    "system",
    "user",
    "assistant",
    "tool",
    "function",
];

json_object! {
    /// A message, as it came. `reasoning`, the other name of `reasoning_content`, is carried as it is.
    pub(super) struct MessageJson {
        role: String = "role",
        content: ContentJson = "content",
        name: String = "name",
        tool_calls: Vec<ToolCallJson> = "tool_calls",
        tool_call_id: String = "tool_call_id",
        refusal: String = "refusal",
        reasoning_content: String = "reasoning_content",
        audio: Box<RawValue> = "audio",
        function_call: FunctionCallJson = "function_call",
    }
}

json_object! {
    pub(super) struct ToolCallJson {
        id: String = "id",
        tag: String = "type",
        function: FunctionCallJson = "function",
        custom: CustomCallJson = "custom",
    }
}

json_object! {
    pub(super) struct FunctionCallJson {
        name: String = "name",
        arguments: String = "arguments",
    }
}

json_object! {
    pub(super) struct CustomCallJson {
        name: String = "name",
        input: String = "input",
    }
}

json_object! {
    struct AudioIdJson {
        id: String = "id",
    }
}

impl MessageJson {
    /// Translates the message at this place of the conversation.
    pub(super) fn translate(self, index: usize) -> Result<Message, ContractError> {
        let role = self
            .role
            .ok_or_else(|| missing(format!("messages[{index}].role")))?;
        if !ROLES.contains(&role.as_str()) {
            return Err(invalid_value(
                format!("messages[{index}].role"),
                &format!("expected one of {}", ROLES.join(", ")),
            ));
        }
        let (content, content_parts) = match self.content {
            None => (None, Vec::new()),
            Some(ContentJson::Text(text)) => (Some(text), Vec::new()),
            Some(ContentJson::Parts(parts)) if parts.is_empty() => {
                return Err(invalid_value(
                    format!("messages[{index}].content"),
                    "expected at least one part",
                ));
            }
            Some(ContentJson::Parts(parts)) => {
                let parts = parts.into_iter().enumerate().map(|(part_index, part)| {
                    part.translate(format_args!("messages[{index}].content[{part_index}]"))
                });
                (None, parts.collect::<Result<_, _>>()?)
            }
        };
        let mut extra_fields = self.extra_fields;
        let audio_id = match self.audio {
            None => String::new(),
            Some(audio) => audio_id(audio).unwrap_or_else(|audio| {
                extra_fields.push(RawField {
                    name: "audio".to_owned(),
                    value_json: audio,
                });
                String::new()
            }),
        };
        Ok(Message {
            role,
            content,
            content_parts,
            name: self.name.unwrap_or_default(),
            tool_calls: self
                .tool_calls
                .unwrap_or_default()
                .into_iter()
                .enumerate()
                .map(|(call_index, call)| call.translate(index, call_index))
                .collect::<Result<_, _>>()?,
            tool_call_id: self.tool_call_id.unwrap_or_default(),
            refusal: self.refusal,
            reasoning_content: self.reasoning_content,
            audio_id,
            function_call: self.function_call.map(FunctionCallJson::translate),
            extra_fields,
        })
    }
}

impl ToolCallJson {
    fn translate(self, message: usize, index: usize) -> Result<ToolCall, ContractError> {
        let mut extra_fields = self.extra_fields;
        let call = match (self.tag.as_deref(), self.function, self.custom) {
            (None | Some("function"), Some(function), None) => Call::Function(function.translate()),
            (None | Some("custom"), None, Some(custom)) => Call::Custom(custom.translate()),
            (None | Some("function"), ..) => {
                return Err(missing(format!(
                    "messages[{message}].tool_calls[{index}].function"
                )));
            }
            (Some("custom"), ..) => {
                return Err(missing(format!(
                    "messages[{message}].tool_calls[{index}].custom"
                )));
            }
            (Some(tag), None, None) => {
                let value_json = serde_json::Value::from(tag).to_string();
                extra_fields.insert(
                    0,
                    RawField {
                        name: "type".to_owned(),
                        value_json,
                    },
                );
                return Ok(ToolCall {
                    index: place(index),
                    id: self.id.unwrap_or_default(),
                    call: None,
                    extra_fields,
                });
            }
            (Some(_), ..) => {
                return Err(invalid_value(
                    format!("messages[{message}].tool_calls[{index}].type"),
                    "expected 'function' or 'custom'",
                ));
            }
        };
        Ok(ToolCall {
            index: place(index),
            id: self.id.unwrap_or_default(),
            call: Some(call),
            extra_fields,
        })
    }
}

impl FunctionCallJson {
    fn translate(self) -> FunctionCall {
        FunctionCall {
            name: self.name.unwrap_or_default(),
            arguments: self.arguments.unwrap_or_default(),
            extra_fields: self.extra_fields,
        }
    }
}

impl CustomCallJson {
    fn translate(self) -> CustomToolCall {
        CustomToolCall {
            name: self.name.unwrap_or_default(),
            input: self.input.unwrap_or_default(),
            extra_fields: self.extra_fields,
        }
    }
}

fn place(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}

/// The id of an earlier spoken answer; what came, as JSON text, where it is anything but an object with an id alone.
fn audio_id(audio: Box<RawValue>) -> Result<String, String> {
    match serde_json::from_str::<AudioIdJson>(audio.get()) {
        Ok(AudioIdJson {
            id: Some(id),
            extra_fields,
        }) if extra_fields.is_empty() => Ok(id),
        Ok(_) | Err(_) => Err(json_text(audio)),
    }
}
