//! Upstreams: `GET` and `POST /upstreams`, and what is done to one.

mod body;

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
};
use http::Request;
use llm2api_proto::{ContractError, v1::ErrorReason};

pub(super) use self::body::{AddUpstream, UpdateUpstream};

use crate::{
    access::Admitted,
    body::read_json,
    error::ApiError,
    facade::Facade,
    json_body,
    objects::{Deleted, ListObject, UpstreamObject, UpstreamTest},
};

/// Lists the upstreams: those of the configuration in its order, then those added.
pub(super) async fn list(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
) -> Result<Json<ListObject<UpstreamObject>>, ApiError> {
    let page = facade.core.list_upstreams(&caller).await?;
    let upstreams = page
        .upstreams
        .into_iter()
        .map(UpstreamObject::from)
        .collect();
    let has_more = !page.next_page_token.is_empty();
    Ok(Json(ListObject::new(upstreams, has_more, |upstream| {
        &upstream.name
    })))
}

/// Adds an upstream; with a credential only once the upstream has accepted that.
pub(super) async fn add(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    request: Request<Body>,
) -> Result<Json<UpstreamObject>, ApiError> {
    let body = read_json(request, facade.max_body_bytes).await?;
    let json: AddUpstream = json_body::parse(&body)?;
    let request = json.into_request()?;
    let upstream = facade.core.add_upstream(request, &caller).await?;
    Ok(Json(upstream.into()))
}

/// Changes an upstream that somebody added.
pub(super) async fn update(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    name: Result<Path<String>, PathRejection>,
    request: Request<Body>,
) -> Result<Json<UpstreamObject>, ApiError> {
    let name = upstream_name(name)?;
    let body = read_json(request, facade.max_body_bytes).await?;
    let json: UpdateUpstream = json_body::parse(&body)?;
    let request = json.into_request(name);
    let upstream = facade.core.update_upstream(request, &caller).await?;
    Ok(Json(upstream.into()))
}

/// Removes an upstream that somebody added, and its credentials.
pub(super) async fn delete(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<Deleted>, ApiError> {
    let name = upstream_name(name)?;
    facade.core.delete_upstream(name.clone(), &caller).await?;
    Ok(Json(Deleted::upstream(name)))
}

/// Asks an upstream for its models.
pub(super) async fn test(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<UpstreamTest>, ApiError> {
    let tested = facade
        .core
        .test_upstream(upstream_name(name)?, &caller)
        .await?;
    Ok(Json(tested.into()))
}

fn upstream_name(name: Result<Path<String>, PathRejection>) -> Result<String, ContractError> {
    name.map(|Path(name)| name).map_err(|_| {
        ContractError::new(
            ErrorReason::UpstreamNotFound,
            "The upstream's name in the path is not valid UTF-8.",
        )
    })
}
