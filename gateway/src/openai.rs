//! OpenAI's JSON on one side, the contract's messages on the other: values in, values out; no sockets, no clocks.

pub(crate) mod answer;
mod audio;
pub(crate) mod chunk;
mod extension;
pub(crate) mod json;
mod logprobs;
pub(crate) mod models;
pub(crate) mod request;
mod tool_call;
mod usage;

pub(crate) use extension::upstream_model;

use llm2api_proto::v1::{FinishReason, UrlCitation};

/// The word for why a choice ended.
fn finish_reason(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Unspecified | FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::FunctionCall => "function_call",
    }
}

/// Writes the sources of a text, the array's value.
fn write_annotations(out: &mut bytes::BytesMut, annotations: &[UrlCitation]) {
    json::text(out, "[");
    for (place, citation) in annotations.iter().enumerate() {
        if place > 0 {
            json::text(out, ",");
        }
        if !citation.other_json.is_empty() {
            json::raw(out, &citation.other_json);
            continue;
        }
        json::text(
            out,
            r#"{"type":"url_citation","url_citation":{"start_index":"#,
        );
        json::integer(out, citation.start_index);
        json::text(out, r#","end_index":"#);
        json::integer(out, citation.end_index);
        json::text(out, r#","url":"#);
        json::string(out, &citation.url);
        json::text(out, r#","title":"#);
        json::string(out, &citation.title);
        json::text(out, "}}");
    }
    json::text(out, "]");
}
