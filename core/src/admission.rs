//! Whether what a client asks may be answered: the one place where what is granted meets what is asked.
//!
//! [`Admission`] finds whose grants apply to a client; the [`Permit`] that it gives says what these allow. Another holder of limits, beside
//! the key, is one more that [`Admission::permit`] puts in.

mod permit;

use std::sync::Arc;

use llm2api_proto::ContractError;

pub(crate) use self::permit::Permit;
use crate::{authorization::Authorization, keys::KeyRing};

/// Finds whose grants apply to a client.
pub(crate) struct Admission {
    keys: Arc<KeyRing>,
    authorization: Arc<Authorization>,
}

impl Admission {
    pub(crate) fn new(keys: Arc<KeyRing>, authorization: Arc<Authorization>) -> Self {
        Self {
            keys,
            authorization,
        }
    }

    /// What the client of this name may have, as things are now.
    ///
    /// # Errors
    ///
    /// `AUTHORIZATION_INVALID`, where this instance is not to answer anybody.
    pub(crate) fn permit(&self, client_id: &str) -> Result<Permit, ContractError> {
        self.authorization.admit()?;
        let key = self.keys.of_client(client_id);
        Ok(Permit::of(key, self.authorization.allowance()))
    }
}
