//! What an answer cost, as JSON.

use bytes::BytesMut;
use llm2api_proto::v1::{CompletionTokensDetails, PromptTokensDetails, Usage};

use super::json;

/// Writes the object behind `usage`; details only where they were reported.
pub(crate) fn write(out: &mut BytesMut, usage: &Usage) {
    json::text(out, r#"{"prompt_tokens":"#);
    json::integer(out, usage.prompt_tokens);
    json::text(out, r#","completion_tokens":"#);
    json::integer(out, usage.completion_tokens);
    json::text(out, r#","total_tokens":"#);
    json::integer(out, usage.total_tokens);
    if let Some(details) = &usage.prompt_tokens_details {
        json::text(out, r#","prompt_tokens_details":"#);
        write_prompt_details(out, details);
    }
    if let Some(details) = &usage.completion_tokens_details {
        json::text(out, r#","completion_tokens_details":"#);
        write_completion_details(out, details);
    }
    json::extra_fields(
        out,
        &usage.extra_fields,
        &[
            "prompt_tokens",
            "completion_tokens",
            "total_tokens",
            "prompt_tokens_details",
            "completion_tokens_details",
        ],
    );
    json::text(out, "}");
}

fn write_prompt_details(out: &mut BytesMut, details: &PromptTokensDetails) {
    let counts = [
        ("cached_tokens", details.cached_tokens),
        ("audio_tokens", details.audio_tokens),
    ];
    write_details(out, &counts, &details.extra_fields);
}

fn write_completion_details(out: &mut BytesMut, details: &CompletionTokensDetails) {
    let counts = [
        ("reasoning_tokens", details.reasoning_tokens),
        ("audio_tokens", details.audio_tokens),
        (
            "accepted_prediction_tokens",
            details.accepted_prediction_tokens,
        ),
        (
            "rejected_prediction_tokens",
            details.rejected_prediction_tokens,
        ),
    ];
    write_details(out, &counts, &details.extra_fields);
}

fn write_details(
    out: &mut BytesMut,
    counts: &[(&str, Option<i64>)],
    extra_fields: &[llm2api_proto::v1::RawField],
) {
    let known = counts
        .iter()
        .filter_map(|&(name, count)| count.map(|count| (name, count)));
    let mut separator = "{";
    for (name, count) in known {
        json::text(out, separator);
        json::string(out, name);
        json::text(out, ":");
        json::integer(out, count);
        separator = ",";
    }
    for field in extra_fields {
        if counts.iter().all(|&(name, _)| name != field.name) {
            json::text(out, separator);
            json::string(out, &field.name);
            json::text(out, ":");
            json::raw(out, &field.value_json);
            separator = ",";
        }
    }
    json::text(out, if separator == "{" { "{}" } else { "}" });
}
