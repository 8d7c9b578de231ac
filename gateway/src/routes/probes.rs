//! `GET /healthz` and `GET /readyz`: what an orchestrator asks.

use std::sync::Arc;

use axum::{
    Json,
    extract::{RawQuery, State},
};
use http::StatusCode;
use serde::Serialize;

use crate::facade::Facade;

/// The core's health service's name for what depends on upstreams.
const UPSTREAMS: &str = "upstreams";
/// Its name for what is kept.
const STORE: &str = "store";
/// Its name for the authorization code.
const AUTHORIZATION: &str = "authorization";

/// What a probe is told.
#[derive(Serialize)]
pub(crate) struct Health {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstreams: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization: Option<&'static str>,
}

/// The process is alive.
pub(crate) async fn alive() -> Json<Health> {
    Json(Health {
        status: "ok",
        upstreams: None,
        store: None,
        authorization: None,
    })
}

/// Whether requests are accepted; with `?deep=1` also whether one could be answered.
pub(crate) async fn ready(
    State(facade): State<Arc<Facade>>,
    RawQuery(query): RawQuery,
) -> (StatusCode, Json<Health>) {
    let is_deep = query.is_some_and(|query| query.split('&').any(|pair| pair == "deep=1"));
    let serving = facade.core.is_serving("").await;
    let upstreams_serve = facade.core.is_serving(UPSTREAMS).await.unwrap_or(false);
    let store_serves = facade.core.is_serving(STORE).await.unwrap_or(false);
    let is_authorized = facade.core.is_serving(AUTHORIZATION).await.unwrap_or(false);
    let word = |serves| if serves { "ok" } else { "degraded" };
    let status = match serving {
        Ok(_) if facade.draining.is_cancelled() => "draining",
        Ok(true) => "ok",
        Ok(false) => "starting",
        Err(_) => "core_unavailable",
    };
    let is_ready = status == "ok" && (upstreams_serve && is_authorized || !is_deep);
    let health = Health {
        status,
        upstreams: Some(word(upstreams_serve)),
        store: Some(word(store_serves)),
        authorization: Some(word(is_authorized)),
    };
    let code = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, Json(health))
}
