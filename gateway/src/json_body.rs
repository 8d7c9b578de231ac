//! Bodies as JSON: read, or told what is wrong with them.

pub(crate) mod fault;
mod nesting;

use llm2api_proto::{ContractError, v1::ErrorReason};
use serde::Deserialize;

/// Reads a body that is to be a `T`, which is an object in JSON.
///
/// # Errors
///
/// What is wrong with the body, as the client is told: always a reason of the kind 400.
pub(crate) fn parse<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, ContractError> {
    let text = std::str::from_utf8(body).map_err(|_| {
        ContractError::new(ErrorReason::InvalidJson, "The body is not valid UTF-8.")
    })?;
    nesting::check(text)?;
    // A derived `Deserialize` would take an array for the members in their order.
    if text.trim_start().starts_with('[') {
        return Err(fault::no_object());
    }
    serde_json::from_str(text).map_err(|_| fault::explain::<T>(text))
}
