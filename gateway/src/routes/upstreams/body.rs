//! What an upstream is to be: flat, with the settings of an `[[upstreams]]` entry of the configuration file in the file's notation.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use llm2api_proto::{
    ContractError,
    v1::{AddUpstreamRequest, UpdateUpstreamRequest, UpstreamSettings},
};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};
use utoipa::ToSchema;

use crate::json_body::fault::missing;

/// Declares the body of a request: its own members, and the settings, which have no object of their own in JSON.
macro_rules! upstream_body {
    (
        $(#[$meta:meta])*
        $name:ident { $($(#[$own_meta:meta])* $own:ident,)* }
    ) => {
        $(#[$meta])*
        #[derive(Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub(in crate::routes) struct $name {
            $($(#[$own_meta])* $own: Option<String>,)*
            /// `auto`, `openai` or `chat-ui`.
            kind: Option<String>,
            /// The models it has, where it is not to be asked for them.
            models: Option<Vec<String>>,
            /// Other names for its models, each with the model's own.
            aliases: Option<BTreeMap<String, String>>,
            /// Lower comes first; equal ones share the load by weight.
            priority: Option<i32>,
            /// Its share among those of equal priority.
            weight: Option<i32>,
            /// For how long a rate limit cools that names no time, such as `60s`; `off`: nothing cools.
            #[schema(value_type = Option<String>)]
            cooldown: Option<Notation>,
            /// Whether it is left alone for a while when it keeps failing: `on` or `off`.
            #[schema(value_type = Option<String>)]
            breaker: Option<Notation>,
            /// The proxy to reach it by.
            proxy: Option<String>,
            /// From an attempt's send to the first token, such as `5m`.
            #[schema(value_type = Option<String>)]
            first_token_timeout: Option<Notation>,
            /// Silence after the first token, such as `60s`.
            #[schema(value_type = Option<String>)]
            idle_timeout: Option<Notation>,
            /// Who searches the web for requests that only `web_search_options` marks: `ours` or `upstream`.
            web_search: Option<String>,
            /// Whether it is told of the trace that a chat is part of: `on` or `off`.
            #[schema(value_type = Option<String>)]
            propagate_trace: Option<Notation>,
            /// Of a chat-ui: the name of its session cookie.
            cookie_name: Option<String>,
            /// Of a chat-ui: the address that it believes to have.
            origin: Option<String>,
            /// Of a chat-ui: headers for each request to it.
            headers: Option<BTreeMap<String, String>>,
        }

        impl $name {
            fn settings(self) -> UpstreamSettings {
                let text = |notation: Option<Notation>| notation.map(|notation| notation.0);
                UpstreamSettings {
                    models: self.models.map(list).unwrap_or_default(),
                    aliases: self.aliases.map(map).unwrap_or_default(),
                    priority: self.priority,
                    weight: self.weight,
                    cooldown: text(self.cooldown),
                    breaker: text(self.breaker),
                    proxy: self.proxy,
                    first_token_timeout: text(self.first_token_timeout),
                    idle_timeout: text(self.idle_timeout),
                    web_search: self.web_search,
                    propagate_trace: text(self.propagate_trace),
                    cookie_name: self.cookie_name,
                    origin: self.origin,
                    headers: self.headers.map(map).unwrap_or_default(),
                }
            }
        }
    };
}

upstream_body! {
    /// An upstream to add. What is absent or null has its default.
    AddUpstream {
        /// Its name, 1 to 32 of `a-z`, `0-9` and `-`. Absent: made from the address.
        name,
        /// Where it is: an http or https address.
        #[schema(required = true, nullable = false)]
        url,
        /// Its first credential, as in AddCookie.
        cookie,
    }
}

upstream_body! {
    /// What to change of an upstream. What is absent or null stays as it is; an empty text, list or object gives a setting its
    /// default back.
    UpdateUpstream {
        /// Where it is.
        url,
    }
}

impl AddUpstream {
    pub(super) fn into_request(mut self) -> Result<AddUpstreamRequest, ContractError> {
        Ok(AddUpstreamRequest {
            name: self.name.take().unwrap_or_default(),
            url: self
                .url
                .take()
                .filter(|url| !url.trim().is_empty())
                .ok_or_else(|| missing("url"))?,
            kind: self.kind.take().unwrap_or_default(),
            cookie: self.cookie.take().unwrap_or_default(),
            settings: Some(self.settings()),
        })
    }
}

impl UpdateUpstream {
    pub(super) fn into_request(mut self, name: String) -> UpdateUpstreamRequest {
        UpdateUpstreamRequest {
            name,
            url: self.url.take().unwrap_or_default(),
            kind: self.kind.take().unwrap_or_default(),
            settings: Some(self.settings()),
        }
    }
}

/// A list as the contract has it, where an empty one says nothing: to be empty it has one empty text.
fn list(texts: Vec<String>) -> Vec<String> {
    match texts.is_empty() {
        true => vec![String::new()],
        false => texts,
    }
}

/// A map as the contract has it, where an empty one says nothing: to be empty it has one empty name.
fn map(pairs: BTreeMap<String, String>) -> HashMap<String, String> {
    match pairs.is_empty() {
        true => HashMap::from([(String::new(), String::new())]),
        false => pairs.into_iter().collect(),
    }
}

/// A value in the configuration file's notation, where a number of seconds and a truth value need no quotes.
struct Notation(String);

impl<'de> Deserialize<'de> for Notation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NotationVisitor;

        impl Visitor<'_> for NotationVisitor {
            type Value = Notation;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Notation, E> {
                Ok(Notation(text.to_owned()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Notation, E> {
                Ok(Notation(number.to_string()))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Notation, E> {
                Ok(Notation(if value { "on" } else { "off" }.to_owned()))
            }
        }

        deserializer.deserialize_any(NotationVisitor)
    }
}
