//! `x_llm2api`: what has no standard field.

use bytes::BytesMut;
use llm2api_proto::v1::ChatStart;

use super::json;

/// The model's name at the upstream, where it differs from the one that is shown.
pub(crate) fn upstream_model(start: &ChatStart) -> Option<&str> {
    Some(start.upstream_model.as_str()).filter(|name| !name.is_empty() && *name != start.model)
}

/// Writes the member `x_llm2api` into an object that has members already; nothing where there is nothing to say.
pub(crate) fn write(out: &mut BytesMut, start: Option<&ChatStart>, usage_estimated: bool) {
    let begin = out.len();
    let mut separator = r#","x_llm2api":{"#;
    if usage_estimated {
        json::text(out, separator);
        json::text(out, r#""usage_estimated":true"#);
        separator = ",";
    }
    if let Some(start) = start {
        if !start.fallback_from.is_empty() {
            json::text(out, separator);
            json::text(out, r#""fallback_from":"#);
            json::string(out, &start.fallback_from);
            separator = ",";
        }
        if let Some(name) = upstream_model(start) {
            json::text(out, separator);
            json::text(out, r#""upstream_model":"#);
            json::string(out, name);
            separator = ",";
        }
        if !start.search.is_empty() {
            json::text(out, separator);
            json::text(out, r#""search":"#);
            json::string(out, &start.search);
            separator = ",";
        }
        if start.attempt_count > 1 {
            json::text(out, separator);
            json::text(out, r#""attempts":"#);
            json::integer(out, i64::from(start.attempt_count));
        }
    }
    if out.len() > begin {
        json::text(out, "}");
    }
}
