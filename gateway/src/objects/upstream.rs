//! Services that answer chats.

use std::collections::BTreeMap;

use llm2api_proto::v1::{CookieCounts, TestUpstreamResponse, Upstream};
use serde::Serialize;
use utoipa::ToSchema;

use super::unless_empty;

/// An upstream, with its settings beside what is known of it. All fields are always there, null where there is nothing to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Upstream)]
pub struct UpstreamObject {
    /// Its name.
    pub name: String,
    /// Always `upstream`.
    #[schema(value_type = String)]
    pub object: &'static str,
    /// `openai`, `chat-ui` or `local`; `auto` while it has not shown what it is.
    pub kind: String,
    /// Where it is, without user name and password; of a local one the model's file.
    pub url: String,
    /// `config`: it stands in the configuration, and can be changed there only. `user`: somebody added it.
    pub source: String,
    /// `ok`, `degraded`, or `unknown`: it has not been asked yet.
    pub state: String,
    /// Why it is degraded, in a sentence.
    pub reason: Option<String>,
    /// The ids of its models, as far as they are known.
    pub models: Vec<String>,
    /// How many of its credentials are in each state.
    pub cookies: CookieCountsObject,
    /// Other names for its models.
    pub aliases: BTreeMap<String, String>,
    /// Lower comes first.
    pub priority: Option<i32>,
    /// Its share among those of equal priority.
    pub weight: Option<i32>,
    /// For how long a rate limit cools that names no time, such as `60s`, or `off`; null: as `COOLDOWN` says.
    pub cooldown: Option<String>,
    /// Whether it is left alone for a while when it keeps failing: `on` or `off`.
    pub breaker: Option<String>,
    /// The proxy to reach it by, without a password.
    pub proxy: Option<String>,
    /// From an attempt's send to the first token; null: as `FIRST_TOKEN_TIMEOUT` says.
    pub first_token_timeout: Option<String>,
    /// Silence after the first token; null: as `IDLE_TIMEOUT` says.
    pub idle_timeout: Option<String>,
    /// Who searches the web for requests that only `web_search_options` marks: `upstream`; null: this server.
    pub web_search: Option<String>,
    /// Whether it is told of the trace that a chat is part of: `on` or `off`; null: where it is near.
    pub propagate_trace: Option<String>,
    /// Of a chat-ui: the name of its session cookie.
    pub cookie_name: Option<String>,
    /// Of a chat-ui: the address that it believes to have.
    pub origin: Option<String>,
    /// Of a chat-ui: headers for each request to it, their values not shown.
    pub headers: BTreeMap<String, String>,
}

impl From<Upstream> for UpstreamObject {
    fn from(upstream: Upstream) -> Self {
        let settings = upstream.settings.unwrap_or_default();
        let text = |setting: Option<String>| setting.and_then(unless_empty);
        Self {
            name: upstream.name,
            object: "upstream",
            kind: upstream.kind,
            url: upstream.url,
            source: upstream.source,
            state: upstream.state,
            reason: unless_empty(upstream.reason),
            models: upstream.models,
            cookies: upstream.cookies.unwrap_or_default().into(),
            aliases: settings.aliases.into_iter().collect(),
            priority: settings.priority,
            weight: settings.weight,
            cooldown: text(settings.cooldown),
            breaker: text(settings.breaker),
            proxy: text(settings.proxy),
            first_token_timeout: text(settings.first_token_timeout),
            idle_timeout: text(settings.idle_timeout),
            web_search: text(settings.web_search),
            propagate_trace: text(settings.propagate_trace),
            cookie_name: text(settings.cookie_name),
            origin: text(settings.origin),
            headers: settings.headers.into_iter().collect(),
        }
    }
}

/// How many credentials are in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CookieCounts)]
pub struct CookieCountsObject {
    /// Accepted, and free to use.
    pub valid: i64,
    /// Not known to be accepted yet.
    pub unchecked: i64,
    /// Left alone for a while.
    pub cooling: i64,
    /// Refused.
    pub invalid: i64,
    /// Left unused by hand.
    pub disabled: i64,
}

impl From<CookieCounts> for CookieCountsObject {
    fn from(counts: CookieCounts) -> Self {
        Self {
            valid: counts.valid,
            unchecked: counts.unchecked,
            cooling: counts.cooling,
            invalid: counts.invalid,
            disabled: counts.disabled,
        }
    }
}

/// What an upstream did when it was tried.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct UpstreamTest {
    /// Always `upstream.test`.
    #[schema(value_type = String)]
    pub object: &'static str,
    /// Whether it listed its models.
    pub ok: bool,
    /// What went wrong, and what to do.
    pub error: Option<String>,
    /// How long it took.
    pub duration_seconds: f64,
    /// The upstream as it is now known.
    pub upstream: UpstreamObject,
}

impl From<TestUpstreamResponse> for UpstreamTest {
    fn from(response: TestUpstreamResponse) -> Self {
        let duration = response.duration.unwrap_or_default();
        Self {
            object: "upstream.test",
            ok: response.ok,
            error: unless_empty(response.error),
            duration_seconds: duration.seconds as f64 + f64::from(duration.nanos) / 1e9,
            upstream: response.upstream.unwrap_or_default().into(),
        }
    }
}
