//! What each [`ErrorReason`] is called and which gRPC code it has.

use tonic::Code;

use crate::v1::ErrorReason;

/// The prefix of the enum's value names, which `google.rpc.ErrorInfo` and OpenAI's `code` leave out.
const PREFIX: &str = "ERROR_REASON_";

impl ErrorReason {
    /// The reason as `google.rpc.ErrorInfo` has it (AIP-193): `MODEL_NOT_FOUND`.
    #[must_use]
    pub fn as_info_reason(self) -> &'static str {
        self.as_str_name().trim_start_matches(PREFIX)
    }

    /// Reads what [`Self::as_info_reason`] wrote; `None` for what this version doesn't know.
    #[must_use]
    pub fn from_info_reason(reason: &str) -> Option<Self> {
        Self::from_str_name(&format!("{PREFIX}{reason}"))
    }

    /// The gRPC code of a status with this reason.
    #[must_use]
    pub fn grpc_code(self) -> Code {
        match self {
            Self::Unspecified | Self::InternalError | Self::StoreError => Code::Internal,
            Self::InvalidRequest
            | Self::MissingRequiredParameter
            | Self::InvalidType
            | Self::InvalidValue
            | Self::UnsupportedParameter
            | Self::UnsupportedValue
            | Self::ContextLengthExceeded
            | Self::InvalidJson
            | Self::MethodNotSupported
            | Self::BodyTimeout
            | Self::UnsupportedMediaType
            | Self::CookieInvalid
            | Self::ReadOnly => Code::InvalidArgument,
            Self::InvalidApiKey => Code::Unauthenticated,
            Self::InsufficientPermissions
            | Self::ModelNotAllowed
            | Self::WebSearchNotAllowed
            | Self::AuthorizationInvalid => Code::PermissionDenied,
            Self::ModelNotFound
            | Self::UnknownUrl
            | Self::CookieNotFound
            | Self::CodeNotFound
            | Self::UpstreamNotFound
            | Self::KeyNotFound
            | Self::TraceNotFound => Code::NotFound,
            Self::RequestTooLarge
            | Self::RateLimitExceeded
            | Self::ServerIsOverloaded
            | Self::InsufficientQuota => Code::ResourceExhausted,
            Self::UpstreamError
            | Self::UpstreamMisconfigured
            | Self::UpstreamUnavailable
            | Self::NoUpstream
            | Self::NoValidCookie
            | Self::NoValidKey
            | Self::CoreUnavailable
            | Self::ShuttingDown => Code::Unavailable,
            Self::ConnectTimeout
            | Self::FirstTokenTimeout
            | Self::IdleTimeout
            | Self::RequestTimeout => Code::DeadlineExceeded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_reads_back_what_it_writes() {
        for number in 0..=43 {
            let reason = ErrorReason::try_from(number).expect("the numbers have no gap");
            assert_eq!(
                ErrorReason::from_info_reason(reason.as_info_reason()),
                Some(reason)
            );
        }
    }
}
