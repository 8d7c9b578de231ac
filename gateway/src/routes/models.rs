//! `GET /v1/models` and `GET /v1/models/{id}`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use llm2api_proto::{ContractError, v1::ErrorReason};

use crate::{
    access::Admitted,
    error::ApiError,
    facade::Facade,
    openai::models::{ModelList, ModelObject},
};

/// Lists the models that the client may use.
pub(crate) async fn list(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
) -> Result<Json<ModelList>, ApiError> {
    let models = facade.core.list_models(&caller).await?;
    Ok(Json(models.into_iter().collect()))
}

/// Tells one model, whose id may hold slashes.
pub(crate) async fn get(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<ModelObject>, ApiError> {
    let Path(id) = id.map_err(|_| {
        ContractError::new(
            ErrorReason::ModelNotFound,
            "The model's id in the path is not valid UTF-8.",
        )
    })?;
    let model = facade.core.get_model(id, &caller).await?;
    Ok(Json(ModelObject::from(model)))
}
