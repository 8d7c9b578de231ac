//! What one client may have.

use std::sync::Arc;

use llm2api_proto::{ContractError, v1::ErrorReason};

use crate::{
    authorization::Allowance,
    keys::ClientKey,
    limits::{self, Admitted, Cost, Holder, Moment},
    registry::Routing,
    router,
};

/// What one client may have, for the time of one request: what all holders grant that apply to it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Permit {
    key: Option<Arc<ClientKey>>,
    /// What the instance itself may have.
    allowance: Option<Arc<Allowance>>,
}

impl Permit {
    /// What a key grants, and what the instance may have; without either there is no bound.
    pub(super) fn of(key: Option<Arc<ClientKey>>, allowance: Option<Arc<Allowance>>) -> Self {
        Self { key, allowance }
    }

    /// Those whose limits apply, the nearest to the client first.
    fn holders(&self) -> impl Iterator<Item = &Holder> {
        let of_key = self.key.iter().map(|key| &key.holder);
        of_key.chain(self.allowance.iter().map(|allowance| &allowance.holder))
    }

    /// Whether a model may be asked for by this name.
    pub(crate) fn allows_model(&self, routing: &Routing, asked: &str) -> bool {
        self.holders().all(|holder| {
            holder.grant.models.is_none()
                || holder.grant.allows_any(&[asked])
                || router::id_at_upstream(routing, asked)
                    .is_some_and(|id| holder.grant.allows_any(&[id]))
        })
    }

    /// Whether the web may be searched.
    pub(crate) fn allows_search(&self) -> bool {
        self.holders().all(|holder| holder.grant.web_search)
    }

    /// Checks that the web may be searched, where nothing else was asked for.
    ///
    /// # Errors
    ///
    /// `WEB_SEARCH_NOT_ALLOWED`.
    pub(crate) fn check_search(&self) -> Result<(), ContractError> {
        match self.allows_search() {
            true => Ok(()),
            false => Err(ContractError::new(
                ErrorReason::WebSearchNotAllowed,
                "Web search is not allowed for this key, or for this instance; the same without `/web` answers without one.",
            )),
        }
    }

    /// Counts a chat, and reserves what it may cost. `None`: nobody counts it.
    ///
    /// # Errors
    ///
    /// `RATE_LIMIT_EXCEEDED` or `INSUFFICIENT_QUOTA`, where a limit is reached; then it is counted nowhere.
    pub(crate) fn enter(
        &self,
        cost: impl FnOnce() -> Cost,
    ) -> Result<Option<Admitted>, ContractError> {
        let holders: Vec<&Holder> = self.holders().collect();
        if holders.is_empty() {
            return Ok(None);
        }
        let is_bound = |holder: &&Holder| holder.grant.limits.bound_tokens();
        let cost = match holders.iter().any(is_bound) {
            true => cost(),
            false => Cost::UNKNOWN,
        };
        limits::admit(&holders, cost, Moment::now()).map(Some)
    }
}
