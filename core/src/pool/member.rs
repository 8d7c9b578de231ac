//! A credential as a pool holds it.

use std::fmt;

use crate::upstream::Credential;

/// A credential, and what never changes about it.
#[derive(Debug)]
pub(crate) struct Member {
    /// Names it wherever it is spoken of.
    pub(crate) id: CredentialId,
    /// What lets us in.
    pub(crate) credential: Credential,
    /// Who gave it.
    pub(crate) source: CredentialSource,
}

impl Member {
    /// A credential with a new name.
    pub(crate) fn new(credential: Credential, source: CredentialSource) -> Self {
        Self {
            id: CredentialId(fastrand::u64(..)),
            credential,
            source,
        }
    }
}

/// Who gave a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CredentialSource {
    /// The configuration: it is there as long as it stands there.
    Config,
    /// Somebody added it.
    User,
}

impl CredentialSource {
    /// The source as operators read it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::User => "user",
        }
    }
}

/// The name of a credential, `ck_…`: says nothing of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CredentialId(u64);

impl fmt::Display for CredentialId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ck_{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_credential_has_one_form() {
        assert_eq!(CredentialId(0xab).to_string(), "ck_00000000000000ab");
    }
}
