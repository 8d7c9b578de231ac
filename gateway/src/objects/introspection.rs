//! What an authorization code is worth, as RFC 7662 has it.

use llm2api_proto::v1::{CodeLimits, IntrospectCodeResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::unless_empty;

/// For what codes are.
const AUDIENCE: &str = "llm2api";

/// What a code is worth (RFC 7662, 2.2). Of one that is not active nothing else is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Introspection {
    /// Whether it was issued here, and is good now.
    pub active: bool,
    /// Who issued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// For whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// For what: `llm2api`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub aud: Option<&'static str>,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// When it was issued, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// From when it is good, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Until when it is good, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// What an instance may do that runs by it. Absent: anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llm2api_limits: Option<LimitsObject>,
}

/// What an instance may do that runs by a code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CodeLimits)]
pub struct LimitsObject {
    /// Requests within any minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<i64>,
    /// Tokens within a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<i64>,
    /// The models that may be asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// Whether the web may be searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_search: Option<bool>,
}

impl From<IntrospectCodeResponse> for Introspection {
    fn from(response: IntrospectCodeResponse) -> Self {
        let (true, Some(code)) = (response.active, response.code) else {
            return Self::default();
        };
        Self {
            active: true,
            iss: unless_empty(code.issuer),
            sub: unless_empty(code.subject),
            aud: Some(AUDIENCE),
            jti: unless_empty(code.id),
            iat: code.issued_at.map(|time| time.seconds),
            nbf: code.not_before.map(|time| time.seconds),
            exp: code.expires_at.map(|time| time.seconds),
            llm2api_limits: code.limits.map(LimitsObject::from),
        }
    }
}

impl From<CodeLimits> for LimitsObject {
    fn from(limits: CodeLimits) -> Self {
        Self {
            requests_per_minute: limits.requests_per_minute,
            tokens_per_day: limits.tokens_per_day,
            models: limits.models.map(|models| models.names),
            web_search: limits.web_search,
        }
    }
}
