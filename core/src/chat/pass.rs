//! What lets one chat in: what its client may have, and what the answer has to pay for.

use std::sync::Arc;

use crate::{admission::Permit, limits::Account};

/// What lets one chat in. Settled when it, and whoever counts for it, is gone.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    /// What its client may have.
    pub(super) permit: Permit,
    /// What the answer has to pay for, where somebody counts that.
    pub(super) account: Option<Arc<Account>>,
}

impl Pass {
    /// That of another answer, which is made for the sake of the same chat.
    pub(super) fn beside(&self) -> Self {
        let account = self.account.as_ref();
        Self {
            permit: self.permit.clone(),
            account: account.map(|account| Arc::new(account.beside())),
        }
    }
}
