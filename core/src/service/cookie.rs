//! `CookieService`.

use llm2api_proto::{
    ContractError,
    v1::{
        AddCookieRequest, AddCookieResponse, CheckCookieRequest, CheckCookieResponse,
        ClearCookieRequest, ClearCookieResponse, Cookie, DeleteCookieRequest, DeleteCookieResponse,
        ErrorReason, ListCookiesRequest, ListCookiesResponse, UpdateCookieRequest,
        UpdateCookieResponse, cookie_service_server::CookieService,
    },
};
use tonic::{Request, Response, Status, async_trait};

use crate::{
    administration::{Administration, CookieFilter, OfUpstream},
    pool::{CredentialId, ShownState},
    upstream::{Secret, preview},
};

/// Credentials on a page, where nobody says how many.
const USUAL_PAGE: usize = 100;
/// Credentials on a page, at most.
const MAX_PAGE: usize = 1000;

/// The service.
#[derive(Clone)]
pub(crate) struct CookieRpc {
    pub(crate) administration: Administration,
}

#[async_trait]
impl CookieService for CookieRpc {
    async fn add_cookie(
        &self,
        request: Request<AddCookieRequest>,
    ) -> Result<Response<AddCookieResponse>, Status> {
        let (shown, created) = self.administration.add_cookie(request.into_inner()).await?;
        Ok(Response::new(AddCookieResponse {
            cookie: Some(cookie(&shown)),
            created,
        }))
    }

    async fn check_cookie(
        &self,
        request: Request<CheckCookieRequest>,
    ) -> Result<Response<CheckCookieResponse>, Status> {
        let id = read_id(&request.into_inner().id)?;
        let shown = self.administration.check_cookie(id).await?;
        Ok(Response::new(CheckCookieResponse {
            cookie: Some(cookie(&shown)),
        }))
    }

    async fn clear_cookie(
        &self,
        request: Request<ClearCookieRequest>,
    ) -> Result<Response<ClearCookieResponse>, Status> {
        let id = read_id(&request.into_inner().id)?;
        let shown = self.administration.clear_cookie(id)?;
        Ok(Response::new(ClearCookieResponse {
            cookie: Some(cookie(&shown)),
        }))
    }

    async fn delete_cookie(
        &self,
        request: Request<DeleteCookieRequest>,
    ) -> Result<Response<DeleteCookieResponse>, Status> {
        let id = read_id(&request.into_inner().id)?;
        self.administration.delete_cookie(id).await?;
        Ok(Response::new(DeleteCookieResponse {}))
    }

    async fn list_cookies(
        &self,
        request: Request<ListCookiesRequest>,
    ) -> Result<Response<ListCookiesResponse>, Status> {
        let (mut filter, limit) = read_filter(request.into_inner())?;
        // One more tells whether there is another page.
        filter.limit = limit + 1;
        let mut all = self.administration.list_cookies(&filter)?;
        let has_more = all.len() > limit;
        all.truncate(limit);
        let last = all.last().filter(|_| has_more);
        Ok(Response::new(ListCookiesResponse {
            next_page_token: last
                .map(|(_, shown)| shown.member.id.to_string())
                .unwrap_or_default(),
            cookies: all.iter().map(cookie).collect(),
        }))
    }

    async fn update_cookie(
        &self,
        request: Request<UpdateCookieRequest>,
    ) -> Result<Response<UpdateCookieResponse>, Status> {
        let UpdateCookieRequest {
            id,
            disabled,
            label,
        } = request.into_inner();
        let id = read_id(&id)?;
        let changed = self.administration.update_cookie(id, disabled, label);
        Ok(Response::new(UpdateCookieResponse {
            cookie: Some(cookie(&changed.await?)),
        }))
    }
}

fn invalid(param: &str, message: &str) -> ContractError {
    ContractError::new(ErrorReason::InvalidValue, message).with_param(param)
}

/// Reads an id. What has not the form of one is nobody's.
fn read_id(id: &str) -> Result<CredentialId, ContractError> {
    if id.is_empty() {
        let message = "`id` is missing.";
        let error = ContractError::new(ErrorReason::MissingRequiredParameter, message);
        return Err(error.with_param("id"));
    }
    id.parse().map_err(|_| {
        let message = format!("There is no cookie `{id}`: ids look like `ck_0123456789abcdef`.");
        ContractError::new(ErrorReason::CookieNotFound, message)
    })
}

fn read_filter(request: ListCookiesRequest) -> Result<(CookieFilter, usize), ContractError> {
    let limit = match usize::try_from(request.page_size) {
        Ok(0) => USUAL_PAGE,
        Ok(limit) if limit <= MAX_PAGE => limit,
        Ok(_) | Err(_) => return Err(invalid("page_size", "`page_size` takes 1 to 1000.")),
    };
    let after = match request.page_token.as_str() {
        "" => None,
        token => Some(token.parse().map_err(|_| {
            invalid(
                "page_token",
                "`page_token` takes the id of a cookie, as the page before gave it.",
            )
        })?),
    };
    let state = match request.state.as_str() {
        "" => None,
        text => Some(
            ShownState::ALL
                .into_iter()
                .find(|state| state.as_str() == text)
                .ok_or_else(|| {
                    invalid(
                        "state",
                        "`state` takes valid, unchecked, cooling, invalid or disabled.",
                    )
                })?,
        ),
    };
    let filter = CookieFilter {
        upstream: Some(request.upstream).filter(|name| !name.is_empty()),
        state,
        after,
        limit,
    };
    Ok((filter, limit))
}

/// A credential as the contract shows it.
fn cookie((entry, shown): &OfUpstream) -> Cookie {
    let member = &shown.member;
    let kind = match member.credential.secret {
        Secret::Anonymous => "anonymous",
        Secret::ApiKey(_) => "api_key",
        Secret::Cookie(_) => "cookie",
    };
    let usage = &shown.usage;
    let is_kept = !member.credential.is_anonymous();
    Cookie {
        id: member.id.to_string(),
        upstream: entry.name().to_owned(),
        kind: kind.to_owned(),
        source: member.source.as_str().to_owned(),
        label: shown.label.clone(),
        state: shown.state.as_str().to_owned(),
        reason: shown.reason.unwrap_or_default().to_owned(),
        preview: preview(&member.credential, entry.session_cookie()),
        in_flight: shown.in_flight.into(),
        requests: count(usage.requests),
        failures: count(usage.failures),
        last_error: usage.last_error.clone(),
        added_at: Some(shown.added_at).filter(|_| is_kept).map(Into::into),
        last_checked_at: shown.last_checked_at.map(Into::into),
        last_used_at: usage.last_used_at.map(Into::into),
        cooldown_until: shown.cooldown_until.map(Into::into),
    }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
