//! What a chat request must be before it is answered, whoever sent it.
//!
//! The gateway sends only what passes; a caller of the contract may send anything. What is checked here is what the adapters rely on.

use std::fmt;

use llm2api_proto::{
    ContractError, MAX_EXTRA_FIELDS,
    v1::{
        ChatRequest, ContentPart, ErrorReason, Message, RawField, Tool, ToolCall,
        content_part::Part, tool, tool_call::Call, tool_choice::Choice,
    },
};
use serde::de::IgnoredAny;

/// Names of the request's JSON members that the contract has fields for, or that are ours to set.
const REQUEST_MEMBERS: &[&str] = &[
    "model",
    "messages",
    "stream",
    "stream_options",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "temperature",
    "top_p",
    "seed",
    "stop",
    "max_tokens",
    "max_completion_tokens",
    "frequency_penalty",
    "presence_penalty",
    "n",
    "logprobs",
    "top_logprobs",
    "reasoning_effort",
    "web_search_options",
];
const STREAM_OPTION_MEMBERS: &[&str] = &["include_usage"];
const MESSAGE_MEMBERS: &[&str] = &[
    "role",
    "content",
    "name",
    "tool_calls",
    "tool_call_id",
    "refusal",
    "reasoning_content",
    "audio",
    "function_call",
];
const PART_MEMBERS: &[&str] = &[
    "type",
    "text",
    "image_url",
    "input_audio",
    "file",
    "refusal",
];
const IMAGE_MEMBERS: &[&str] = &["url", "detail"];
const AUDIO_MEMBERS: &[&str] = &["data", "format"];
const FILE_MEMBERS: &[&str] = &["filename", "file_data", "file_id"];
const CALL_MEMBERS: &[&str] = &["id", "type", "function", "custom"];
const FUNCTION_CALL_MEMBERS: &[&str] = &["name", "arguments"];
const CUSTOM_CALL_MEMBERS: &[&str] = &["name", "input"];
const TOOL_MEMBERS: &[&str] = &["type", "function", "custom"];
const FUNCTION_MEMBERS: &[&str] = &["name", "description", "parameters", "strict"];
const CUSTOM_MEMBERS: &[&str] = &["name", "description", "format"];
const FORMAT_MEMBERS: &[&str] = &["type", "json_schema"];
const SCHEMA_MEMBERS: &[&str] = &["name", "description", "schema", "strict"];

const ROLES: &[&str] = &[
    "developer",
    "system",
    "user",
    "assistant",
    "tool",
    "function",
];
/// The most choices a request may ask for, by OpenAI's specification.
const MAX_CHOICES: i32 = 128;

/// Checks a request.
///
/// # Errors
///
/// What is wrong, with the field at fault as `param`.
pub(super) fn validate(request: &ChatRequest) -> Result<(), ContractError> {
    if request.model.is_empty() {
        return Err(missing(&Path::Member(&Path::Request, "model")));
    }
    if request.messages.is_empty() {
        return Err(missing(&Path::Member(&Path::Request, "messages")));
    }
    if request.n.is_some_and(|n| !(1..=MAX_CHOICES).contains(&n)) {
        return Err(invalid(
            &Path::Member(&Path::Request, "n"),
            format!("`n` must be from 1 to {MAX_CHOICES}."),
        ));
    }
    let messages = Path::Member(&Path::Request, "messages");
    for (at, message) in request.messages.iter().enumerate() {
        check_message(&Path::Item(&messages, at), message)?;
    }
    let tools = Path::Member(&Path::Request, "tools");
    for (at, tool) in request.tools.iter().enumerate() {
        check_tool(&Path::Item(&tools, at), tool)?;
    }
    if let Some(Choice::OtherJson(json)) = request
        .tool_choice
        .as_ref()
        .and_then(|choice| choice.choice.as_ref())
    {
        check_json(&Path::Member(&Path::Request, "tool_choice"), json)?;
    }
    if let Some(format) = &request.response_format {
        let path = Path::Member(&Path::Request, "response_format");
        check_fields(&path, &format.extra_fields, FORMAT_MEMBERS)?;
        if let Some(schema) = &format.json_schema {
            let path = Path::Member(&path, "json_schema");
            check_optional_json(&Path::Member(&path, "schema"), &schema.schema_json)?;
            check_fields(&path, &schema.extra_fields, SCHEMA_MEMBERS)?;
        }
    }
    check_optional_json(
        &Path::Member(&Path::Request, "web_search_options"),
        &request.web_search_options_json,
    )?;
    let stream_options = Path::Member(&Path::Request, "stream_options");
    check_fields(
        &stream_options,
        &request.stream_option_fields,
        STREAM_OPTION_MEMBERS,
    )?;
    check_fields(&Path::Request, &request.extra_fields, REQUEST_MEMBERS)
}

/// Where in a request something is; written out only where something is wrong.
#[derive(Clone, Copy)]
enum Path<'a> {
    Request,
    Member(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request => Ok(()),
            Self::Member(Self::Request, name) => formatter.write_str(name),
            Self::Member(parent, name) => write!(formatter, "{parent}.{name}"),
            Self::Item(parent, at) => write!(formatter, "{parent}[{at}]"),
        }
    }
}

fn check_message(path: &Path<'_>, message: &Message) -> Result<(), ContractError> {
    if !ROLES.contains(&message.role.as_str()) {
        let path = Path::Member(path, "role");
        return Err(invalid(
            &path,
            format!("`{path}` must be one of {}.", ROLES.join(", ")),
        ));
    }
    if message.content.is_some() && !message.content_parts.is_empty() {
        return Err(invalid(
            &Path::Member(path, "content_parts"),
            format!("`{path}` has both `content` and `content_parts`; send one of them."),
        ));
    }
    let content = Path::Member(path, "content");
    for (at, part) in message.content_parts.iter().enumerate() {
        check_part(&Path::Item(&content, at), part)?;
    }
    let tool_calls = Path::Member(path, "tool_calls");
    for (at, call) in message.tool_calls.iter().enumerate() {
        check_call(&Path::Item(&tool_calls, at), call)?;
    }
    if let Some(call) = &message.function_call {
        check_fields(
            &Path::Member(path, "function_call"),
            &call.extra_fields,
            FUNCTION_CALL_MEMBERS,
        )?;
    }
    check_fields(path, &message.extra_fields, MESSAGE_MEMBERS)
}

fn check_part(path: &Path<'_>, part: &ContentPart) -> Result<(), ContractError> {
    let member = |name, fields, known| check_fields(&Path::Member(path, name), fields, known);
    match &part.part {
        Some(Part::Text(_) | Part::Refusal(_)) => {}
        Some(Part::ImageUrl(image)) => member("image_url", &image.extra_fields, IMAGE_MEMBERS)?,
        Some(Part::InputAudio(audio)) => member("input_audio", &audio.extra_fields, AUDIO_MEMBERS)?,
        Some(Part::File(file)) => member("file", &file.extra_fields, FILE_MEMBERS)?,
        Some(Part::OtherJson(json)) => check_json(path, json)?,
        None => return Err(missing(path)),
    }
    check_fields(path, &part.extra_fields, PART_MEMBERS)
}

fn check_call(path: &Path<'_>, call: &ToolCall) -> Result<(), ContractError> {
    let member = |name, fields, known| check_fields(&Path::Member(path, name), fields, known);
    match &call.call {
        Some(Call::Function(function)) => {
            member("function", &function.extra_fields, FUNCTION_CALL_MEMBERS)?
        }
        Some(Call::Custom(custom)) => member("custom", &custom.extra_fields, CUSTOM_CALL_MEMBERS)?,
        None => return Err(missing(&Path::Member(path, "function"))),
    }
    check_fields(path, &call.extra_fields, CALL_MEMBERS)
}

fn check_tool(path: &Path<'_>, tool: &Tool) -> Result<(), ContractError> {
    match &tool.tool {
        Some(tool::Tool::Function(function)) => {
            let path = Path::Member(path, "function");
            check_optional_json(
                &Path::Member(&path, "parameters"),
                &function.parameters_json,
            )?;
            check_fields(&path, &function.extra_fields, FUNCTION_MEMBERS)?;
        }
        Some(tool::Tool::Custom(custom)) => {
            let path = Path::Member(path, "custom");
            check_optional_json(&Path::Member(&path, "format"), &custom.format_json)?;
            check_fields(&path, &custom.extra_fields, CUSTOM_MEMBERS)?;
        }
        Some(tool::Tool::OtherJson(json)) => check_json(path, json)?,
        None => return Err(missing(&Path::Member(path, "function"))),
    }
    check_fields(path, &tool.extra_fields, TOOL_MEMBERS)
}

/// Checks members that the contract doesn't name: that it really doesn't, that none comes twice, and that each is JSON.
fn check_fields(path: &Path<'_>, fields: &[RawField], known: &[&str]) -> Result<(), ContractError> {
    if fields.len() > MAX_EXTRA_FIELDS {
        return Err(invalid(
            path,
            format!("`{path}` has more than {MAX_EXTRA_FIELDS} extra fields."),
        ));
    }
    for (at, field) in fields.iter().enumerate() {
        let path = Path::Member(path, &field.name);
        if known.contains(&field.name.as_str()) {
            return Err(invalid(
                &path,
                format!(
                    "`{path}` has a field of its own in the contract; it can't be an extra field."
                ),
            ));
        }
        if fields[..at].iter().any(|before| before.name == field.name) {
            return Err(invalid(&path, format!("`{path}` comes twice.")));
        }
        check_json(&path, &field.value_json)?;
    }
    Ok(())
}

fn check_optional_json(path: &Path<'_>, json: &str) -> Result<(), ContractError> {
    if json.is_empty() {
        Ok(())
    } else {
        check_json(path, json)
    }
}

fn check_json(path: &Path<'_>, json: &str) -> Result<(), ContractError> {
    match serde_json::from_str::<IgnoredAny>(json) {
        Ok(_) => Ok(()),
        Err(error) => {
            let message = format!("`{path}` is not valid JSON: {error}.");
            Err(ContractError::new(ErrorReason::InvalidJson, message).with_param(path.to_string()))
        }
    }
}

fn missing(path: &Path<'_>) -> ContractError {
    let message = format!("Missing required parameter: `{path}`.");
    ContractError::new(ErrorReason::MissingRequiredParameter, message).with_param(path.to_string())
}

fn invalid(path: &Path<'_>, message: String) -> ContractError {
    ContractError::new(ErrorReason::InvalidValue, message).with_param(path.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> ChatRequest {
        let message = Message {
            role: "user".to_owned(),
            content: Some("hi".to_owned()),
            ..Message::default()
        };
        ChatRequest {
            model: "m".to_owned(),
            messages: vec![message],
            ..ChatRequest::default()
        }
    }

    fn extra(name: &str, value_json: &str) -> Vec<RawField> {
        vec![RawField {
            name: name.to_owned(),
            value_json: value_json.to_owned(),
        }]
    }

    #[test]
    fn what_a_person_types_passes() {
        assert_eq!(validate(&request()), Ok(()));
        let request = ChatRequest {
            extra_fields: extra("top_k", "40"),
            ..request()
        };
        assert_eq!(validate(&request), Ok(()));
    }

    #[test]
    fn each_fault_names_its_field() {
        let message = |message| ChatRequest {
            messages: vec![message],
            ..request()
        };
        let user = || request().messages.remove(0);
        for (faulty, reason, param) in [
            (
                ChatRequest {
                    model: String::new(),
                    ..request()
                },
                ErrorReason::MissingRequiredParameter,
                "model",
            ),
            (
                ChatRequest {
                    messages: Vec::new(),
                    ..request()
                },
                ErrorReason::MissingRequiredParameter,
                "messages",
            ),
            (
                ChatRequest {
                    n: Some(0),
                    ..request()
                },
                ErrorReason::InvalidValue,
                "n",
            ),
            (
                ChatRequest {
                    n: Some(129),
                    ..request()
                },
                ErrorReason::InvalidValue,
                "n",
            ),
            (
                message(Message {
                    role: "robot".to_owned(),
                    ..user()
                }),
                ErrorReason::InvalidValue,
                "messages[0].role",
            ),
            (
                message(Message {
                    content_parts: vec![ContentPart::default()],
                    ..user()
                }),
                ErrorReason::InvalidValue,
                "messages[0].content_parts",
            ),
            (
                message(Message {
                    content: None,
                    content_parts: vec![ContentPart::default()],
                    ..user()
                }),
                ErrorReason::MissingRequiredParameter,
                "messages[0].content[0]",
            ),
            (
                message(Message {
                    extra_fields: extra("x", "{"),
                    ..user()
                }),
                ErrorReason::InvalidJson,
                "messages[0].x",
            ),
            (
                ChatRequest {
                    extra_fields: extra("messages", "[]"),
                    ..request()
                },
                ErrorReason::InvalidValue,
                "messages",
            ),
            (
                ChatRequest {
                    extra_fields: [extra("x", "1"), extra("x", "2")].concat(),
                    ..request()
                },
                ErrorReason::InvalidValue,
                "x",
            ),
            (
                ChatRequest {
                    extra_fields: extra("x", "1,\"model\":\"other\""),
                    ..request()
                },
                ErrorReason::InvalidJson,
                "x",
            ),
            (
                ChatRequest {
                    tools: vec![Tool::default()],
                    ..request()
                },
                ErrorReason::MissingRequiredParameter,
                "tools[0].function",
            ),
            (
                ChatRequest {
                    stream_option_fields: extra("include_usage", "false"),
                    ..request()
                },
                ErrorReason::InvalidValue,
                "stream_options.include_usage",
            ),
        ] {
            let error = validate(&faulty).expect_err(param);
            assert_eq!(
                (error.reason, error.param.as_deref()),
                (reason, Some(param))
            );
        }
    }
}
