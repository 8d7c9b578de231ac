//! One line of a message's answer.

use serde_json::Value;

/// What a line says, as far as it is of interest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// The generation runs: every 100 ms while it does.
    KeepAlive,
    /// Text of the answer.
    Token(String),
    /// Reasoning of models that are configured for it.
    Reasoning(String),
    /// The whole answer.
    FinalAnswer {
        /// Its text, trimmed at its end unless it was interrupted.
        text: String,
        /// Whether it was stopped, or the model's server ended oddly.
        is_interrupted: bool,
    },
    /// The run is over, without an error (since 2026-02-09).
    Finished,
    /// The run failed; nothing of use follows.
    Error {
        /// What happened, mostly with the model server's status in front.
        message: String,
        /// The model server's status (since 2025-10-13).
        status: Option<u16>,
    },
    /// A router chose this model.
    Routed(String),
    /// A tool of the instance runs.
    Tool,
    /// The session is lost: with automatic login, this is all that comes, in a 200.
    Redirect,
    /// Something else: a title, progress, what later versions add.
    Other,
}

/// Reads a line. `None`: it is no JSON object.
pub(super) fn parse(line: &[u8]) -> Option<Line> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let members = value.as_object()?;
    let text = |name: &str| {
        members
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let parsed = match (text("type"), text("subtype")) {
        ("stream", _) => Line::Token(unpadded(text("token"))),
        ("reasoning", "stream") => Line::Reasoning(unpadded(text("token"))),
        ("finalAnswer", _) => Line::FinalAnswer {
            text: unpadded(text("text")),
            is_interrupted: members
                .get("interrupted")
                .and_then(Value::as_bool)
                .unwrap_or(false),
        },
        ("status", _) => match text("status") {
            "keepAlive" => Line::KeepAlive,
            "finished" => Line::Finished,
            "error" => Line::Error {
                message: text("message").to_owned(),
                status: members
                    .get("statusCode")
                    .and_then(Value::as_u64)
                    .and_then(|status| u16::try_from(status).ok()),
            },
            _ => Line::Other,
        },
        ("routerMetadata", _) if !text("model").is_empty() => {
            Line::Routed(text("model").to_owned())
        }
        ("tool", _) => Line::Tool,
        ("redirect", _) => Line::Redirect,
        _ => Line::Other,
    };
    Some(parsed)
}

/// Text without the NULs that fill a token up to 16 code units, so that its length says nothing to who listens on the wire.
fn unpadded(text: &str) -> String {
    text.replace('\0', "")
}

#[cfg(test)]
mod tests {
    use super::{Line, parse};

    #[test]
    fn each_documented_line_is_read() {
        let error = |message: &str, status| Line::Error {
            message: message.to_owned(),
            status,
        };
        let table = [
            (r#"{"type":"status","status":"started"}"#, Line::Other),
            (r#"{"type":"status","status":"keepAlive"}"#, Line::KeepAlive),
            (r#"{"type":"status","status":"finished"}"#, Line::Finished),
            (
                r#"{"type":"status","status":"error","message":"429 mock backend rate limit","statusCode":429}"#,
                error("429 mock backend rate limit", Some(429)),
            ),
            (
                r#"{"type":"status","status":"error","message":"terminated"}"#,
                error("terminated", None),
            ),
            (
                r#"{"type":"stream","token":"Hello\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000"}"#,
                Line::Token("Hello".to_owned()),
            ),
            (
                r#"{"type":"stream","token":" a token longer than that","len":24}"#,
                Line::Token(" a token longer than that".to_owned()),
            ),
            (
                r#"{"type":"finalAnswer","text":"Hello","interrupted":false,"webSources":[{"uri":"u","title":"t"}]}"#,
                Line::FinalAnswer {
                    text: "Hello".to_owned(),
                    is_interrupted: false,
                },
            ),
            (
                r#"{"type":"finalAnswer","text":"Hel ","interrupted":true}"#,
                Line::FinalAnswer {
                    text: "Hel ".to_owned(),
                    is_interrupted: true,
                },
            ),
            (r#"{"type":"title","title":"Greeting"}"#, Line::Other),
            (
                r#"{"type":"reasoning","subtype":"stream","token":"Hm"}"#,
                Line::Reasoning("Hm".to_owned()),
            ),
            (
                r#"{"type":"reasoning","subtype":"status","status":"Done in 3s."}"#,
                Line::Other,
            ),
            (
                r#"{"type":"routerMetadata","route":"code","model":"org/coder","provider":"p"}"#,
                Line::Routed("org/coder".to_owned()),
            ),
            (
                r#"{"type":"routerMetadata","route":"","model":"","provider":"p"}"#,
                Line::Other,
            ),
            (
                r#"{"type":"tool","subtype":"call","uuid":"u","call":{"name":"n","parameters":{},"toolId":"t"}}"#,
                Line::Tool,
            ),
            (
                r#"{"type":"file","name":"n","sha":"s","mime":"image/png"}"#,
                Line::Other,
            ),
            (
                r#"{"type":"webSearch","subtype":"update","message":"m","args":[]}"#,
                Line::Other,
            ),
            (r#"{"type":"elicitation","subtype":"request"}"#, Line::Other),
            (
                r#"{"type":"redirect","status":302,"location":"https://idp.example.org"}"#,
                Line::Redirect,
            ),
            (r#"{"type":"invented in 2030","x":[1]}"#, Line::Other),
            ("{}", Line::Other),
        ];
        for (text, line) in table {
            assert_eq!(parse(text.as_bytes()), Some(line), "{text}");
        }
    }

    #[test]
    fn what_is_no_object_is_no_line() {
        for text in ["<html>", "[]", r#"{"type":"stream","token":"#] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
