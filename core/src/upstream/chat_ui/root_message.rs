//! The root of a conversation's tree of messages, which the first message must name as its parent.
//!
//! Versions tell it in different places; an id is taken from wherever it first appears.

use serde_json::Value;

/// A conversation that was made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Created {
    /// Its id.
    pub(super) id: String,
    /// Its root message, where the answer tells it (since 2026-07-03).
    pub(super) root: Option<String>,
}

/// Reads the answer to the making of a conversation. `None`: it is none.
pub(super) fn of_creation(body: &[u8]) -> Option<Created> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let id = body.get("conversationId")?.as_str()?;
    if !is_path_segment(id) {
        return None;
    }
    // A text of superjson within the JSON.
    let conversation = body
        .get("conversation")
        .and_then(Value::as_str)
        .and_then(|text| serde_json::from_str::<Value>(text).ok());
    Some(Created {
        id: id.to_owned(),
        root: conversation.as_ref().and_then(of_conversation),
    })
}

/// Reads what any of the places tells where a conversation's messages are. `None`: not the root.
pub(super) fn of_messages(body: &[u8]) -> Option<String> {
    // Page data are several JSON documents, one a line; the rest only follow later.
    let first = body.split(|&byte| byte == b'\n').next()?;
    let value: Value = serde_json::from_slice(first)
        .or_else(|_| serde_json::from_slice(body))
        .ok()?;
    of_conversation(&value).or_else(|| of_page_data(&value))
}

/// Of a conversation, as `/api/v2` wraps it or `/api` gives it plainly.
fn of_conversation(value: &Value) -> Option<String> {
    let conversation = value.get("json").unwrap_or(value);
    let root = conversation.get("rootMessageId").and_then(Value::as_str);
    let first = || conversation.get("messages")?.get(0)?.get("id")?.as_str();
    root.or_else(first).map(str::to_owned)
}

/// Of `SvelteKit`'s page data: a flat list in which numbers point into the list itself.
fn of_page_data(value: &Value) -> Option<String> {
    let data = value.get("nodes")?.get(1)?.get("data")?;
    let at = |pointer: &Value| data.get(usize::try_from(pointer.as_u64()?).ok()?);
    let page = data.get(0)?;
    let told = || at(page.get("rootMessageId")?)?.as_str();
    let first = || at(at(at(page.get("messages")?)?.get(0)?)?.get("id")?)?.as_str();
    told().or_else(first).map(str::to_owned)
}

/// Whether an id can stand in a path as it is.
fn is_path_segment(id: &str) -> bool {
    !id.is_empty()
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::{Created, of_creation, of_messages};

    const ID: &str = "665f00000000000000000001";
    const ROOT: &str = "d147f346-0000-4000-8000-000000000000";

    #[test]
    fn the_newest_versions_tell_it_when_the_conversation_is_made() {
        let old = format!(r#"{{"conversationId":"{ID}"}}"#);
        let inner = format!(
            r#"{{"json":{{"messages":[{{"id":"{ROOT}","from":"system"}}],"title":"New Chat","rootMessageId":"{ROOT}"}},"meta":{{}}}}"#
        );
        let new = serde_json::json!({"conversationId": ID, "conversation": inner}).to_string();
        let created = |root: Option<&str>| {
            Some(Created {
                id: ID.to_owned(),
                root: root.map(str::to_owned),
            })
        };
        assert_eq!(of_creation(old.as_bytes()), created(None));
        assert_eq!(of_creation(new.as_bytes()), created(Some(ROOT)));
        for body in ["<html>", "{}", r#"{"conversationId":"../../settings"}"#] {
            assert_eq!(of_creation(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn the_others_tell_it_where_the_messages_are() {
        let page = format!(
            r#"{{"type":"data","nodes":[{{"type":"skip"}},{{"type":"data","data":[{{"messages":1,"title":10,"model":11,"preprompt":5,"rootMessageId":3}},[2],{{"id":3,"from":4}},"{ROOT}","system"],"uses":{{}}}}]}}"#
        );
        let page_without_root = page.replace(r#","rootMessageId":3"#, "");
        let page_in_pieces = format!("{page}\n{{\"type\":\"chunk\"}}\n");
        for body in [
            format!(r#"{{"json":{{"id":"{ID}","rootMessageId":"{ROOT}","messages":[]}}}}"#),
            format!(r#"{{"json":{{"messages":[{{"id":"{ROOT}"}}]}}}}"#),
            format!(
                "{{\n\"id\":\"{ID}\",\"messages\":[{{\"id\":\"{ROOT}\",\"from\":\"system\"}}]}}"
            ),
            page,
            page_without_root,
            page_in_pieces,
        ] {
            assert_eq!(
                of_messages(body.as_bytes()).as_deref(),
                Some(ROOT),
                "{body}"
            );
        }
    }

    #[test]
    fn an_error_is_no_root() {
        for body in [
            "<html>",
            r#"{"message":"Conversation not found."}"#,
            r#"{"type":"data","nodes":[{"type":"skip"},{"type":"error","error":{"message":"no"},"status":403}]}"#,
            r#"{"type":"redirect","location":"/login"}"#,
        ] {
            assert_eq!(of_messages(body.as_bytes()), None, "{body}");
        }
    }
}
