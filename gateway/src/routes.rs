//! The routes: one table ([`table()`]) of which the router and the OpenAPI document are made.

pub(crate) mod chat;
mod cookies;
mod introspection;
mod keys;
mod metrics;
mod models;
pub(crate) mod not_found;
mod openapi;
mod page;
mod pages;
mod probes;
mod route;
mod same_origin;
mod status;
mod table;
mod traces;
mod upstreams;

use std::sync::Arc;

use axum::{Router, middleware, routing};
use http::{HeaderName, HeaderValue, Method};
use llm2api_proto::RATE_LIMIT_HEADERS;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

pub(crate) use self::route::Listed;
use self::{
    route::{Access, Route},
    table::table,
};
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
    "x-trace-id",
];

/// Whether a path is a probe's, which lies outside the prefix.
pub(crate) fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

/// Makes the router of all routes.
pub(crate) fn router(config: &Config, facade: Arc<Facade>) -> Router {
    let routes_of = |access: Access| {
        table()
            .into_iter()
            .filter(|route| route.access == access)
            .fold(Router::new(), add)
    };
    let open = routes_of(Access::Open).route(pages::PART, routing::get(pages::part));
    // A layer is for the refusal of a method too, where that is there before it.
    let with_refusal = |router: Router<Arc<Facade>>| {
        router.method_not_allowed_fallback(not_found::method_not_supported)
    };
    let client = with_refusal(routes_of(Access::Client)).layer(cors(&config.cors_origins));
    let admin = routes_of(Access::Admin).merge(routes_of(Access::Metrics));
    let admin = with_refusal(admin).layer(middleware::from_fn(same_origin::check));
    with_refusal(open)
        .merge(client)
        .merge(admin)
        .layer(middleware::from_fn(route::tell))
        .fallback(not_found::unknown_url)
        .with_state(facade)
}

fn add(router: Router<Arc<Facade>>, route: Route) -> Router<Arc<Facade>> {
    router.route(route.path, (route.handler)())
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
                .chain(&RATE_LIMIT_HEADERS)
                .copied()
                .map(HeaderName::from_static)
                .collect::<Vec<_>>(),
        )
}
