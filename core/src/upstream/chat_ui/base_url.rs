//! From the address that an operator writes to the paths that are called.

use url::Url;

/// The paths of one chat-ui, all below its base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Paths {
    /// The base's path, without a slash at its end: empty, or `/chat` as on HuggingChat.
    base: String,
}

impl Paths {
    /// Understands `http://host` and the same with a prefix, each with or without a slash at its end; what OpenAI's API would have
    /// behind it is left out.
    pub(super) fn new(url: &Url) -> Self {
        let path = url.path().trim_end_matches('/');
        let path = path.strip_suffix("/chat/completions").unwrap_or(path);
        let path = path.strip_suffix("/v1").unwrap_or(path);
        Self {
            base: path.trim_end_matches('/').to_owned(),
        }
    }

    /// The list of models, since 2025-06.
    pub(super) fn models(&self) -> String {
        format!("{}/api/v2/models", self.base)
    }

    /// The list of models, of all versions that show one.
    pub(super) fn old_models(&self) -> String {
        format!("{}/api/models", self.base)
    }

    /// Where conversations are made.
    pub(super) fn conversations(&self) -> String {
        format!("{}/conversation", self.base)
    }

    /// A conversation: where messages are sent, and what is deleted.
    pub(super) fn conversation(&self, id: &str) -> String {
        format!("{}/conversation/{id}", self.base)
    }

    /// Where a conversation's generation is stopped.
    pub(super) fn stop(&self, id: &str) -> String {
        format!("{}/conversation/{id}/stop-generating", self.base)
    }

    /// Where a session's settings are.
    pub(super) fn settings(&self) -> String {
        format!("{}/settings", self.base)
    }

    /// Where a conversation's messages are read, by the age of the version.
    pub(super) fn messages(&self, id: &str) -> [String; 3] {
        let base = &self.base;
        [
            format!("{base}/api/v2/conversations/{id}"),
            format!("{base}/api/conversation/{id}"),
            format!("{base}/conversation/{id}/__data.json?x-sveltekit-invalidated=01"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::Paths;

    #[test]
    fn an_address_is_understood_however_it_is_written() {
        for (written, models) in [
            ("http://h", "/api/v2/models"),
            ("http://h/", "/api/v2/models"),
            ("https://h/chat", "/chat/api/v2/models"),
            ("https://h/chat/", "/chat/api/v2/models"),
            ("https://h/v1", "/api/v2/models"),
            ("https://h/chat/v1/chat/completions", "/chat/api/v2/models"),
        ] {
            let paths = Paths::new(&Url::parse(written).expect("valid"));
            assert_eq!(paths.models(), models, "{written}");
        }
    }
}
