//! Messages of a conversation, and the tool calls in them.

use super::{
    fault::{invalid_value, missing},
    part::ContentJson,
};
use llm2api_proto::{
    ContractError, json_object,
    v1::{CustomToolCall, FunctionCall, Message, ToolCall, tool_call::Call},
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
        audio: AudioIdJson = "audio",
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
    /// An earlier spoken answer. Its id is all that counts: a client that sends the answer back whole means the same.
    pub(super) struct AudioIdJson {
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
        let audio_id = match self.audio {
            None => String::new(),
            Some(audio) => audio
                .id
                .ok_or_else(|| missing(format!("messages[{index}].audio.id")))?,
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
            extra_fields: self.extra_fields,
        })
    }
}

impl ToolCallJson {
    fn translate(self, message: usize, index: usize) -> Result<ToolCall, ContractError> {
        let place = |member| format!("messages[{message}].tool_calls[{index}].{member}");
        let call = match (self.tag.as_deref(), self.function, self.custom) {
            (None | Some("function"), Some(function), None) => Call::Function(function.translate()),
            (None | Some("custom"), None, Some(custom)) => Call::Custom(custom.translate()),
            (None | Some("function"), None, _) => return Err(missing(place("function"))),
            (Some("custom"), _, None) => return Err(missing(place("custom"))),
            (None | Some("function" | "custom"), Some(_), Some(_)) => {
                return Err(invalid_value(
                    place("custom"),
                    "a call has a function or a custom tool, not both",
                ));
            }
            (Some(_), ..) => {
                return Err(invalid_value(
                    place("type"),
                    "expected 'function' or 'custom'",
                ));
            }
        };
        Ok(ToolCall {
            index: i32::try_from(index).unwrap_or(i32::MAX),
            id: self.id.unwrap_or_default(),
            call: Some(call),
            extra_fields: self.extra_fields,
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
