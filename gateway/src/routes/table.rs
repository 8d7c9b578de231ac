//! All routes.

use axum::routing;
use utoipa::openapi::HttpMethod::{Delete, Get, Patch, Post};

use super::{
    chat::{self, ChatRoute},
    cookies, introspection, keys, metrics, models, openapi, pages, probes,
    route::{
        Access::{Admin, Client, Metrics, Open},
        Route,
    },
    status, traces, upstreams,
};
use crate::objects::{
    AddedCookie, CookieObject, Deleted, Introspection, KeyObject, ListObject, NewKeyObject,
    StatusObject, TraceObject, TraceWithSpans, UpstreamObject, UpstreamTest,
};

/// All routes, but for the parts that pages load.
pub(super) fn table() -> Vec<Route> {
    let mut table = vec![
        Route::new(
            Post,
            ChatRoute::Plain.path(),
            Client,
            "Answers a conversation, streamed or not",
            || routing::post(chat::create),
        ),
        Route::new(
            Post,
            ChatRoute::Web.path(),
            Client,
            "Answers a conversation with what a web search finds",
            || routing::post(chat::create_with_search),
        ),
        Route::new(
            Get,
            "/v1/models",
            Client,
            "Lists the models that the key may use",
            || routing::get(models::list),
        ),
        Route::new(Get, "/v1/models/{*id}", Client, "Tells one model", || {
            routing::get(models::get)
        }),
        Route::new(
            Get,
            "/web/v1/models",
            Client,
            "Lists the models, for clients whose base URL is that of web search",
            || routing::get(models::list),
        ),
        Route::new(
            Get,
            "/web/v1/models/{*id}",
            Client,
            "Tells one model, for clients whose base URL is that of web search",
            || routing::get(models::get),
        ),
        Route::new(
            Get,
            "/healthz",
            Open,
            "Tells that the process is alive",
            || routing::get(probes::alive),
        ),
        Route::new(
            Get,
            "/readyz",
            Open,
            "Tells whether requests are accepted",
            || routing::get(probes::ready),
        ),
        Route::new(Get, "/openapi.json", Open, "This document", || {
            routing::get(openapi::document)
        }),
        Route::new(
            Get,
            "/",
            Open,
            "The page that shows what is going on",
            || routing::get(pages::dashboard),
        )
        .sends("text/html"),
        Route::new(
            Get,
            "/cookie",
            Open,
            "The page that adds and shows cookies and upstreams",
            || routing::get(pages::cookie),
        )
        .sends("text/html"),
        Route::new(
            Get,
            "/key",
            Open,
            "The page that makes and shows client keys",
            || routing::get(pages::key),
        )
        .sends("text/html"),
    ];
    table.extend(cookie_routes());
    table.extend(upstream_routes());
    table.extend(key_routes());
    table.extend(monitoring_routes());
    table.push(
        Route::new(
            Post,
            "/auth/introspect",
            Admin,
            "Tells what an authorization code is worth that was issued here (RFC 7662)",
            || routing::post(introspection::introspect),
        )
        .takes_form::<introspection::IntrospectionForm>()
        .answers::<Introspection>(),
    );
    table
}

fn cookie_routes() -> [Route; 6] {
    [
        Route::new(Get, "/cookies", Admin, "Lists cookies and keys", || {
            routing::get(cookies::list)
        })
        .query(cookies::LIST_QUERY)
        .answers::<ListObject<CookieObject>>(),
        Route::new(
            Post,
            "/cookie/add",
            Admin,
            "Adds a cookie or key, once its upstream has accepted it",
            || routing::post(cookies::add),
        )
        .takes::<cookies::AddCookie>()
        .answers::<AddedCookie>(),
        Route::new(
            Patch,
            "/cookies/{id}",
            Admin,
            "Disables or enables a cookie, or changes its label",
            || routing::patch(cookies::update),
        )
        .takes::<cookies::UpdateCookie>()
        .answers::<CookieObject>(),
        Route::new(Delete, "/cookies/{id}", Admin, "Removes a cookie", || {
            routing::delete(cookies::delete)
        })
        .answers::<Deleted>(),
        Route::new(
            Post,
            "/cookies/{id}/check",
            Admin,
            "Checks a cookie now",
            || routing::post(cookies::check),
        )
        .answers::<CookieObject>(),
        Route::new(
            Post,
            "/cookies/{id}/clear",
            Admin,
            "Ends a cookie's cool-down",
            || routing::post(cookies::clear),
        )
        .answers::<CookieObject>(),
    ]
}

fn key_routes() -> [Route; 5] {
    [
        Route::new(Get, "/keys", Admin, "Lists client keys", || {
            routing::get(keys::list)
        })
        .query(keys::LIST_QUERY)
        .answers::<ListObject<KeyObject>>(),
        Route::new(
            Post,
            "/keys",
            Admin,
            "Makes a client key; its value is told once",
            || routing::post(keys::create),
        )
        .takes::<keys::CreateKey>()
        .answers::<NewKeyObject>(),
        Route::new(
            Patch,
            "/keys/{id}",
            Admin,
            "Changes what a client key allows",
            || routing::patch(keys::update),
        )
        .takes::<keys::UpdateKey>()
        .answers::<KeyObject>(),
        Route::new(Delete, "/keys/{id}", Admin, "Revokes a client key", || {
            routing::delete(keys::delete)
        })
        .answers::<Deleted>(),
        Route::new(
            Post,
            "/keys/{id}/rotate",
            Admin,
            "Gives a client key another value, which is told once",
            || routing::post(keys::rotate),
        )
        .answers::<NewKeyObject>(),
    ]
}

fn upstream_routes() -> [Route; 5] {
    [
        Route::new(Get, "/upstreams", Admin, "Lists the upstreams", || {
            routing::get(upstreams::list)
        })
        .answers::<ListObject<UpstreamObject>>(),
        Route::new(
            Post,
            "/upstreams",
            Admin,
            "Adds an upstream; with a cookie or key only once it has accepted that",
            || routing::post(upstreams::add),
        )
        .takes::<upstreams::AddUpstream>()
        .answers::<UpstreamObject>(),
        Route::new(
            Patch,
            "/upstreams/{name}",
            Admin,
            "Changes an upstream that somebody added",
            || routing::patch(upstreams::update),
        )
        .takes::<upstreams::UpdateUpstream>()
        .answers::<UpstreamObject>(),
        Route::new(
            Delete,
            "/upstreams/{name}",
            Admin,
            "Removes an upstream that somebody added, and its cookies",
            || routing::delete(upstreams::delete),
        )
        .answers::<Deleted>(),
        Route::new(
            Post,
            "/upstreams/{name}/test",
            Admin,
            "Asks an upstream for its models",
            || routing::post(upstreams::test),
        )
        .answers::<UpstreamTest>(),
    ]
}

fn monitoring_routes() -> [Route; 5] {
    [
        Route::new(Get, "/status", Admin, "Tells the figures as of now", || {
            routing::get(status::now)
        })
        .query(status::QUERY)
        .answers::<StatusObject>(),
        Route::new(
            Get,
            "/status/stream",
            Admin,
            "Tells the figures now and every second: events, each with what `/status` answers",
            || routing::get(status::watch),
        )
        .query(status::QUERY)
        .sends("text/event-stream"),
        Route::new(
            Get,
            "/traces",
            Admin,
            "Lists traces, the newest first",
            || routing::get(traces::list),
        )
        .query(traces::LIST_QUERY)
        .answers::<ListObject<TraceObject>>(),
        Route::new(
            Get,
            "/traces/{id}",
            Admin,
            "Tells one trace with its spans",
            || routing::get(traces::get),
        )
        .answers::<TraceWithSpans>(),
        Route::new(
            Get,
            "/metrics",
            Metrics,
            "Tells all metrics in Prometheus' text format",
            || routing::get(metrics::text),
        )
        .sends("text/plain"),
    ]
}
