//! Errors in a stream whose head said success.

use http::StatusCode;
use secrecy::SecretString;

use super::{
    super::{Failure, FailureKind, LimitedBy},
    refusal::upstream_error,
};
use crate::pool::InvalidReason;

/// What chat-ui says in a 401 whose cause is the session's own login at the model's server, not the instance's key for it.
const LOGIN_WORDS: [&str; 3] = ["OAuth authorization", REVOKED, "requested scopes"];

/// The user has taken the login back.
const REVOKED: &str = "has been revoked";

/// The error line of a run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RunError {
    /// What happened, mostly with the model server's status in front.
    pub(super) message: String,
    /// The model server's status, where the version tells it apart.
    pub(super) status: Option<u16>,
}

impl RunError {
    /// The failure that it is; `hidden` is what must not be in its message.
    pub(super) fn into_failure(self, address: &str, hidden: &[SecretString]) -> Failure {
        let status = self.status.or_else(|| leading_status(&self.message));
        let is_login = LOGIN_WORDS.iter().any(|words| self.message.contains(words));
        let kind = match status {
            Some(429) => FailureKind::RateLimited,
            Some(402) => FailureKind::QuotaSpent,
            Some(401 | 403) if is_login => FailureKind::Unauthorized,
            Some(404 | 410) => FailureKind::ModelGone,
            // What the instance may not do at its model's server is its own matter.
            Some(401 | 403 | 408 | 425) | None => FailureKind::Unavailable,
            Some(400..500) => FailureKind::Rejected,
            Some(_) => FailureKind::Unavailable,
        };
        let text = match status {
            Some(status) => self
                .message
                .strip_prefix(&status.to_string())
                .unwrap_or(&self.message)
                .trim(),
            None => self.message.trim(),
        };
        let what = match status {
            Some(status) => format!("{address} broke the answer off: its model answered {status}"),
            None => format!("{address} broke the answer off"),
        };
        Failure {
            // The model's server counts by the account behind a session, whatever our address is.
            limited_by: LimitedBy::Credential,
            invalid_reason: match is_login {
                true if self.message.contains(REVOKED) => InvalidReason::Revoked,
                true => InvalidReason::Expired,
                false => InvalidReason::Unknown,
            },
            status: status.filter(|_| kind != FailureKind::ModelGone),
            upstream_error: upstream_error(kind, text, hidden),
            ..Failure::new(kind, what)
        }
    }
}

/// The status at the beginning of a message.
fn leading_status(message: &str) -> Option<u16> {
    let status = message.split(' ').next()?;
    StatusCode::from_bytes(status.as_bytes())
        .ok()
        .filter(|status| status.is_client_error() || status.is_server_error())
        .map(|status| status.as_u16())
}

#[cfg(test)]
mod tests {
    use super::{super::super::failure::UpstreamError, *};

    fn failure(message: &str, status: Option<u16>) -> Failure {
        let error = RunError {
            message: message.to_owned(),
            status,
        };
        error.into_failure("h:80", &["0f9c-2d6e".into()])
    }

    #[test]
    fn each_error_is_a_row_of_the_failure_table() {
        for (message, status, kind) in [
            ("429 slow down", Some(429), FailureKind::RateLimited),
            ("429 slow down", None, FailureKind::RateLimited),
            ("402 credits spent", Some(402), FailureKind::QuotaSpent),
            (
                "401 Your OAuth authorization has been revoked",
                Some(401),
                FailureKind::Unauthorized,
            ),
            ("401 bad key", Some(401), FailureKind::Unavailable),
            ("404 no such model", None, FailureKind::ModelGone),
            ("400 bad request", Some(400), FailureKind::Rejected),
            ("500 oh", Some(500), FailureKind::Unavailable),
            ("terminated", None, FailureKind::Unavailable),
            ("Premature close", None, FailureKind::Unavailable),
            (
                "No output was generated. Something went wrong.",
                None,
                FailureKind::Unavailable,
            ),
        ] {
            assert_eq!(failure(message, status).kind, kind, "{message}");
        }
    }

    #[test]
    fn a_limit_is_that_of_the_session_and_a_lost_login_says_why() {
        let failure = |message| failure(message, None);
        assert_eq!(failure("429 slow down").limited_by, LimitedBy::Credential);
        for (message, reason) in [
            (
                "401 Your OAuth authorization has been revoked",
                InvalidReason::Revoked,
            ),
            (
                "403 The requested scopes are missing",
                InvalidReason::Expired,
            ),
            ("500 oh", InvalidReason::Unknown),
        ] {
            assert_eq!(failure(message).invalid_reason, reason, "{message}");
        }
    }

    #[test]
    fn a_prompt_too_long_for_the_model_is_the_clients_matter() {
        let failure = failure(
            "400 This model's maximum context length is 8192 tokens",
            Some(400),
        );
        assert_eq!(
            failure.upstream_error,
            Some(UpstreamError {
                message: "This model's maximum context length is 8192 tokens".to_owned(),
                error_type: None,
                param: None,
                code: Some("context_length_exceeded".to_owned()),
            })
        );
    }

    #[test]
    fn no_secret_is_passed_on() {
        let failure = failure("500 session 0f9c-2d6e failed", None);
        let message = failure.upstream_error.expect("told").message;
        assert_eq!(message, "session [redacted] failed");
    }
}
