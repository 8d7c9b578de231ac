//! Speech in an answer, as JSON: whole, or in pieces.

use bytes::BytesMut;
use llm2api_proto::v1::AudioDelta;

use super::json;

const OWN_NAMES: &[&str] = &["id", "data", "transcript", "expires_at"];

/// Writes the object behind a delta's `audio`: only what is there.
pub(crate) fn write_piece(out: &mut BytesMut, audio: &AudioDelta) {
    write(out, audio, false);
}

/// Writes the object behind a message's `audio`: all of its members.
pub(crate) fn write_whole(out: &mut BytesMut, audio: &AudioDelta) {
    write(out, audio, true);
}

fn write(out: &mut BytesMut, audio: &AudioDelta, whole: bool) {
    let mut separator = "{";
    let mut name = |out: &mut BytesMut, name: &str| {
        json::text(out, separator);
        json::string(out, name);
        json::text(out, ":");
        separator = ",";
    };
    for (key, value) in [
        ("id", &audio.id),
        ("data", &audio.data),
        ("transcript", &audio.transcript),
    ] {
        if whole || !value.is_empty() {
            name(out, key);
            json::string(out, value);
        }
    }
    if let Some(time) = &audio.expire_time {
        name(out, "expires_at");
        json::integer(out, time.seconds);
    }
    for field in &audio.extra_fields {
        if !OWN_NAMES.contains(&field.name.as_str()) {
            name(out, &field.name);
            json::raw(out, &field.value_json);
        }
    }
    json::text(out, if separator == "{" { "{}" } else { "}" });
}
