//! What the model can't do, and whose loss would change the answer's meaning.

use llm2api_proto::v1::{ChatRequest, Message, RawField, content_part::Part, tool_choice::Choice};

/// The first field of a request that the model can't honour.
pub(super) fn unsupported_field(request: &ChatRequest) -> Option<&'static str> {
    let asks_for = [
        ("tools", has_tools(request)),
        ("tool_choice", must_call(request)),
        ("functions", has_functions(request)),
        ("response_format", has_form(request)),
        ("n", request.n.is_some_and(|n| n > 1)),
        ("logprobs", request.logprobs == Some(true)),
        (
            "top_logprobs",
            request.top_logprobs.is_some_and(|count| count > 0),
        ),
        ("modalities", wants_speech(request)),
    ];
    let of_request = asks_for
        .into_iter()
        .find_map(|(field, asked)| asked.then_some(field));
    of_request.or_else(|| request.messages.iter().find_map(of_message))
}

/// Tools that the model may call: where it must not, they change nothing.
fn has_tools(request: &ChatRequest) -> bool {
    !request.tools.is_empty() && mode(request) != Some("none")
}

fn must_call(request: &ChatRequest) -> bool {
    request.tool_choice.is_some() && !matches!(mode(request), Some("none" | "auto"))
}

fn mode(request: &ChatRequest) -> Option<&str> {
    match request.tool_choice.as_ref()?.choice.as_ref()? {
        Choice::Mode(mode) => Some(mode),
        Choice::Function(_) | Choice::Custom(_) | Choice::OtherJson(_) => None,
    }
}

/// The deprecated form of tools.
fn has_functions(request: &ChatRequest) -> bool {
    let functions: Option<Vec<serde::de::IgnoredAny>> = extra(request, "functions");
    functions.is_some_and(|functions| !functions.is_empty())
}

fn has_form(request: &ChatRequest) -> bool {
    request
        .response_format
        .as_ref()
        .is_some_and(|format| format.r#type != "text")
}

fn wants_speech(request: &ChatRequest) -> bool {
    let modalities: Option<Vec<String>> = extra(request, "modalities");
    modalities.is_some_and(|modalities| modalities.iter().any(|modality| modality != "text"))
}

/// A member of the request that the contract doesn't name, where it has this form.
fn extra<'a, T: serde::Deserialize<'a>>(request: &'a ChatRequest, name: &str) -> Option<T> {
    let RawField { value_json, .. } = request
        .extra_fields
        .iter()
        .find(|field| field.name == name)?;
    serde_json::from_str(value_json).ok()
}

fn of_message(message: &Message) -> Option<&'static str> {
    if !message.tool_calls.is_empty() || matches!(message.role.as_str(), "tool" | "function") {
        return Some("tool_calls");
    }
    if message.function_call.is_some() {
        return Some("function_call");
    }
    if !message.audio_id.is_empty() {
        return Some("audio");
    }
    message
        .content_parts
        .iter()
        .find_map(|part| match &part.part {
            Some(Part::Text(_) | Part::Refusal(_)) | None => None,
            Some(Part::ImageUrl(_)) => Some("image_url"),
            Some(Part::InputAudio(_)) => Some("input_audio"),
            Some(Part::File(_)) => Some("file"),
            Some(Part::OtherJson(_)) => Some("content"),
        })
}
