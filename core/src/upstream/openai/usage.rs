//! What an upstream says that an answer cost.

use llm2api_proto::v1;

use super::{json_value::Integer, wire};

/// The usage, where the upstream's object tells any: zeros stand for not having counted, since no prompt is empty.
pub(super) fn usage(usage: wire::Usage) -> Option<v1::Usage> {
    let count = |integer: Option<Integer>| integer.map_or(0, |integer| integer.0);
    let prompt_tokens = count(usage.prompt_tokens);
    let completion_tokens = count(usage.completion_tokens);
    if prompt_tokens == 0 && completion_tokens == 0 && count(usage.total_tokens) == 0 {
        return None;
    }
    Some(v1::Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens: usage.total_tokens.map_or_else(
            || prompt_tokens.saturating_add(completion_tokens),
            |total| total.0,
        ),
        prompt_tokens_details: usage.prompt_tokens_details.map(|details| {
            Box::new(v1::PromptTokensDetails {
                cached_tokens: details.cached_tokens.map(|tokens| tokens.0),
                audio_tokens: details.audio_tokens.map(|tokens| tokens.0),
                extra_fields: details.extra_fields,
            })
        }),
        completion_tokens_details: usage.completion_tokens_details.map(|details| {
            Box::new(v1::CompletionTokensDetails {
                reasoning_tokens: details.reasoning_tokens.map(|tokens| tokens.0),
                audio_tokens: details.audio_tokens.map(|tokens| tokens.0),
                accepted_prediction_tokens: details
                    .accepted_prediction_tokens
                    .map(|tokens| tokens.0),
                rejected_prediction_tokens: details
                    .rejected_prediction_tokens
                    .map(|tokens| tokens.0),
                extra_fields: details.extra_fields,
            })
        }),
        estimated: false,
        extra_fields: usage.extra_fields,
    })
}
