//! Calls of tools in an answer, as JSON: whole, or in pieces.

use bytes::BytesMut;
use llm2api_proto::v1::{FunctionCall, ToolCall, tool_call::Call};

use super::json;

/// Names of a call's own members.
const OWN_NAMES: &[&str] = &["index", "id", "type", "function", "custom"];

/// Writes the calls of a whole message, the array's value.
pub(crate) fn write_whole(out: &mut BytesMut, calls: &[ToolCall]) {
    json::text(out, "[");
    for (place, call) in calls.iter().enumerate() {
        json::text(out, if place > 0 { r#",{"id":"# } else { r#"{"id":"# });
        json::string(out, &call.id);
        write_call(out, call, true);
    }
    json::text(out, "]");
}

/// Writes pieces of calls, the array's value: `index` in each, `id`, `type` and name only where a call begins.
pub(crate) fn write_pieces(out: &mut BytesMut, calls: &[ToolCall]) {
    json::text(out, "[");
    for (place, call) in calls.iter().enumerate() {
        json::text(
            out,
            if place > 0 {
                r#",{"index":"#
            } else {
                r#"{"index":"#
            },
        );
        json::integer(out, i64::from(call.index));
        let begins = !call.id.is_empty();
        if begins {
            json::text(out, r#","id":"#);
            json::string(out, &call.id);
        }
        write_call(out, call, begins);
    }
    json::text(out, "]");
}

/// Writes what follows the id, to the object's end.
fn write_call(out: &mut BytesMut, call: &ToolCall, with_type: bool) {
    match &call.call {
        Some(Call::Function(function)) => {
            if with_type {
                json::text(out, r#","type":"function""#);
            }
            json::text(out, r#","function":"#);
            write_function(out, function);
        }
        Some(Call::Custom(custom)) => {
            if with_type {
                json::text(out, r#","type":"custom""#);
            }
            json::text(out, r#","custom":{"#);
            write_name(out, &custom.name);
            json::text(out, r#""input":"#);
            json::string(out, &custom.input);
            json::extra_fields(out, &custom.extra_fields, &["name", "input"]);
            json::text(out, "}");
        }
        None => {
            json::extra_fields(out, &call.extra_fields, &["index", "id"]);
            json::text(out, "}");
            return;
        }
    }
    json::extra_fields(out, &call.extra_fields, OWN_NAMES);
    json::text(out, "}");
}

/// Writes a function's name and arguments, as an object.
pub(crate) fn write_function(out: &mut BytesMut, function: &FunctionCall) {
    json::text(out, "{");
    write_name(out, &function.name);
    json::text(out, r#""arguments":"#);
    json::string(out, &function.arguments);
    json::extra_fields(out, &function.extra_fields, &["name", "arguments"]);
    json::text(out, "}");
}

/// Writes the name with a comma behind it; nothing where it was said before.
fn write_name(out: &mut BytesMut, name: &str) {
    if !name.is_empty() {
        json::text(out, r#""name":"#);
        json::string(out, name);
        json::text(out, ",");
    }
}
