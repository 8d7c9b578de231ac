//! Authorization codes as the command line writes them for programs.

use llm2api_gateway::objects::{LimitsObject, ListObject};
use llm2api_proto::v1::{Authorization, AuthorizationCode};
use prost_types::Timestamp;
use serde::Serialize;

/// What a code says. Times are Unix seconds.
#[derive(Debug, Serialize)]
pub(super) struct CodeObject {
    id: String,
    object: &'static str,
    issuer: String,
    subject: String,
    issued_at: Option<i64>,
    not_before: Option<i64>,
    expires_at: Option<i64>,
    limits: Option<LimitsObject>,
    revoked_at: Option<i64>,
    own: bool,
    /// The code itself, where it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

impl CodeObject {
    /// What a code says, with the code itself where it is new.
    pub(super) fn new(code: AuthorizationCode, text: Option<String>) -> Self {
        Self {
            id: code.id,
            object: "authorization_code",
            issuer: code.issuer,
            subject: code.subject,
            issued_at: seconds(code.issued_at),
            not_before: seconds(code.not_before),
            expires_at: seconds(code.expires_at),
            limits: code.limits.map(LimitsObject::from),
            revoked_at: seconds(code.revoked_at),
            own: code.own,
            code: text,
        }
    }
}

/// All codes.
pub(super) fn list(codes: Vec<AuthorizationCode>) -> ListObject<CodeObject> {
    let objects = codes.into_iter().map(|code| CodeObject::new(code, None));
    ListObject::new(objects.collect(), false, |code: &CodeObject| &code.id)
}

/// How an instance is authorized. Times are Unix seconds.
#[derive(Debug, Serialize)]
pub(super) struct AuthorizationObject {
    object: &'static str,
    state: String,
    reason: String,
    message: String,
    authority: String,
    code: Option<CodeObject>,
    last_checked_at: Option<i64>,
    next_check_at: Option<i64>,
    own_public_key: String,
}

impl From<Authorization> for AuthorizationObject {
    fn from(authorization: Authorization) -> Self {
        Self {
            object: "authorization",
            state: authorization.state,
            reason: authorization.reason,
            message: authorization.message,
            authority: authorization.authority,
            code: authorization.code.map(|code| CodeObject::new(code, None)),
            last_checked_at: seconds(authorization.last_checked_at),
            next_check_at: seconds(authorization.next_check_at),
            own_public_key: authorization.own_public_key,
        }
    }
}

fn seconds(time: Option<Timestamp>) -> Option<i64> {
    time.map(|time| time.seconds)
}

/// A time for people, in UTC; nothing where there is none.
pub(super) fn date(time: Option<Timestamp>) -> String {
    // As RFC 3339 writes it.
    time.map(|time| time.to_string()).unwrap_or_default()
}
