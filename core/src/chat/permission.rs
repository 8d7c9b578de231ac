//! Letting a chat in: may its client have this model, a search, and an answer at all?

use llm2api_proto::{
    ContractError, RateLimits,
    v1::{ChatRequest, ErrorReason},
};

use super::{Chats, Ledger, estimate, pass::Pass};
use crate::{admission::Permit, limits::Admitted};

impl Chats {
    /// Lets a chat in, and gives its ledger what it may have and has to pay for. Returns what the limits leave then.
    ///
    /// # Errors
    ///
    /// Why it isn't let in; then it is counted nowhere.
    pub(crate) async fn let_in(
        &self,
        permit: Permit,
        request: &ChatRequest,
        ledger: &mut Ledger,
    ) -> Result<RateLimits, ContractError> {
        let is_allowed = permit.allows_model(&self.registry.routing(), &request.model);
        // A model without a name is another's complaint.
        if !is_allowed && !request.model.is_empty() {
            self.route(&request.model).await?;
            return Err(model_not_allowed(&request.model));
        }
        if request.web_search {
            permit.check_search()?;
        }
        let admitted = permit.enter(|| estimate::cost(request))?;
        let (account, rate_limits) = match admitted {
            Some(Admitted {
                account,
                rate_limits,
            }) => (Some(account), rate_limits),
            None => (None, RateLimits::default()),
        };
        ledger.let_in(Pass { permit, account });
        Ok(rate_limits)
    }
}

/// There is such a model, for others.
fn model_not_allowed(model: &str) -> ContractError {
    ContractError::new(
        ErrorReason::ModelNotAllowed,
        format!(
            "The model `{model}` is not allowed for this key, or for this instance. GET /v1/models lists those that are."
        ),
    )
    .with_param("model")
}
