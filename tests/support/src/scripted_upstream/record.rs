//! What a scripted upstream saw.

use std::time::Instant;

use bytes::Bytes;
use tokio::sync::watch;

use crate::{http1::Head, within};

/// A request that came to the upstream.
#[derive(Debug)]
pub struct RecordedRequest {
    /// `POST`, say.
    pub method: String,
    /// The path, with its query.
    pub path: String,
    /// The head.
    pub head: Head,
    /// The body, every byte.
    pub body: Bytes,
    /// When it had come in whole.
    pub arrived_at: Instant,
    /// The connection it came on, from 0.
    pub connection: usize,
    pub(super) ending: watch::Sender<Option<(Instant, Ending)>>,
}

/// How the answer to a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The script came to its end.
    Script,
    /// The peer closed the connection before.
    Closed,
    /// The peer reset the connection before.
    Reset,
}

impl RecordedRequest {
    /// Whether it is a chat.
    #[must_use]
    pub fn is_chat(&self) -> bool {
        self.method == "POST" && self.path.ends_with("/chat/completions")
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is none.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// The body as text.
    ///
    /// # Panics
    ///
    /// When it is none.
    #[must_use]
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body is UTF-8")
    }

    /// The key that it came with.
    #[must_use]
    pub fn bearer_key(&self) -> Option<String> {
        let key = self.head.header("authorization")?.strip_prefix("Bearer ")?;
        Some(key.to_owned())
    }

    /// The model it names.
    #[must_use]
    pub fn model(&self) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        Some(body.get("model")?.as_str()?.to_owned())
    }

    /// Waits until its answer has ended, and tells when and how.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub async fn ended(&self) -> (Instant, Ending) {
        let mut ending = self.ending.subscribe();
        let ended = within("the end of a request", ending.wait_for(Option::is_some)).await;
        ended
            .expect("the sender lives in self")
            .expect("this was waited for")
    }
}
