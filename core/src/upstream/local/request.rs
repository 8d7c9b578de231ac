//! A request of the contract as the engine's own.

use std::ops::RangeInclusive;

use llm2api_local::{Message, Request, Role, Sampling};
use llm2api_proto::v1::{self, ChatRequest, content_part::Part};

use super::super::{Failure, FailureKind, failure::UpstreamError};

/// OpenAI's ranges.
const TEMPERATURES: RangeInclusive<f64> = 0.0..=2.0;
const SHARES: RangeInclusive<f64> = 0.0..=1.0;
const PENALTIES: RangeInclusive<f64> = -2.0..=2.0;

/// Translates a request in which nothing is unsupported.
///
/// # Errors
///
/// A value that is out of its range: the client's mistake, named.
pub(super) fn translate(request: &ChatRequest) -> Result<Request, Failure> {
    let usual = Sampling::default();
    let number = |name, value: Option<f64>, range, usual: f32| match value {
        None => Ok(usual),
        Some(value) => in_range(name, value, range),
    };
    let sampling = Sampling {
        temperature: number(
            "temperature",
            request.temperature,
            TEMPERATURES,
            usual.temperature,
        )?,
        top_p: number("top_p", request.top_p, SHARES, usual.top_p)?,
        top_k: top_k(request)?,
        // Any number is a seed, negative ones too.
        seed: request.seed.map(i64::cast_unsigned),
        frequency_penalty: number(
            "frequency_penalty",
            request.frequency_penalty,
            PENALTIES,
            usual.frequency_penalty,
        )?,
        presence_penalty: number(
            "presence_penalty",
            request.presence_penalty,
            PENALTIES,
            usual.presence_penalty,
        )?,
    };
    // The newer name wins.
    let max_tokens = match request.max_completion_tokens {
        Some(count) => Some(at_least_one("max_completion_tokens", count)?),
        None => request
            .max_tokens
            .map(|count| at_least_one("max_tokens", count))
            .transpose()?,
    };
    Ok(Request {
        messages: request.messages.iter().map(message).collect(),
        sampling,
        stop: request.stop.clone(),
        max_tokens,
    })
}

/// The client's mistake.
pub(super) fn rejected(code: &str, param: &str, message: String) -> Failure {
    Failure {
        upstream_error: Some(UpstreamError {
            message,
            param: Some(param.to_owned()),
            code: Some(code.to_owned()),
            ..UpstreamError::default()
        }),
        ..Failure::new(FailureKind::Rejected, format!("{param} can't be used"))
    }
}

fn out_of_range(name: &str, expected: &str) -> Failure {
    rejected(
        "invalid_value",
        name,
        format!("Invalid value for '{name}': expected {expected}."),
    )
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the engine computes with this precision"
)]
fn in_range(name: &str, value: f64, range: RangeInclusive<f64>) -> Result<f32, Failure> {
    if range.contains(&value) {
        Ok(value as f32)
    } else {
        let expected = format!("a number from {} to {}", range.start(), range.end());
        Err(out_of_range(name, &expected))
    }
}

fn at_least_one(name: &str, count: i64) -> Result<usize, Failure> {
    // What no machine can count is as good as no bound.
    match count {
        1.. => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
        _ => Err(out_of_range(name, "1 or more")),
    }
}

/// `top_k`, which OpenAI doesn't have and most others do; there 0 and -1 mean all.
fn top_k(request: &ChatRequest) -> Result<Option<usize>, Failure> {
    let field = request
        .extra_fields
        .iter()
        .find(|field| field.name == "top_k");
    let Some(field) = field else { return Ok(None) };
    match serde_json::from_str::<Option<i64>>(&field.value_json) {
        Ok(None | Some(-1 | 0)) => Ok(None),
        Ok(Some(count)) => at_least_one("top_k", count).map(Some),
        Err(_) => Err(out_of_range("top_k", "a whole number")),
    }
}

fn message(message: &v1::Message) -> Message {
    Message {
        role: match message.role.as_str() {
            "developer" => Role::Developer,
            "system" => Role::System,
            "assistant" => Role::Assistant,
            // Others have been checked: those of tools are unsupported, and there are no more.
            _ => Role::User,
        },
        content: text(message),
    }
}

/// The text of a message; its parts are lines, as other servers of such models have it.
fn text(message: &v1::Message) -> String {
    if let Some(content) = &message.content {
        return content.clone();
    }
    let parts: Vec<&str> = message
        .content_parts
        .iter()
        .filter_map(|part| match &part.part {
            Some(Part::Text(text) | Part::Refusal(text)) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    if parts.is_empty() {
        message.refusal.clone().unwrap_or_default()
    } else {
        parts.join("\n")
    }
}
