//! Log probabilities, as JSON.

use bytes::BytesMut;
use llm2api_proto::v1::{Logprobs, TokenLogprob, TokenLogprobs};

use super::json;

/// Writes the value behind `logprobs`: an object, or `null` where there are none.
pub(crate) fn write(out: &mut BytesMut, logprobs: Option<&Logprobs>) {
    let Some(logprobs) = logprobs else {
        json::text(out, "null");
        return;
    };
    json::text(out, r#"{"content":"#);
    write_run(out, logprobs.content.as_ref());
    json::text(out, r#","refusal":"#);
    write_run(out, logprobs.refusal.as_ref());
    json::extra_fields(out, &logprobs.extra_fields, &["content", "refusal"]);
    json::text(out, "}");
}

fn write_run(out: &mut BytesMut, run: Option<&TokenLogprobs>) {
    match run {
        Some(run) => write_tokens(out, &run.tokens, true),
        None => json::text(out, "null"),
    }
}

/// `top_logprobs` belongs to the tokens of the text, not to their alternatives.
fn write_tokens(out: &mut BytesMut, tokens: &[TokenLogprob], with_alternatives: bool) {
    json::text(out, "[");
    for (place, token) in tokens.iter().enumerate() {
        json::text(
            out,
            if place > 0 {
                r#",{"token":"#
            } else {
                r#"{"token":"#
            },
        );
        json::string(out, &token.token);
        json::text(out, r#","logprob":"#);
        json::number(out, token.logprob);
        json::text(out, r#","bytes":"#);
        match &token.bytes {
            Some(bytes) => write_bytes(out, bytes),
            None => json::text(out, "null"),
        }
        if with_alternatives {
            json::text(out, r#","top_logprobs":"#);
            write_tokens(out, &token.top_logprobs, false);
        }
        json::extra_fields(
            out,
            &token.extra_fields,
            &["token", "logprob", "bytes", "top_logprobs"],
        );
        json::text(out, "}");
    }
    json::text(out, "]");
}

fn write_bytes(out: &mut BytesMut, bytes: &[u8]) {
    json::text(out, "[");
    for (place, &byte) in bytes.iter().enumerate() {
        if place > 0 {
            json::text(out, ",");
        }
        json::integer(out, i64::from(byte));
    }
    json::text(out, "]");
}
