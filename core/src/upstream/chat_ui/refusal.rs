//! What an answer that is no success means: from its head and its text to a row of the failure table.

use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde_json::Value;

use super::super::{
    Failure, FailureKind, LimitedBy, challenge, failure::UpstreamError, media_type::MediaType,
    scrub::scrub,
};
use crate::pool::InvalidReason;

/// The check of a form's `Origin` against the address that the instance believes to have.
const ORIGIN_TEXTS: [&str; 2] = [
    "Non-JSON form requests need to have an origin",
    "Invalid referer for POST request",
];

/// An instance that wants its disclaimer accepted first.
const DISCLAIMER: &str = "You need to accept the welcome modal first";

/// A guest has written as much as guests may: only a login helps.
const GUEST_LIMIT: &str = "Exceeded number of messages before login";

/// Limits of a session, and of a conversation. All else that is refused with 429 may be counted by address too.
const OWN_LIMITS: [&str; 2] = [
    "You have reached the maximum number of conversations",
    "This conversation has more than",
];

/// Bytes of a message that are kept: it goes into headers and logs.
const MAX_MESSAGE_SIZE: usize = 2048;

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// To list the models.
    List,
    /// To make a conversation.
    Create,
    /// To read a conversation.
    Read,
    /// To answer a message.
    Send,
}

/// An answer, as far as it tells why it is none.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    is_html: bool,
    is_challenge: bool,
    /// `message` or `error` of its JSON, else its text.
    text: String,
}

impl Refusal {
    /// Reads a head and a body.
    pub(super) fn new(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let media_type = MediaType::of(headers);
        let is_html = media_type == MediaType::Html || body.trim_ascii_start().starts_with(b"<");
        let text = match serde_json::from_slice::<Value>(body) {
            Ok(value) => ["message", "error"]
                .iter()
                .find_map(|name| value.get(*name)?.as_str())
                .unwrap_or_default()
                .to_owned(),
            Err(_) if is_html => String::new(),
            Err(_) => String::from_utf8_lossy(body.trim_ascii()).into_owned(),
        };
        Self {
            status,
            is_html,
            is_challenge: challenge::is_one(status, headers, body),
            text,
        }
    }

    /// What it says.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether something in front of the instance wants to see a person.
    pub(super) fn is_challenge(&self) -> bool {
        self.is_challenge
    }

    /// Whether the instance only wants its disclaimer accepted.
    pub(super) fn wants_disclaimer(&self) -> bool {
        self.status == StatusCode::METHOD_NOT_ALLOWED && self.text.contains(DISCLAIMER)
    }

    /// The failure that it is; `hidden` is what must not be in its message.
    pub(super) fn into_failure(
        self,
        call: Call,
        address: &str,
        hidden: &[SecretString],
    ) -> Failure {
        let kind = self.kind(call);
        let message = self.message(kind, address);
        let status = self.status.as_u16();
        Failure {
            limited_by: self.limited_by(),
            invalid_reason: self.invalid_reason(),
            // A model that can't be had is not found, whatever number says so here.
            status: (kind != FailureKind::ModelGone).then_some(status),
            upstream_error: upstream_error(kind, &self.text, hidden),
            ..Failure::new(kind, message)
        }
    }

    fn limited_by(&self) -> LimitedBy {
        let is_own = OWN_LIMITS.iter().any(|text| self.text.contains(text));
        match self.status {
            StatusCode::TOO_MANY_REQUESTS if !is_own => LimitedBy::Address,
            _ => LimitedBy::Credential,
        }
    }

    /// Why the session isn't let in, if that is what it says.
    fn invalid_reason(&self) -> InvalidReason {
        match self.status.as_u16() {
            _ if self.is_challenge => InvalidReason::Challenge,
            403 => InvalidReason::Blocked,
            // A session that has ended may go on as a guest, who may write a little.
            302 | 303 | 307 | 401 | 429 => InvalidReason::Expired,
            _ => InvalidReason::Unknown,
        }
    }

    fn kind(&self, call: Call) -> FailureKind {
        let says = |text: &str| self.text.contains(text);
        match self.status.as_u16() {
            _ if self.is_challenge => FailureKind::Unauthorized,
            403 if ORIGIN_TEXTS.iter().any(|text| says(text)) => FailureKind::Misconfigured,
            302 | 303 | 307 | 401 | 403 => FailureKind::Unauthorized,
            429 if says(GUEST_LIMIT) => FailureKind::Unauthorized,
            429 => FailureKind::RateLimited,
            402 => FailureKind::QuotaSpent,
            410 => FailureKind::ModelGone,
            400 if call == Call::Create => FailureKind::ModelGone,
            // The address has moved, or has no chat-ui.
            300..400 => FailureKind::Misconfigured,
            404 | 405 if call != Call::Send && call != Call::Read => FailureKind::Misconfigured,
            // It was there a moment ago.
            404 | 405 | 408 | 425 => FailureKind::Unavailable,
            400..500 => FailureKind::Rejected,
            _ => FailureKind::Unavailable,
        }
    }

    fn message(&self, kind: FailureKind, address: &str) -> String {
        let status = match self.status.canonical_reason() {
            Some(reason) => format!("{} {reason}", self.status.as_u16()),
            None => self.status.as_u16().to_string(),
        };
        match kind {
            FailureKind::Misconfigured if self.status == StatusCode::FORBIDDEN => format!(
                "{address} refuses our Origin ({status}); set the upstream's `origin` to the public address of that chat-ui"
            ),
            FailureKind::Misconfigured if self.status.is_redirection() => format!(
                "{address} has moved ({status}); the upstream's url should be the address that it leads to"
            ),
            FailureKind::Misconfigured => format!(
                "{address} has no chat-ui at this path ({status}); the upstream's url should be where its home page is"
            ),
            FailureKind::Unauthorized => {
                format!("{address} does not accept the session ({status})")
            }
            FailureKind::ModelGone => format!("{address} has no such model ({status})"),
            _ if self.is_html => format!("{address} answered with a web page ({status})"),
            _ => format!("{address} answered {status}"),
        }
    }
}

/// What an upstream says of a failure, without `hidden`, and the code that it has nothing like. `None`: nothing of use.
pub(super) fn upstream_error(
    kind: FailureKind,
    text: &str,
    hidden: &[SecretString],
) -> Option<UpstreamError> {
    let code = match kind {
        FailureKind::RateLimited => Some("rate_limit_exceeded"),
        FailureKind::QuotaSpent => Some("insufficient_quota"),
        FailureKind::Rejected if is_too_long(text) => Some("context_length_exceeded"),
        FailureKind::Rejected
        | FailureKind::Unavailable
        | FailureKind::Clock(_)
        | FailureKind::Unauthorized
        | FailureKind::Misconfigured
        | FailureKind::Busy
        | FailureKind::Unusable => None,
        FailureKind::ModelGone => return None,
    };
    let mut message = scrub(text, hidden);
    message.truncate(message.floor_char_boundary(MAX_MESSAGE_SIZE));
    (!message.is_empty()).then(|| UpstreamError {
        message,
        error_type: None,
        param: None,
        code: code.map(str::to_owned),
    })
}

/// The failure that a session is which the upstream dropped while it answered.
pub(super) fn dropped_session(address: &str) -> Failure {
    Failure::unauthorized(
        InvalidReason::Expired,
        format!("{address} has dropped the session and handed out another"),
    )
}

/// The failure that an answer is which was to be one of chat-ui's and is not.
pub(super) fn not_understood(address: &str) -> Failure {
    Failure::new(
        FailureKind::Unavailable,
        format!("{address} sent what is no answer of a chat-ui"),
    )
}

/// Whether a message says that a prompt is too long, in the words of chat-ui or of a model's server.
fn is_too_long(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "message too long",
        "context length",
        "maximum context",
        "context window",
        "too many tokens",
    ]
    .iter()
    .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests;
