//! Credentials, which paths and pages call cookies.

use llm2api_proto::v1::Cookie;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    time::{ahead, past},
    unless_empty,
};

/// A credential, as far as it may be seen. All fields are always there, null where there is nothing to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Cookie)]
pub struct CookieObject {
    /// Its id, `ck_…`.
    pub id: String,
    /// Always `cookie`.
    #[schema(value_type = String)]
    pub object: &'static str,
    /// The name of its upstream.
    pub upstream: String,
    /// `cookie`, `api_key`, or `anonymous`: none is needed.
    pub kind: String,
    /// `config`: it stands in the configuration. `user`: somebody added it.
    pub source: String,
    /// What somebody called it.
    pub label: Option<String>,
    /// `valid`, `cooling` (until `cooldown_until`), `invalid`, `disabled`, or `unchecked`.
    pub state: String,
    /// Why it is in this state, such as `rate_limit`, `expired` or `not_verifiable`.
    pub reason: Option<String>,
    /// What may be shown of its value.
    pub preview: Option<String>,
    /// Attempts that run with it now.
    pub in_flight: i64,
    /// Attempts that were made with it.
    pub requests: i64,
    /// Of these, those that failed by the upstream's or the credential's fault.
    pub failures: i64,
    /// How the last of those failed.
    pub last_error: Option<String>,
    /// When it was added, in Unix seconds.
    pub added_at: Option<i64>,
    /// When it was last checked, in Unix seconds.
    pub last_checked_at: Option<i64>,
    /// When the last attempt with it began, in Unix seconds.
    pub last_used_at: Option<i64>,
    /// Until when it is left alone, in Unix seconds.
    pub cooldown_until: Option<i64>,
}

impl From<Cookie> for CookieObject {
    fn from(cookie: Cookie) -> Self {
        Self {
            id: cookie.id,
            object: "cookie",
            upstream: cookie.upstream,
            kind: cookie.kind,
            source: cookie.source,
            label: unless_empty(cookie.label),
            state: cookie.state,
            reason: unless_empty(cookie.reason),
            preview: unless_empty(cookie.preview),
            in_flight: cookie.in_flight,
            requests: cookie.requests,
            failures: cookie.failures,
            last_error: unless_empty(cookie.last_error),
            added_at: cookie.added_at.map(past),
            last_checked_at: cookie.last_checked_at.map(past),
            last_used_at: cookie.last_used_at.map(past),
            cooldown_until: cookie.cooldown_until.map(ahead),
        }
    }
}

/// What became of a credential that was to be added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AddedCookie {
    /// The credential.
    #[serde(flatten)]
    pub cookie: CookieObject,
    /// Whether it was added: false where it was there already.
    pub created: bool,
}
