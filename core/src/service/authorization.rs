//! `AuthorizationService`.

use std::{sync::Arc, time::SystemTime};

use llm2api_proto::{
    ContractError,
    v1::{
        self, AuthorizationCode, CodeModels, ErrorReason, GetAuthorizationRequest,
        GetAuthorizationResponse, IntrospectCodeRequest, IntrospectCodeResponse, IssueCodeRequest,
        IssueCodeResponse, ListCodesRequest, ListCodesResponse, RevokeCodeRequest,
        RevokeCodeResponse, authorization_service_server::AuthorizationService,
    },
};
use prost_types::Timestamp;
use tonic::{Request, Response, Status, async_trait};

use crate::{
    authorization::{Authorization, Claims, CodeLimits, Order},
    store::{StoreError, StoredCode},
};

/// Characters of a subject.
const MAX_SUBJECT: usize = 200;
/// Seconds for which a code is good where nobody says for how long: a year.
const USUAL_LIFETIME: i64 = 365 * 24 * 3600;
/// The least and the most that a code may be good for, in seconds: a minute, and ten years.
const LIFETIMES: std::ops::RangeInclusive<i64> = 60..=10 * USUAL_LIFETIME;
/// The latest instant that anything here may name, in seconds since 1970: the year 9999's begin.
const LATEST: i64 = 253_370_764_800;
/// Codes that a page has where nobody says how many, and at most.
const USUAL_PAGE: usize = 100;
const MAX_PAGE: usize = 1000;

/// The service.
#[derive(Clone)]
pub(crate) struct AuthorizationRpc {
    pub(crate) authorization: Arc<Authorization>,
}

#[async_trait]
impl AuthorizationService for AuthorizationRpc {
    async fn get_authorization(
        &self,
        _request: Request<GetAuthorizationRequest>,
    ) -> Result<Response<GetAuthorizationResponse>, Status> {
        let view = self.authorization.view();
        Ok(Response::new(GetAuthorizationResponse {
            authorization: Some(v1::Authorization {
                state: view.state.as_str().to_owned(),
                reason: view.reason.to_owned(),
                message: view.message.clone(),
                authority: self.authorization.authority().to_owned(),
                code: view.claims.as_ref().map(shown),
                last_checked_at: view.last_checked_at.map(timestamp),
                next_check_at: Some(timestamp(view.next_check_at)),
                own_public_key: self.authorization.own_public_key().to_pem(),
            }),
        }))
    }

    async fn introspect_code(
        &self,
        request: Request<IntrospectCodeRequest>,
    ) -> Result<Response<IntrospectCodeResponse>, Status> {
        let code = request.into_inner().code;
        if code.is_empty() {
            return Err(missing("code").into());
        }
        let known = self.authorization.introspect(&code);
        Ok(Response::new(IntrospectCodeResponse {
            active: known.is_some(),
            code: known.as_ref().map(issued),
        }))
    }

    async fn issue_code(
        &self,
        request: Request<IssueCodeRequest>,
    ) -> Result<Response<IssueCodeResponse>, Status> {
        let order = read_order(request.into_inner())?;
        let issued_code = self.authorization.issue(order).await;
        let (known, code) = issued_code.map_err(|error| not_stored(&error))?;
        Ok(Response::new(IssueCodeResponse {
            issued: Some(issued(&known)),
            code,
        }))
    }

    async fn list_codes(
        &self,
        request: Request<ListCodesRequest>,
    ) -> Result<Response<ListCodesResponse>, Status> {
        let ListCodesRequest {
            page_size,
            page_token,
        } = request.into_inner();
        let limit = match usize::try_from(page_size) {
            Ok(0) => USUAL_PAGE,
            Ok(limit) if limit <= MAX_PAGE => limit,
            Ok(_) | Err(_) => {
                return Err(invalid("page_size", "`page_size` takes 1 to 1000.").into());
            }
        };
        let after = Some(page_token.as_str()).filter(|token| !token.is_empty());
        let page = self.authorization.list(after, limit);
        let (codes, has_more) = page.ok_or_else(|| {
            invalid(
                "page_token",
                "`page_token` takes the id of a code, as the page before gave it.",
            )
        })?;
        let last = codes.last().filter(|_| has_more);
        Ok(Response::new(ListCodesResponse {
            next_page_token: last.map(|code| code.claims.jti.clone()).unwrap_or_default(),
            codes: codes.iter().map(issued).collect(),
        }))
    }

    async fn revoke_code(
        &self,
        request: Request<RevokeCodeRequest>,
    ) -> Result<Response<RevokeCodeResponse>, Status> {
        let RevokeCodeRequest { id, undo } = request.into_inner();
        if id.is_empty() {
            return Err(missing("id").into());
        }
        let revoked = self.authorization.revoke(&id, !undo).await;
        let code = revoked
            .map_err(|error| not_stored(&error))?
            .ok_or_else(|| {
                let message = format!(
                    "No code `{id}` was issued here; `llm2api auth list` shows those that were."
                );
                ContractError::new(ErrorReason::CodeNotFound, message)
            })?;
        Ok(Response::new(RevokeCodeResponse {
            code: Some(issued(&code)),
        }))
    }
}

fn read_order(request: IssueCodeRequest) -> Result<Order, ContractError> {
    let IssueCodeRequest {
        subject,
        lifetime,
        not_before,
        limits,
    } = request;
    let subject = subject.trim().to_owned();
    if subject.is_empty() {
        return Err(missing("subject"));
    }
    let is_writable = !subject.chars().any(char::is_control);
    if !is_writable || subject.chars().count() > MAX_SUBJECT {
        return Err(invalid(
            "subject",
            "`subject` takes at most 200 characters, on one line.",
        ));
    }
    let lifetime = lifetime.map_or(USUAL_LIFETIME, |lifetime| lifetime.seconds);
    if !LIFETIMES.contains(&lifetime) {
        return Err(invalid(
            "lifetime",
            "`lifetime` takes a minute to ten years.",
        ));
    }
    let not_before = match not_before {
        None => Timestamp::from(SystemTime::now()).seconds,
        Some(Timestamp { seconds, .. }) if (0..LATEST - lifetime).contains(&seconds) => seconds,
        Some(_) => {
            return Err(invalid(
                "not_before",
                "`not_before` takes a time between 1970 and the year 9999.",
            ));
        }
    };
    Ok(Order {
        subject,
        not_before,
        expires_at: not_before + lifetime,
        limits: read_limits(limits.unwrap_or_default())?,
    })
}

fn read_limits(limits: v1::CodeLimits) -> Result<CodeLimits, ContractError> {
    let positive = |name: &str, number: Option<i64>| match number {
        None => Ok(None),
        Some(number) if number >= 1 => Ok(Some(number.cast_unsigned())),
        Some(_) => Err(invalid(name, &format!("`{name}` takes 1 or more."))),
    };
    let requests = positive("requests_per_minute", limits.requests_per_minute)?;
    let requests = requests.map(u32::try_from).transpose().map_err(|_| {
        invalid(
            "requests_per_minute",
            "`requests_per_minute` takes at most 4294967295.",
        )
    })?;
    Ok(CodeLimits {
        requests_per_minute: requests,
        tokens_per_day: positive("tokens_per_day", limits.tokens_per_day)?,
        models: limits.models.map(|models| models.names),
        web_search: limits.web_search,
    })
}

/// A code that was issued here, as the contract shows it.
fn issued(code: &StoredCode) -> AuthorizationCode {
    AuthorizationCode {
        revoked_at: code.revoked_at.map(timestamp),
        own: code.is_own,
        ..shown(&code.claims)
    }
}

/// What any code says, as the contract shows it.
fn shown(claims: &Claims) -> AuthorizationCode {
    let limits = &claims.llm2api_limits;
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let is_limited = *limits != CodeLimits::default();
    AuthorizationCode {
        id: claims.jti.clone(),
        issuer: claims.iss.clone(),
        subject: claims.sub.clone(),
        issued_at: claims.iat.map(timestamp),
        not_before: claims.nbf.map(timestamp),
        expires_at: claims.exp.map(timestamp),
        limits: is_limited.then(|| v1::CodeLimits {
            requests_per_minute: limits.requests_per_minute.map(i64::from),
            tokens_per_day: limits.tokens_per_day.map(signed),
            models: limits.models.clone().map(|names| CodeModels { names }),
            web_search: limits.web_search,
        }),
        revoked_at: None,
        own: false,
    }
}

fn timestamp(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

fn missing(param: &str) -> ContractError {
    let message = format!("`{param}` is required.");
    ContractError::new(ErrorReason::MissingRequiredParameter, message).with_param(param)
}

fn invalid(param: &str, message: &str) -> ContractError {
    ContractError::new(ErrorReason::InvalidValue, message).with_param(param)
}

fn not_stored(error: &StoreError) -> ContractError {
    ContractError::new(
        ErrorReason::StoreError,
        format!("The code could not be kept, and nothing has changed: {error}."),
    )
}
