//! Client keys.

use llm2api_proto::v1::Key;
use prost_types::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::unless_empty;

/// A client key without its value. All fields are always there, null where there is nothing to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Key)]
pub struct KeyObject {
    /// Its id, `key_…`.
    pub id: String,
    /// Always `key`.
    #[schema(value_type = String)]
    pub object: &'static str,
    /// What somebody called it.
    pub label: Option<String>,
    /// What may be shown of its value: its last four characters.
    pub preview: String,
    /// `active`, or `expired`: it opens nothing any more.
    pub state: String,
    /// When it was made, in Unix seconds.
    pub created_at: Option<i64>,
    /// From when it opens nothing any more, in Unix seconds; null: it holds for ever.
    pub expires_at: Option<i64>,
    /// When the last chat with it began, in Unix seconds.
    pub last_used_at: Option<i64>,
    /// The models that it may ask for; null: all.
    pub models: Option<Vec<String>>,
    /// The networks that it may come from; null: all.
    pub networks: Option<Vec<String>>,
    /// The most chats within any 60 seconds; null: any number.
    pub requests_per_minute: Option<i64>,
    /// The most tokens a day, by UTC; null: any number.
    pub tokens_per_day: Option<i64>,
    /// The most tokens in all; null: any number.
    pub tokens_total: Option<i64>,
    /// Whether it may have the web searched.
    pub web_search: bool,
    /// Whether it may ask what authorization codes are worth.
    pub introspection: bool,
    /// Chats that were let in with it.
    pub requests: i64,
    /// Of these, those within the last 60 seconds; counted only where `requests_per_minute` bounds them.
    pub requests_this_minute: i64,
    /// Tokens that were read for it: its prompts.
    pub input_tokens: i64,
    /// Tokens that were written for it.
    pub output_tokens: i64,
    /// Tokens of today, by UTC.
    pub tokens_today: i64,
}

impl From<Key> for KeyObject {
    fn from(key: Key) -> Self {
        let seconds = |time: Timestamp| time.seconds;
        let list = |texts: Vec<String>| (!texts.is_empty()).then_some(texts);
        let bound = |bound: i64| (bound > 0).then_some(bound);
        Self {
            id: key.id,
            object: "key",
            label: unless_empty(key.label),
            preview: key.preview,
            state: key.state,
            created_at: key.created_at.map(seconds),
            expires_at: key.expires_at.map(seconds),
            last_used_at: key.last_used_at.map(seconds),
            models: list(key.models),
            networks: list(key.networks),
            requests_per_minute: bound(key.requests_per_minute),
            tokens_per_day: bound(key.tokens_per_day),
            tokens_total: bound(key.tokens_total),
            web_search: key.web_search,
            introspection: key.introspection,
            requests: key.requests,
            requests_this_minute: key.requests_this_minute,
            input_tokens: key.input_tokens,
            output_tokens: key.output_tokens,
            tokens_today: key.tokens_today,
        }
    }
}

/// A client key with its value, which is told once.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = NewKey)]
pub struct NewKeyObject {
    /// The key.
    #[serde(flatten)]
    pub described: KeyObject,
    /// Its value, `sk-…`: what the client sends. It is told here and never again.
    pub key: String,
}
