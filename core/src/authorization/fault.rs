//! Why a code is not good.

/// Why an instance is not authorized by a code. Names and sentences are what operators see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There is none.
    NoCode,
    /// It is no JWT of the form that codes have.
    Malformed,
    /// It is not signed with EdDSA.
    WrongAlgorithm,
    /// Whoever signed it doesn't have the private key that fits.
    WrongSignature,
    /// It is meant for something else.
    WrongAudience,
    /// It doesn't say when it ends.
    NoExpiry,
    /// It is not good yet.
    NotYetValid,
    /// It is not good any more.
    Expired,
    /// This instance issued it, and revoked it.
    Revoked,
    /// This instance has issued no such code.
    NotIssued,
    /// The authority says that it is not good, whether revoked, expired or not known there.
    Inactive,
    /// What its authority says of it is not what it says itself.
    Disagreement,
}

impl Fault {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoCode => "no_code",
            Self::Malformed => "malformed",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::WrongSignature => "wrong_signature",
            Self::WrongAudience => "wrong_audience",
            Self::NoExpiry => "no_expiry",
            Self::NotYetValid => "not_yet_valid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::NotIssued => "not_issued",
            Self::Inactive => "inactive",
            Self::Disagreement => "disagreement",
        }
    }

    /// What to do about it, in a sentence.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::NoCode => {
                "there is no authorization code: ask the authority for one, and set AUTH_CODE"
            }
            Self::Malformed => {
                "AUTH_CODE is no authorization code: it must be a JWT as the authority gave it, whole"
            }
            Self::WrongAlgorithm => {
                "the authorization code is not signed with EdDSA: ask the authority for one that is"
            }
            Self::WrongSignature => {
                "the authorization code was not signed with the key that AUTH_PUBLIC_KEY belongs to: check both"
            }
            Self::WrongAudience => {
                "the authorization code is not for llm2api (its `aud`): ask the authority for one that is"
            }
            Self::NoExpiry => {
                "the authorization code has no `exp`: ask the authority for one that has"
            }
            Self::NotYetValid => {
                "the authorization code is not good yet: wait, or check this machine's clock"
            }
            Self::Expired => {
                "the authorization code has expired: ask the authority for a new one, and set AUTH_CODE"
            }
            Self::Revoked => {
                "the authorization code was revoked here: issue another, and set AUTH_CODE"
            }
            Self::NotIssued => {
                "the authorization code is not among those that were issued here: issue another, and set AUTH_CODE"
            }
            Self::Inactive => {
                "the authority says that the authorization code is not good: ask it for a new one, and set AUTH_CODE"
            }
            Self::Disagreement => {
                "the authority says of the authorization code what the code itself doesn't say: ask the authority"
            }
        }
    }
}
