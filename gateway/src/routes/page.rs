//! What lists of several routes have in common.

use llm2api_proto::ContractError;

use crate::json_body::fault::invalid_value;

/// What a page may have at most.
const MAX_PAGE_SIZE: i32 = 1000;

/// Reads `limit`.
pub(super) fn limit(value: &str) -> Result<i32, ContractError> {
    let limit = value.parse().ok();
    limit
        .filter(|limit| (1..=MAX_PAGE_SIZE).contains(limit))
        .ok_or_else(|| {
            let expected = format!("expected a whole number from 1 to {MAX_PAGE_SIZE}");
            invalid_value("limit", &expected)
        })
}
