//! The tasks that chat clients make for themselves: titles, tags, follow-up questions, search queries. Nobody wants the web searched for
//! them.

use llm2api_proto::v1::Message;

use super::query::text_of;

/// Texts by which such a task is known, in lower case: in its last message, or in instructions that come first.
const TASKS: &[&str] = &[
    // Open WebUI (backend/open_webui/config.py).
    "### task:\ngenerate",
    "### task:\nsuggest",
    "### task:\nanalyze the chat history to determine the necessity of generating search queries",
    "### task:\nyou are an autocompletion system",
];

/// Bytes of a text that are looked at: a task says at once what it is.
const MAX_LOOKED_AT: usize = 2048;

/// Knows such tasks.
#[derive(Debug)]
pub(super) struct Tasks {
    /// The operator's own texts, in lower case.
    added: Vec<String>,
}

impl Tasks {
    pub(super) fn new(added: &[String]) -> Self {
        Self {
            added: added.iter().map(|text| text.to_lowercase()).collect(),
        }
    }

    /// Whether a conversation is such a task.
    pub(super) fn is_task(&self, messages: &[Message]) -> bool {
        let instructions = messages
            .iter()
            .take_while(|message| matches!(message.role.as_str(), "system" | "developer"));
        instructions.chain(messages.last()).any(|message| {
            let text = text_of(message);
            let text = text[..text.floor_char_boundary(MAX_LOOKED_AT)].to_lowercase();
            TASKS.iter().any(|task| text.contains(task))
                || self.added.iter().any(|task| text.contains(task))
        })
    }
}
