//! `ModelService`.

use std::sync::Arc;

use llm2api_proto::{
    ContractError,
    metadata::CLIENT_ID,
    v1::{
        ErrorReason, GetModelRequest, GetModelResponse, ListModelsRequest, ListModelsResponse,
        model_service_server::ModelService,
    },
};
use tonic::{Request, Response, Status, async_trait};

use super::chat::text;
use crate::{admission::Admission, catalog::Catalog};

/// The service.
#[derive(Clone)]
pub(crate) struct ModelRpc {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) admission: Arc<Admission>,
}

#[async_trait]
impl ModelService for ModelRpc {
    async fn get_model(
        &self,
        request: Request<GetModelRequest>,
    ) -> Result<Response<GetModelResponse>, Status> {
        let permit = self
            .admission
            .permit(&text(request.metadata(), CLIENT_ID))?;
        self.catalog.first_lists().await;
        let model = self.catalog.get(&request.into_inner().model, &permit)?;
        Ok(Response::new(GetModelResponse { model: Some(model) }))
    }

    async fn list_models(
        &self,
        request: Request<ListModelsRequest>,
    ) -> Result<Response<ListModelsResponse>, Status> {
        let permit = self
            .admission
            .permit(&text(request.metadata(), CLIENT_ID))?;
        let ListModelsRequest {
            page_size,
            page_token,
        } = request.into_inner();
        let invalid = |param: &str, message: &str| {
            ContractError::new(ErrorReason::InvalidValue, message).with_param(param)
        };
        let page_size = usize::try_from(page_size)
            .map_err(|_| invalid("page_size", "`page_size` must not be negative."))?;
        // The token is where the next page begins. Lists change between pages; a model may then come twice or be missed.
        let begin = match page_token.as_str() {
            "" => 0,
            token => token.parse().map_err(|_| {
                invalid(
                    "page_token",
                    "`page_token` must be the `next_page_token` of the page before.",
                )
            })?,
        };
        self.catalog.first_lists().await;
        let all = self.catalog.list(&permit);
        let page_size = if page_size == 0 { all.len() } else { page_size };
        let next = usize::saturating_add(begin, page_size);
        let next_page_token = if next < all.len() {
            next.to_string()
        } else {
            String::new()
        };
        let models = all.into_iter().skip(begin).take(page_size).collect();
        Ok(Response::new(ListModelsResponse {
            models,
            next_page_token,
        }))
    }
}
