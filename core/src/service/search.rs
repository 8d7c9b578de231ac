//! `SearchService`.

use std::sync::Arc;

use llm2api_proto::{
    ContractError,
    metadata::CLIENT_ID,
    v1::{self, ErrorReason, SearchRequest, SearchResponse, search_service_server::SearchService},
};
use tonic::{Request, Response, Status, async_trait};

use super::chat::text;
use crate::{
    admission::Admission,
    config::notation,
    search::{MAX_RESULTS, Search, SearchStatus},
};

/// The service.
#[derive(Clone)]
pub(crate) struct SearchRpc {
    pub(crate) search: Arc<Search>,
    pub(crate) admission: Arc<Admission>,
}

#[async_trait]
impl SearchService for SearchRpc {
    async fn search(
        &self,
        request: Request<SearchRequest>,
    ) -> Result<Response<SearchResponse>, Status> {
        let permit = self
            .admission
            .permit(&text(request.metadata(), CLIENT_ID))?;
        permit.check_search()?;
        let SearchRequest {
            query,
            limit,
            language,
        } = request.into_inner();
        let limit = match usize::try_from(limit) {
            Ok(0) => self.search.result_count(),
            Ok(limit) if limit <= MAX_RESULTS => limit,
            Ok(_) | Err(_) => {
                let message = format!("`limit` must be from 0 to {MAX_RESULTS}.");
                return Err(invalid("limit", message).into());
            }
        };
        let language = match language.as_str() {
            "" => None,
            language => Some(notation::search_language(language).ok_or_else(|| {
                invalid(
                    "language",
                    "`language` must be like `en`, `pt-BR` or `all`.",
                )
            })?),
        };
        let query = self.search.typed_query(&query, language).ok_or_else(|| {
            invalid(
                "query",
                "`query` must have something to search for: a letter or a digit.",
            )
        })?;
        let found = self.search.find(&query, limit).await;
        Ok(Response::new(SearchResponse {
            results: found
                .results
                .iter()
                .map(|result| v1::SearchResult {
                    title: result.title.clone(),
                    url: result.url.clone(),
                    snippet: result.snippet.clone(),
                })
                .collect(),
            status: status(found.status).into(),
            status_message: found.why,
        }))
    }
}

fn invalid(param: &str, message: impl Into<String>) -> ContractError {
    ContractError::new(ErrorReason::InvalidValue, message).with_param(param)
}

fn status(status: SearchStatus) -> v1::SearchStatus {
    match status {
        SearchStatus::Ok => v1::SearchStatus::Ok,
        SearchStatus::Empty => v1::SearchStatus::Empty,
        SearchStatus::Blocked => v1::SearchStatus::Blocked,
        SearchStatus::Failed => v1::SearchStatus::Failed,
    }
}
