//! Requests: the body of `POST /v1/chat/completions` as the contract's [`ChatRequest`].
//!
//! What the contract names is read once, typed; everything else is carried byte for byte. Ranges are the upstream's to judge, but
//! for what the gateway itself relies on.

mod message;
mod part;
mod response_format;
mod tagged;
mod tool;

use std::fmt;

use llm2api_proto::{ContractError, json_object, v1::ChatRequest};
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use self::{message::MessageJson, response_format::ResponseFormatJson, tool::ToolJson};
use crate::json_body::{
    self,
    fault::{self, invalid_value, missing},
};

/// Choices that a request may ask for, as OpenAI bounds them.
const MAX_CHOICES: i64 = 128;

/// A request, and what of it is the gateway's own business.
#[derive(Debug)]
pub(crate) struct ParsedRequest {
    /// What the core is asked.
    pub(crate) request: ChatRequest,
    /// Whether the answer is streamed.
    pub(crate) stream: bool,
    /// Whether the client wants a chunk with usage.
    pub(crate) include_usage: bool,
}

json_object! {
    struct RequestJson {
        model: String = "model",
        messages: Vec<MessageJson> = "messages",
        stream: bool = "stream",
        stream_options: StreamOptionsJson = "stream_options",
        tools: Vec<ToolJson> = "tools",
        tool_choice: Box<RawValue> = "tool_choice",
        parallel_tool_calls: bool = "parallel_tool_calls",
        response_format: ResponseFormatJson = "response_format",
        temperature: f64 = "temperature",
        top_p: f64 = "top_p",
        seed: i64 = "seed",
        stop: Stop = "stop",
        max_tokens: i64 = "max_tokens",
        max_completion_tokens: i64 = "max_completion_tokens",
        frequency_penalty: f64 = "frequency_penalty",
        presence_penalty: f64 = "presence_penalty",
        n: i64 = "n",
        logprobs: bool = "logprobs",
        top_logprobs: i32 = "top_logprobs",
        reasoning_effort: String = "reasoning_effort",
        web_search_options: Box<RawValue> = "web_search_options",
    }
}

json_object! {
    struct StreamOptionsJson {
        include_usage: bool = "include_usage",
    }
}

/// Reads a request.
///
/// # Errors
///
/// What is wrong with the body, as the client is told: always a reason of the kind 400.
pub(crate) fn parse(body: &[u8]) -> Result<ParsedRequest, ContractError> {
    translate(json_body::parse(body)?)
}

fn translate(json: RequestJson) -> Result<ParsedRequest, ContractError> {
    let RequestJson {
        model,
        messages,
        stream,
        stream_options,
        tools,
        tool_choice,
        parallel_tool_calls,
        response_format,
        temperature,
        top_p,
        seed,
        stop,
        max_tokens,
        max_completion_tokens,
        frequency_penalty,
        presence_penalty,
        n,
        logprobs,
        top_logprobs,
        reasoning_effort,
        web_search_options,
        extra_fields,
    } = json;
    let model = model
        .filter(|model| !model.is_empty())
        .ok_or_else(|| missing("model"))?;
    let messages = messages.ok_or_else(|| missing("messages"))?;
    if messages.is_empty() {
        return Err(invalid_value("messages", "expected at least one message"));
    }
    let stream = stream.unwrap_or(false);
    if stream_options.is_some() && !stream {
        return Err(invalid_value(
            "stream_options",
            "it is allowed only where 'stream' is true",
        ));
    }
    let n = match n {
        None => None,
        Some(n) if (1..=MAX_CHOICES).contains(&n) => i32::try_from(n).ok(),
        Some(_) => return Err(invalid_value("n", "expected 1 to 128")),
    };
    let stream_options = stream_options.unwrap_or_default();
    let request = ChatRequest {
        model,
        messages: messages
            .into_iter()
            .enumerate()
            .map(|(index, message)| message.translate(index))
            .collect::<Result<_, _>>()?,
        stream: Some(stream),
        tools: tools
            .unwrap_or_default()
            .into_iter()
            .enumerate()
            .map(|(index, tool)| tool.translate(index))
            .collect::<Result<_, _>>()?,
        tool_choice: tool_choice.map(tool::choice).transpose()?,
        parallel_tool_calls,
        response_format: response_format
            .map(ResponseFormatJson::translate)
            .transpose()?,
        temperature,
        top_p,
        seed,
        stop: stop.map(|stop| stop.0).unwrap_or_default(),
        max_tokens,
        max_completion_tokens,
        frequency_penalty,
        presence_penalty,
        n,
        logprobs,
        top_logprobs,
        reasoning_effort: reasoning_effort.unwrap_or_default(),
        stream_option_fields: stream_options.extra_fields,
        web_search: false,
        web_search_options_json: web_search_options
            .map(|options| object_text(options, "web_search_options"))
            .transpose()?
            .unwrap_or_default(),
        extra_fields,
    };
    Ok(ParsedRequest {
        request,
        stream,
        include_usage: stream_options.include_usage.unwrap_or(false),
    })
}

/// The texts of `stop`: one, or several.
#[derive(Debug)]
struct Stop(Vec<String>);

impl<'de> Deserialize<'de> for Stop {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StopVisitor;

        impl<'de> Visitor<'de> for StopVisitor {
            type Value = Stop;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or an array of strings")
            }

            fn visit_str<E>(self, text: &str) -> Result<Stop, E> {
                Ok(Stop(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<Stop, A::Error> {
                let mut stop = Vec::new();
                while let Some(text) = texts.next_element()? {
                    stop.push(text);
                }
                Ok(Stop(stop))
            }
        }

        deserializer.deserialize_any(StopVisitor)
    }
}

/// The JSON text that a raw value holds, without a copy.
fn json_text(raw: Box<RawValue>) -> String {
    String::from(Box::<str>::from(raw))
}

/// The JSON text that a raw value holds, which must be an object's.
fn object_text(raw: Box<RawValue>, name: &str) -> Result<String, ContractError> {
    let text = json_text(raw);
    match text.starts_with('{') {
        true => Ok(text),
        false => Err(fault::invalid_type(name, "an object")),
    }
}

#[cfg(test)]
mod tests;
