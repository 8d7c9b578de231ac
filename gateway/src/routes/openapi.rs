//! `GET /openapi.json`: the table of routes as an OpenAPI 3.1 document.

use std::sync::LazyLock;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderValue, header};
use utoipa::openapi::{
    Components, Content, HttpMethod, Info, ObjectBuilder, OpenApi, OpenApiBuilder, Paths, Required,
    ResponseBuilder, ResponsesBuilder, Type,
    path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn},
    request_body::RequestBodyBuilder,
    security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    server::Server,
};

use super::{Access, Route, table};

/// The name of the one way to show a key.
const BEARER: &str = "bearer";

const JSON: &str = "application/json";

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    Bytes::from(serde_json::to_vec(&openapi()).expect("the document has string keys only"))
});

/// Tells what there is.
pub(crate) async fn document() -> Response {
    let mut response = Response::new(Body::from(DOCUMENT.clone()));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

fn openapi() -> OpenApi {
    let mut paths = Paths::new();
    for route in table() {
        let operation = operation(&route);
        paths.add_path_operation(document_path(&route), vec![route.method], operation);
    }
    let mut components = Components::new();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    OpenApiBuilder::new()
        .info(Info::new("llm2api", env!("CARGO_PKG_VERSION")))
        // Relative to this document, so that it holds behind any prefix.
        .servers(Some([Server::new("./")]))
        .paths(paths)
        .components(Some(components))
        .build()
}

/// The path as the document writes it: `{id}`, also for a rest of several segments.
fn document_path(route: &Route) -> String {
    route.path.replace("{*", "{")
}

fn operation(route: &Route) -> Operation {
    let mut operation = OperationBuilder::new()
        .summary(Some(route.summary))
        .responses(
            ResponsesBuilder::new()
                .response("200", json("The answer"))
                .response("default", json("OpenAI's error object"))
                .build(),
        );
    if route.path.contains('{') {
        operation = operation.parameter(
            ParameterBuilder::new()
                .name("id")
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
                .build(),
        );
    }
    if route.method == HttpMethod::Post {
        let body = RequestBodyBuilder::new()
            .content(JSON, Content::new(Some(ObjectBuilder::new())))
            .required(Some(Required::True))
            .build();
        operation = operation.request_body(Some(body));
    }
    match route.access {
        Access::Open => operation.build(),
        Access::Client => operation
            .security(SecurityRequirement::new::<_, [&str; 0], &str>(BEARER, []))
            .build(),
    }
}

fn json(description: &str) -> utoipa::openapi::Response {
    ResponseBuilder::new()
        .description(description)
        .content(JSON, Content::new(Some(ObjectBuilder::new())))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_lists_every_route_with_its_access() {
        let document: serde_json::Value = serde_json::from_slice(&DOCUMENT).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["servers"], serde_json::json!([{ "url": "./" }]));
        let mut listed = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let access = if operation.get("security").is_some() {
                    "client"
                } else {
                    "open"
                };
                listed.push(format!("{method} {path} {access}"));
            }
        }
        listed.sort();
        assert_eq!(
            listed,
            [
                "get /healthz open",
                "get /openapi.json open",
                "get /readyz open",
                "get /v1/models client",
                "get /v1/models/{id} client",
                "post /v1/chat/completions client",
            ]
        );
    }
}
