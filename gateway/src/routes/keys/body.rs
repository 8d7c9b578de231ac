//! What a client key is made of, as JSON.

use llm2api_proto::v1::{CreateKeyRequest, UpdateKeyRequest};
use prost_types::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;

/// A key to make. What is absent or null is not limited.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct CreateKey {
    /// What to call it. At most 200 characters.
    label: Option<String>,
    /// From when it opens nothing any more, in Unix seconds.
    expires_at: Option<i64>,
    /// The models that it may ask for, by the names that it asks with.
    models: Option<Vec<String>>,
    /// The networks that it may come from, such as `10.0.0.0/8`.
    networks: Option<Vec<String>>,
    /// The most chats within any 60 seconds, 1 to 1,000,000.
    requests_per_minute: Option<i64>,
    /// The most tokens a day, read and written, by UTC's days.
    tokens_per_day: Option<i64>,
    /// The most tokens in all, read and written.
    tokens_total: Option<i64>,
    /// Whether it may have the web searched; true where it is absent.
    web_search: Option<bool>,
    /// Whether it may ask what authorization codes are worth.
    introspection: Option<bool>,
}

/// What to change of a key. What is absent or null stays as it is; 0, and an empty list, take a limit away.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct UpdateKey {
    /// What to call it, at most 200 characters. Empty: nothing.
    label: Option<String>,
    /// From when it opens nothing any more, in Unix seconds. 0: it holds for ever.
    expires_at: Option<i64>,
    /// The models that it may ask for.
    models: Option<Vec<String>>,
    /// The networks that it may come from.
    networks: Option<Vec<String>>,
    /// The most chats within any 60 seconds.
    requests_per_minute: Option<i64>,
    /// The most tokens a day.
    tokens_per_day: Option<i64>,
    /// The most tokens in all.
    tokens_total: Option<i64>,
    /// Whether it may have the web searched.
    web_search: Option<bool>,
    /// Whether it may ask what authorization codes are worth.
    introspection: Option<bool>,
}

impl CreateKey {
    pub(super) fn into_request(self) -> CreateKeyRequest {
        CreateKeyRequest {
            label: self.label.unwrap_or_default(),
            expires_at: self.expires_at.map(at),
            models: self.models.unwrap_or_default(),
            networks: self.networks.unwrap_or_default(),
            requests_per_minute: self.requests_per_minute.unwrap_or_default(),
            tokens_per_day: self.tokens_per_day.unwrap_or_default(),
            tokens_total: self.tokens_total.unwrap_or_default(),
            web_search: self.web_search,
            introspection: self.introspection.unwrap_or_default(),
        }
    }
}

impl UpdateKey {
    pub(super) fn into_request(self, id: String) -> UpdateKeyRequest {
        UpdateKeyRequest {
            id,
            label: self.label,
            expires_at: self.expires_at.map(at),
            models: self.models.map(list).unwrap_or_default(),
            networks: self.networks.map(list).unwrap_or_default(),
            requests_per_minute: self.requests_per_minute,
            tokens_per_day: self.tokens_per_day,
            tokens_total: self.tokens_total,
            web_search: self.web_search,
            introspection: self.introspection,
        }
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

/// A list as the contract has it, where an empty one says nothing: to be empty it has one empty text.
fn list(texts: Vec<String>) -> Vec<String> {
    match texts.is_empty() {
        true => vec![String::new()],
        false => texts,
    }
}
