//! Messages of a conversation, as JSON.

use llm2api_proto::v1::{
    ContentPart, FunctionCall, Message, RawField, ToolCall, content_part::Part, tool_call::Call,
};

use super::json_object::{Object, SpliceError, write_array, write_json};

/// Members that are written from fields of the contract.
const NAMES: &[&str] = &[
    "role",
    "content",
    "name",
    "refusal",
    "reasoning_content",
    "audio",
    "tool_calls",
    "tool_call_id",
    "function_call",
];

/// Writes one message.
pub(super) fn write(out: &mut Vec<u8>, message: &Message) -> Result<(), SpliceError> {
    let mut object = Object::begin(out);
    object.value("role", message.role.as_str());
    if message.content_parts.is_empty() {
        // Null where there is none: some want the member even of an assistant that only called tools.
        object.value("content", &message.content);
    } else {
        write_array(object.name("content"), &message.content_parts, write_part)?;
    }
    object.non_empty("name", &message.name);
    object.optional("refusal", message.refusal.as_ref());
    object.optional("reasoning_content", message.reasoning_content.as_ref());
    if !message.audio_id.is_empty() {
        let mut audio = Object::begin(object.name("audio"));
        audio.value("id", message.audio_id.as_str());
        audio.end();
    }
    if !message.tool_calls.is_empty() {
        write_array(object.name("tool_calls"), &message.tool_calls, write_call)?;
    }
    object.non_empty("tool_call_id", &message.tool_call_id);
    if let Some(call) = &message.function_call {
        write_function(object.name("function_call"), call)?;
    }
    object.splice(&message.extra_fields, NAMES)?;
    object.end();
    Ok(())
}

fn write_part(out: &mut Vec<u8>, part: &ContentPart) -> Result<(), SpliceError> {
    let mut object = match &part.part {
        Some(Part::OtherJson(json)) => return write_json(out, "content", json),
        Some(_) | None => Object::begin(out),
    };
    let name = match &part.part {
        Some(Part::Text(text)) => {
            object.value("type", "text");
            object.value("text", text);
            "text"
        }
        Some(Part::Refusal(text)) => {
            object.value("type", "refusal");
            object.value("refusal", text);
            "refusal"
        }
        Some(Part::ImageUrl(image)) => {
            object.value("type", "image_url");
            let mut inner = Object::begin(object.name("image_url"));
            inner.value("url", &image.url);
            inner.non_empty("detail", &image.detail);
            inner.splice(&image.extra_fields, &["url", "detail"])?;
            inner.end();
            "image_url"
        }
        Some(Part::InputAudio(audio)) => {
            object.value("type", "input_audio");
            let mut inner = Object::begin(object.name("input_audio"));
            inner.value("data", &audio.data);
            inner.non_empty("format", &audio.format);
            inner.splice(&audio.extra_fields, &["data", "format"])?;
            inner.end();
            "input_audio"
        }
        Some(Part::File(file)) => {
            object.value("type", "file");
            let mut inner = Object::begin(object.name("file"));
            inner.non_empty("filename", &file.filename);
            inner.non_empty("file_data", &file.file_data);
            inner.non_empty("file_id", &file.file_id);
            inner.splice(&file.extra_fields, &["filename", "file_data", "file_id"])?;
            inner.end();
            "file"
        }
        // Whatever it is lies in the other members.
        Some(Part::OtherJson(_)) | None => {
            return finish(object, &part.extra_fields, &[]);
        }
    };
    finish(object, &part.extra_fields, &["type", name])
}

fn write_call(out: &mut Vec<u8>, call: &ToolCall) -> Result<(), SpliceError> {
    let mut object = Object::begin(out);
    object.non_empty("id", &call.id);
    match &call.call {
        Some(Call::Function(function)) => {
            object.value("type", "function");
            write_function(object.name("function"), function)?;
            finish(object, &call.extra_fields, &["id", "type", "function"])
        }
        Some(Call::Custom(custom)) => {
            object.value("type", "custom");
            let mut inner = Object::begin(object.name("custom"));
            inner.value("name", &custom.name);
            inner.value("input", &custom.input);
            inner.splice(&custom.extra_fields, &["name", "input"])?;
            inner.end();
            finish(object, &call.extra_fields, &["id", "type", "custom"])
        }
        None => finish(object, &call.extra_fields, &["id"]),
    }
}

fn write_function(out: &mut Vec<u8>, call: &FunctionCall) -> Result<(), SpliceError> {
    let mut object = Object::begin(out);
    object.value("name", &call.name);
    object.value("arguments", &call.arguments);
    finish(object, &call.extra_fields, &["name", "arguments"])
}

fn finish(
    mut object: Object<'_>,
    extra_fields: &[RawField],
    known: &[&str],
) -> Result<(), SpliceError> {
    object.splice(extra_fields, known)?;
    object.end();
    Ok(())
}
