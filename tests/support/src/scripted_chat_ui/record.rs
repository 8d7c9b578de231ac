//! What an instance knows of a conversation.

use std::time::Instant;

use serde_json::Value;

use super::form::UploadedFile;

/// A conversation, as far as it has come.
#[derive(Debug, Clone)]
pub struct Conversation {
    /// Its id.
    pub id: String,
    /// The id of its root message.
    pub root: String,
    /// The value of the session cookie that made it.
    pub cookie: String,
    /// Its model.
    pub model: String,
    /// Its system text, where one was sent.
    pub preprompt: Option<String>,
    /// The data of the message that was sent in it.
    pub message: Option<Value>,
    /// The files that came with the message.
    pub files: Vec<UploadedFile>,
    /// When its generation was told to stop.
    pub stopped_at: Option<Instant>,
    /// When the peer closed its stream before its end.
    pub closed_at: Option<Instant>,
    /// When its stream came to its end.
    pub ended_at: Option<Instant>,
    /// When it was deleted.
    pub deleted_at: Option<Instant>,
    /// Whether it was deleted while its stream was open.
    pub was_deleted_open: bool,
}

impl Conversation {
    /// The text of its message.
    #[must_use]
    pub fn inputs(&self) -> Option<&str> {
        self.message.as_ref()?.get("inputs")?.as_str()
    }

    /// Whether a message is being answered.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.message.is_some() && self.closed_at.is_none() && self.ended_at.is_none()
    }
}
