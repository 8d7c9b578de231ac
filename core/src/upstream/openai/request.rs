//! From the contract's request to the JSON that is sent.
//!
//! What the contract names is written anew; what it doesn't is spliced in byte for byte. Members come in a fixed order, so that equal
//! requests are equal bytes and hit the upstream's prompt cache.

mod json_object;
mod message;
mod tool;

use llm2api_proto::v1::ChatRequest;

pub(super) use self::json_object::SpliceError;
use self::json_object::{Object, write_array, write_json};

/// Members that are written from fields of the contract.
const NAMES: &[&str] = &[
    "model",
    "messages",
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
    "stream",
    "stream_options",
];

/// Writes the body that asks `model` for a stream with usage.
///
/// # Errors
///
/// [`SpliceError`] where a field that carries JSON does not, or would say again what another field says.
pub(super) fn encode(request: &ChatRequest, model: &str) -> Result<Vec<u8>, SpliceError> {
    let mut body = Vec::with_capacity(1024);
    let mut object = Object::begin(&mut body);
    object.value("model", model);
    write_array(object.name("messages"), &request.messages, message::write)?;
    if !request.tools.is_empty() {
        write_array(object.name("tools"), &request.tools, tool::write)?;
        // Some refuse it where there is nothing to call.
        object.optional("parallel_tool_calls", request.parallel_tool_calls);
    }
    if let Some(choice) = &request.tool_choice {
        tool::write_choice(&mut object, choice)?;
    }
    if let Some(format) = &request.response_format {
        tool::write_response_format(object.name("response_format"), format)?;
    }
    object.optional("temperature", request.temperature);
    object.optional("top_p", request.top_p);
    object.optional("seed", request.seed);
    if !request.stop.is_empty() {
        object.value("stop", &request.stop);
    }
    object.optional("max_tokens", request.max_tokens);
    object.optional("max_completion_tokens", request.max_completion_tokens);
    object.optional("frequency_penalty", request.frequency_penalty);
    object.optional("presence_penalty", request.presence_penalty);
    object.optional("n", request.n);
    object.optional("logprobs", request.logprobs);
    object.optional("top_logprobs", request.top_logprobs);
    object.non_empty("reasoning_effort", &request.reasoning_effort);
    if !request.web_search_options_json.is_empty() {
        write_json(
            object.name("web_search_options"),
            "web_search_options",
            &request.web_search_options_json,
        )?;
    }
    object.splice(&request.extra_fields, NAMES)?;
    object.value("stream", &true);
    let mut options = Object::begin(object.name("stream_options"));
    options.value("include_usage", &true);
    options.splice(&request.stream_option_fields, &["include_usage"])?;
    options.end();
    object.end();
    Ok(body)
}

#[cfg(test)]
mod tests;
