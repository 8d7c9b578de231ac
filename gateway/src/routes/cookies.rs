//! Credentials: `GET /cookies`, `POST /cookie/add`, and what is done to one.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use http::{Request, StatusCode};
use llm2api_proto::{
    ContractError,
    v1::{AddCookieRequest, ErrorReason, ListCookiesRequest, UpdateCookieRequest},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{page::limit, route::Parameter};
use crate::{
    access::Admitted,
    body,
    error::{self, ApiError},
    facade::Facade,
    json_body::{
        self,
        fault::{missing, unknown},
    },
    objects::{AddedCookie, CookieObject, Deleted, ListObject},
};

/// What the list may be asked for.
pub(super) const LIST_QUERY: &[Parameter] = &[
    (
        "limit",
        "The most to list, 1 to 1000; 100 where it is absent.",
    ),
    (
        "after",
        "The id after which the page begins: `last_id` of the page before.",
    ),
    ("upstream", "Only those of this upstream."),
    (
        "state",
        "Only those in this state: `valid`, `unchecked`, `cooling`, `invalid` or `disabled`.",
    ),
];

/// A credential to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AddCookie {
    /// An API key; or a session cookie as its value alone, as a whole `Cookie` header, as a browser extension's JSON export, or as
    /// lines of Netscape's cookies.txt.
    #[schema(required = true, nullable = false)]
    cookie: Option<String>,
    /// The upstream's name. Absent: the first that is not `local`.
    upstream: Option<String>,
    /// `cookie` or `api_key`. Absent: what the value's form and the upstream's kind say.
    kind: Option<String>,
    /// What to call it. At most 200 characters.
    label: Option<String>,
    /// The `User-Agent` of the browser that the session is bound to. Absent: our own.
    user_agent: Option<String>,
    /// The proxy that the session is bound to, such as `socks5h://127.0.0.1:1080`. Absent: the upstream's.
    proxy: Option<String>,
}

/// What to change of a credential. What is absent or null stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateCookie {
    /// Whether it is to be left unused.
    disabled: Option<bool>,
    /// What to call it, at most 200 characters. Empty: nothing.
    label: Option<String>,
}

/// Lists credentials, those first that were added first.
pub(super) async fn list(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    RawQuery(query): RawQuery,
) -> Result<Json<ListObject<CookieObject>>, ApiError> {
    let request = list_request(query.as_deref().unwrap_or_default())?;
    let page = facade.core.list_cookies(request, &caller).await?;
    let cookies = page.cookies.into_iter().map(CookieObject::from).collect();
    let has_more = !page.next_page_token.is_empty();
    Ok(Json(ListObject::new(cookies, has_more, |cookie| {
        &cookie.id
    })))
}

fn list_request(query: &str) -> Result<ListCookiesRequest, ContractError> {
    let mut request = ListCookiesRequest::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "limit" => request.page_size = limit(&value)?,
            "after" => request.page_token = value.into_owned(),
            "upstream" => request.upstream = value.into_owned(),
            "state" => request.state = value.into_owned(),
            other => return Err(unknown(other, "one of limit, after, upstream, state")),
        }
    }
    Ok(request)
}

/// Adds a credential, once its upstream has accepted it.
pub(super) async fn add(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    request: Request<Body>,
) -> Result<Json<AddedCookie>, AddFailure> {
    let body = body::read_json(request, facade.max_body_bytes).await?;
    let json: AddCookie = json_body::parse(&body)?;
    let request = AddCookieRequest {
        cookie: json
            .cookie
            .filter(|cookie| !cookie.trim().is_empty())
            .ok_or_else(|| missing("cookie"))?,
        upstream: json.upstream.unwrap_or_default(),
        kind: json.kind.unwrap_or_default(),
        label: json.label.unwrap_or_default(),
        user_agent: json.user_agent.unwrap_or_default(),
        proxy: json.proxy.unwrap_or_default(),
    };
    let added = facade.core.add_cookie(request, &caller).await?;
    Ok(Json(AddedCookie {
        cookie: added.cookie.unwrap_or_default().into(),
        created: added.created,
    }))
}

/// Why a credential was not added. That there is nothing to add it to is then the request's fault, not the service's.
pub(super) struct AddFailure(ContractError);

impl From<ContractError> for AddFailure {
    fn from(mut error: ContractError) -> Self {
        if error.reason == ErrorReason::UpstreamNotFound {
            error.reason = ErrorReason::InvalidValue;
            error = error.with_param("upstream");
        }
        Self(error)
    }
}

impl IntoResponse for AddFailure {
    fn into_response(self) -> Response {
        match self.0.reason {
            ErrorReason::NoUpstream => error::response_as(StatusCode::BAD_REQUEST, &self.0),
            _ => error::response(&self.0),
        }
    }
}

/// Disables or enables a credential, or changes its label.
pub(super) async fn update(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    id: Result<Path<String>, PathRejection>,
    request: Request<Body>,
) -> Result<Json<CookieObject>, ApiError> {
    let id = cookie_id(id)?;
    let body = body::read_json(request, facade.max_body_bytes).await?;
    let UpdateCookie { disabled, label } = json_body::parse(&body)?;
    let request = UpdateCookieRequest {
        id,
        disabled,
        label,
    };
    let cookie = facade.core.update_cookie(request, &caller).await?;
    Ok(Json(cookie.into()))
}

/// Removes a credential.
pub(super) async fn delete(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Deleted>, ApiError> {
    let id = cookie_id(id)?;
    facade.core.delete_cookie(id.clone(), &caller).await?;
    Ok(Json(Deleted::cookie(id)))
}

/// Checks a credential now.
pub(super) async fn check(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<CookieObject>, ApiError> {
    let cookie = facade.core.check_cookie(cookie_id(id)?, &caller).await?;
    Ok(Json(cookie.into()))
}

/// Ends a credential's cool-down.
pub(super) async fn clear(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<CookieObject>, ApiError> {
    let cookie = facade.core.clear_cookie(cookie_id(id)?, &caller).await?;
    Ok(Json(cookie.into()))
}

fn cookie_id(id: Result<Path<String>, PathRejection>) -> Result<String, ContractError> {
    id.map(|Path(id)| id).map_err(|_| {
        ContractError::new(
            ErrorReason::CookieNotFound,
            "The cookie's id in the path is not valid UTF-8.",
        )
    })
}
