//! Forms, `multipart/form-data`, as a message comes in one.

use serde_json::Value;

/// A file that came with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedFile {
    /// Its name, `base64;…`.
    pub filename: String,
    /// Its content type.
    pub content_type: String,
    /// Its bytes as they came: base64.
    pub body: String,
}

/// A message's form.
#[derive(Debug)]
pub(super) struct MessageForm {
    pub(super) data: Value,
    pub(super) files: Vec<UploadedFile>,
}

/// Reads a form; `None` where it is none, which a chat-ui answers with 500.
pub(super) fn read(content_type: &str, body: &[u8]) -> Option<MessageForm> {
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=")?;
    let body = std::str::from_utf8(body).ok()?;
    let body = body.strip_suffix(&format!("--{boundary}--\r\n"))?;
    let mut form = MessageForm {
        data: Value::Null,
        files: Vec::new(),
    };
    let separator = format!("--{boundary}\r\n");
    for part in body.split(&separator).skip(1) {
        let (head, content) = part.split_once("\r\n\r\n")?;
        let content = content.strip_suffix("\r\n")?.to_owned();
        let disposition = head.lines().next()?;
        let disposition = disposition.strip_prefix("Content-Disposition: form-data; ")?;
        if disposition == "name=\"data\"" {
            form.data = serde_json::from_str(&content).ok()?;
            continue;
        }
        let filename = disposition.strip_prefix("name=\"files\"; filename=\"")?;
        let content_type = head.lines().nth(1)?;
        form.files.push(UploadedFile {
            filename: filename.strip_suffix('"')?.to_owned(),
            content_type: content_type.strip_prefix("Content-Type: ")?.to_owned(),
            body: content,
        });
    }
    form.data.is_object().then_some(form)
}
