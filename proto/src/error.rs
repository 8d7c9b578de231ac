//! How a failure crosses the contract: as a status with `google.rpc.ErrorInfo` and `RetryInfo`.

use std::{collections::HashMap, fmt, time::Duration};

use tonic::{Status, codegen::http::HeaderMap, metadata::MetadataMap};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{rate_limits::RateLimits, v1::ErrorReason};

/// The domain of our `google.rpc.ErrorInfo` (AIP-193).
const DOMAIN: &str = "llm2api";

/// Bytes of a message that cross the contract: it travels in a header, percent-encoded, whose size is bounded.
const MAX_MESSAGE_SIZE: usize = 4096;

const PARAM: &str = "param";
const HTTP_STATUS: &str = "http_status";
const TYPE: &str = "type";
const CODE: &str = "code";

/// A failure as both sides of the contract know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractError {
    /// Why it failed.
    pub reason: ErrorReason,
    /// What happened and what to do, for the person who asked.
    pub message: String,
    /// The request's field at fault.
    pub param: Option<String>,
    /// When to try again, where that helps.
    pub retry_after: Option<Duration>,
    /// What the upstream said, where its own error is passed on.
    pub passed_on: Option<PassedOn>,
    /// What the limits of the key or code leave, where one of them was the reason.
    pub rate_limits: Option<Box<RateLimits>>,
}

/// An upstream's own error, passed on to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOn {
    /// The HTTP status that it came with, 400 to 599.
    pub http_status: u16,
    /// The error object's `type`.
    pub error_type: Option<String>,
    /// The error object's `code`.
    pub code: Option<String>,
}

impl ContractError {
    /// A failure with nothing but a reason and a message.
    pub fn new(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            param: None,
            retry_after: None,
            passed_on: None,
            rate_limits: None,
        }
    }

    /// Names the request's field at fault.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Tells when to try again.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Duration) -> Self {
        self.retry_after = Some(retry_after);
        self
    }
}

impl fmt::Display for ContractError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ContractError {}

impl From<ContractError> for Status {
    fn from(mut error: ContractError) -> Self {
        if error.message.len() > MAX_MESSAGE_SIZE {
            let end = error.message.floor_char_boundary(MAX_MESSAGE_SIZE);
            error.message.truncate(end);
            error.message.push('…');
        }
        let mut metadata = HashMap::new();
        let mut note = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                metadata.insert(name.to_owned(), value);
            }
        };
        note(PARAM, error.param);
        if let Some(passed_on) = error.passed_on {
            note(HTTP_STATUS, Some(passed_on.http_status.to_string()));
            note(TYPE, passed_on.error_type);
            note(CODE, passed_on.code);
        }
        let mut details =
            ErrorDetails::with_error_info(error.reason.as_info_reason(), DOMAIN, metadata);
        if let Some(retry_after) = error.retry_after {
            details.set_retry_info(Some(retry_after));
        }
        let code = error.reason.grpc_code();
        let mut metadata = HeaderMap::new();
        if let Some(rate_limits) = error.rate_limits {
            rate_limits.write(&mut metadata);
        }
        let metadata = MetadataMap::from_headers(metadata);
        Status::with_error_details_and_metadata(code, error.message, details, metadata)
    }
}

impl ContractError {
    /// Reads the error from a status; `None` where the status is not one of ours (a transport's, say).
    #[must_use]
    pub fn from_status(status: &Status) -> Option<Self> {
        let details = status.check_error_details().ok()?;
        let info = details.error_info().filter(|info| info.domain == DOMAIN)?;
        let text = |name: &str| info.metadata.get(name).cloned();
        let passed_on = text(HTTP_STATUS)
            .and_then(|status| status.parse().ok())
            .filter(|status| (400..600).contains(status))
            .map(|http_status| PassedOn {
                http_status,
                error_type: text(TYPE),
                code: text(CODE),
            });
        Some(Self {
            reason: ErrorReason::from_info_reason(&info.reason).unwrap_or(ErrorReason::Unspecified),
            message: status.message().to_owned(),
            param: text(PARAM),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
            passed_on,
            rate_limits: Some(RateLimits::read(status.metadata().as_ref()))
                .filter(|limits| !limits.is_empty())
                .map(Box::new),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate_limits::RateLimit;

    #[test]
    fn an_error_crosses_as_a_status_and_back() {
        let error = ContractError {
            reason: ErrorReason::RateLimitExceeded,
            message: "all credentials are cooling — 稍后再试".to_owned(),
            param: Some("messages".to_owned()),
            retry_after: Some(Duration::from_secs(7)),
            passed_on: Some(PassedOn {
                http_status: 429,
                error_type: Some("requests".to_owned()),
                code: None,
            }),
            rate_limits: Some(Box::new(RateLimits::new(
                Some(RateLimit {
                    limit: 60,
                    remaining: 0,
                    reset: Some(Duration::from_secs(7)),
                }),
                None,
            ))),
        };
        let status = Status::from(error.clone());
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        assert_eq!(ContractError::from_status(&status), Some(error));
    }

    #[test]
    fn a_foreign_status_is_not_taken_for_ours() {
        assert_eq!(
            ContractError::from_status(&Status::unavailable("connection refused")),
            None
        );
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let error = ContractError::new(ErrorReason::InvalidRequest, "好".repeat(3000));
        let status = Status::from(error);
        assert!(status.message().len() <= MAX_MESSAGE_SIZE + '…'.len_utf8());
        assert!(status.message().ends_with("好…"));
    }
}
