//! Why a credential can't be used.

/// Why a credential cools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CoolingReason {
    /// It was used too fast.
    RateLimit,
    /// It has nothing left to spend.
    Quota,
}

/// Why a credential is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InvalidReason {
    /// A session that has ended.
    Expired,
    /// A key that is not known, or no longer.
    Revoked,
    /// Its session must first show that a person uses it.
    Challenge,
    /// It is known, and not let in.
    Blocked,
    /// The upstream doesn't say.
    Unknown,
}

impl CoolingReason {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::RateLimit, Self::Quota];

    /// The reason as operators read it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RateLimit => "rate_limit",
            Self::Quota => "quota",
        }
    }
}

impl InvalidReason {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [
        Self::Expired,
        Self::Revoked,
        Self::Challenge,
        Self::Blocked,
        Self::Unknown,
    ];

    /// The reason as operators read it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Challenge => "challenge",
            Self::Blocked => "blocked",
            Self::Unknown => "unknown",
        }
    }
}
