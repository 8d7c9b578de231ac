//! The routes: one table of which the router and the OpenAPI document are made.

pub(crate) mod chat;
mod models;
pub(crate) mod not_found;
mod openapi;
mod probes;

use std::sync::Arc;

use axum::{
    Router,
    routing::{self, MethodRouter},
};
use http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use utoipa::openapi::HttpMethod;

use crate::{
    config::{Config, CorsOrigins},
    facade::Facade,
};

/// Headers that pages of other origins may read.
const EXPOSED_HEADERS: &[&str] = &[
    "x-request-id",
    "retry-after",
    "x-should-retry",
    "openai-version",
    "openai-processing-ms",
    "x-llm2api-usage",
    "x-llm2api-fallback",
    "x-llm2api-upstream-model",
    "x-llm2api-search",
];

/// Who may use a route. The core decides by its own table; this one tells the reader, and which layers apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Everybody.
    Open,
    /// Who has a client's key, from pages of any allowed origin.
    Client,
}

/// One route.
struct Route {
    method: HttpMethod,
    /// The path without prefix; `{*id}` where the rest of it is one parameter.
    path: &'static str,
    access: Access,
    summary: &'static str,
    handler: fn() -> MethodRouter<Arc<Facade>>,
}

/// All routes.
fn table() -> Vec<Route> {
    vec![
        Route {
            method: HttpMethod::Post,
            path: chat::PATH,
            access: Access::Client,
            summary: "Answers a conversation, streamed or not",
            handler: || routing::post(chat::create),
        },
        Route {
            method: HttpMethod::Get,
            path: "/v1/models",
            access: Access::Client,
            summary: "Lists the models that the key may use",
            handler: || routing::get(models::list),
        },
        Route {
            method: HttpMethod::Get,
            path: "/v1/models/{*id}",
            access: Access::Client,
            summary: "Tells one model",
            handler: || routing::get(models::get),
        },
        Route {
            method: HttpMethod::Get,
            path: "/healthz",
            access: Access::Open,
            summary: "Tells that the process is alive",
            handler: || routing::get(probes::alive),
        },
        Route {
            method: HttpMethod::Get,
            path: "/readyz",
            access: Access::Open,
            summary: "Tells whether requests are accepted",
            handler: || routing::get(probes::ready),
        },
        Route {
            method: HttpMethod::Get,
            path: "/openapi.json",
            access: Access::Open,
            summary: "This document",
            handler: || routing::get(openapi::document),
        },
    ]
}

/// Whether a path is a probe's, which lies outside the prefix.
pub(crate) fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

/// Makes the router of all routes.
pub(crate) fn router(config: &Config, facade: Arc<Facade>) -> Router {
    let (client, open): (Vec<_>, Vec<_>) = table()
        .into_iter()
        .partition(|route| route.access == Access::Client);
    let add =
        |router: Router<Arc<Facade>>, route: Route| router.route(route.path, (route.handler)());
    let client = client
        .into_iter()
        .fold(Router::new(), add)
        .method_not_allowed_fallback(not_found::method_not_supported)
        .layer(cors(&config.cors_origins));
    let open = open
        .into_iter()
        .fold(Router::new(), add)
        .method_not_allowed_fallback(not_found::method_not_supported);
    client
        .merge(open)
        .fallback(not_found::unknown_url)
        .with_state(facade)
}

fn cors(origins: &CorsOrigins) -> CorsLayer {
    let origins = match origins {
        CorsOrigins::Any => AllowOrigin::any(),
        CorsOrigins::List(origins) => AllowOrigin::list(
            origins
                .iter()
                .filter_map(|origin| HeaderValue::from_str(origin).ok()),
        ),
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(
            EXPOSED_HEADERS
                .iter()
                .copied()
                .map(HeaderName::from_static)
                .collect::<Vec<_>>(),
        )
}
