//! Client keys: `GET, POST /keys`, and what is done to one.

mod body;

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, RawQuery, State, rejection::PathRejection},
};
use http::{HeaderValue, Request, header};
use llm2api_proto::{
    ContractError,
    v1::{ErrorReason, ListKeysRequest},
};

pub(super) use self::body::{CreateKey, UpdateKey};
use super::{page::limit, route::Parameter};
use crate::{
    access::Admitted,
    body::read_json,
    error::ApiError,
    facade::Facade,
    json_body::{self, fault::unknown},
    objects::{Deleted, KeyObject, ListObject, NewKeyObject},
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
];

/// A value that is told once must lie in no cache.
pub(super) type Told = ([(header::HeaderName, HeaderValue); 1], Json<NewKeyObject>);

/// Lists keys, those first that were made first.
pub(super) async fn list(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    RawQuery(query): RawQuery,
) -> Result<Json<ListObject<KeyObject>>, ApiError> {
    let request = list_request(query.as_deref().unwrap_or_default())?;
    let page = facade.core.list_keys(request, &caller).await?;
    let keys = page.keys.into_iter().map(KeyObject::from).collect();
    let has_more = !page.next_page_token.is_empty();
    Ok(Json(ListObject::new(keys, has_more, |key| &key.id)))
}

fn list_request(query: &str) -> Result<ListKeysRequest, ContractError> {
    let mut request = ListKeysRequest::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "limit" => request.page_size = limit(&value)?,
            "after" => request.page_token = value.into_owned(),
            other => return Err(unknown(other, "one of limit, after")),
        }
    }
    Ok(request)
}

/// Makes a key.
pub(super) async fn create(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    request: Request<Body>,
) -> Result<Told, ApiError> {
    let body = read_json(request, facade.max_body_bytes).await?;
    let json: CreateKey = json_body::parse(&body)?;
    let made = facade.core.create_key(json.into_request(), &caller).await?;
    Ok(told(made.key.unwrap_or_default().into(), made.secret))
}

/// Changes a key.
pub(super) async fn update(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    id: Result<Path<String>, PathRejection>,
    request: Request<Body>,
) -> Result<Json<KeyObject>, ApiError> {
    let id = key_id(id)?;
    let body = read_json(request, facade.max_body_bytes).await?;
    let json: UpdateKey = json_body::parse(&body)?;
    let key = facade
        .core
        .update_key(json.into_request(id), &caller)
        .await?;
    Ok(Json(key.into()))
}

/// Gives a key another value.
pub(super) async fn rotate(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    id: Result<Path<String>, PathRejection>,
) -> Result<Told, ApiError> {
    let rotated = facade.core.rotate_key(key_id(id)?, &caller).await?;
    Ok(told(rotated.key.unwrap_or_default().into(), rotated.secret))
}

/// Removes a key.
pub(super) async fn delete(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Deleted>, ApiError> {
    let id = key_id(id)?;
    facade.core.delete_key(id.clone(), &caller).await?;
    Ok(Json(Deleted::key(id)))
}

fn told(described: KeyObject, key: String) -> Told {
    let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (headers, Json(NewKeyObject { described, key }))
}

fn key_id(id: Result<Path<String>, PathRejection>) -> Result<String, ContractError> {
    id.map(|Path(id)| id).map_err(|_| {
        ContractError::new(
            ErrorReason::KeyNotFound,
            "The key's id in the path is not valid UTF-8.",
        )
    })
}
