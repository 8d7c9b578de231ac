//! What an operator is told when something can't be done with a key.

use llm2api_proto::{ContractError, v1::ErrorReason};

use crate::store::StoreError;

/// There is no key with this id.
pub(crate) fn no_key(id: &str) -> ContractError {
    ContractError::new(
        ErrorReason::KeyNotFound,
        format!("There is no key `{id}`; `llm2api key list` shows those that there are."),
    )
}

/// The store can't keep it.
pub(super) fn not_stored(error: &StoreError) -> ContractError {
    tracing::error!(%error, "a change of a client key could not be stored");
    ContractError::new(
        ErrorReason::StoreError,
        format!("The change could not be stored, and was not made: {error}."),
    )
}

/// The system gives no random numbers.
pub(super) fn no_randomness(error: getrandom::Error) -> ContractError {
    tracing::error!(%error, "the system gives no random numbers");
    internal()
}

/// A fault of our own.
pub(super) fn internal() -> ContractError {
    ContractError::new(
        ErrorReason::InternalError,
        "The server made a mistake; its log says more.",
    )
}
