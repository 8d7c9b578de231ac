//! `GET /openapi.json`: the table of routes as an OpenAPI 3.1 document.

use std::sync::LazyLock;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderValue, header};
use utoipa::openapi::{
    Components, Content, Info, ObjectBuilder, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Required,
    ResponseBuilder, ResponsesBuilder, Schema, Type,
    path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn},
    request_body::RequestBodyBuilder,
    schema::SchemaType,
    security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    server::Server,
};

use super::{
    chat::ChatRoute,
    route::{Access, Answer, Route},
    table,
};

/// The name of the one way to show a key.
const BEARER: &str = "bearer";

/// The name of the error object's schema.
const ERROR: &str = "Error";

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

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
    let mut components = Components::new();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    components
        .schemas
        .insert(ERROR.to_owned(), error_schema().into());
    for route in table() {
        let operation = operation(&route, &mut components);
        paths.add_path_operation(document_path(&route), vec![route.method], operation);
    }
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

fn operation(route: &Route, components: &mut Components) -> Operation {
    let answer = match route.answer {
        Answer::Json => content("The answer", JSON, any_object()),
        Answer::Object(component) => content("The answer", JSON, component(components)),
        Answer::Text(media_type) => content("The answer", media_type, text()),
    };
    let error = content("What went wrong", JSON, Ref::from_schema_name(ERROR).into());
    let mut operation = OperationBuilder::new()
        .summary(Some(route.summary))
        .responses(
            ResponsesBuilder::new()
                .response("200", answer)
                .response("default", error)
                .build(),
        );
    if let Some(name) = path_parameter(route.path) {
        operation = operation.parameter(
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(Some(text()))
                .build(),
        );
    }
    for (name, meaning) in route.query {
        operation = operation.parameter(
            ParameterBuilder::new()
                .name(*name)
                .parameter_in(ParameterIn::Query)
                .required(Required::False)
                .description(Some(*meaning))
                .schema(Some(text()))
                .build(),
        );
    }
    let body = match route.body {
        Some(component) => Some(component(components)),
        None => is_chat(route).then(any_object),
    };
    if let Some(body) = body {
        let body = RequestBodyBuilder::new()
            .content(
                if route.is_form { FORM } else { JSON },
                Content::new(Some(body)),
            )
            .required(Some(Required::True))
            .build();
        operation = operation.request_body(Some(body));
    }
    match route.access {
        Access::Open => operation.build(),
        Access::Client | Access::Admin | Access::Metrics => operation
            .security(SecurityRequirement::new::<_, [&str; 0], &str>(BEARER, []))
            .build(),
    }
}

fn is_chat(route: &Route) -> bool {
    [ChatRoute::Plain, ChatRoute::Web]
        .iter()
        .any(|chat| chat.path() == route.path)
}

/// The name of a path's parameter.
fn path_parameter(path: &str) -> Option<&str> {
    let (_, rest) = path.split_once('{')?;
    let (name, _) = rest.split_once('}')?;
    Some(name.trim_start_matches('*'))
}

fn any_object() -> RefOr<Schema> {
    Schema::Object(ObjectBuilder::new().build()).into()
}

fn text() -> RefOr<Schema> {
    Schema::Object(ObjectBuilder::new().schema_type(Type::String).build()).into()
}

/// OpenAI's error object.
fn error_schema() -> Schema {
    let nullable =
        || ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
    let error = ["message", "type", "param", "code"].into_iter().fold(
        ObjectBuilder::new().schema_type(Type::Object),
        |error, name| {
            let member = match name {
                "message" | "type" => ObjectBuilder::new().schema_type(Type::String),
                _ => nullable(),
            };
            error.property(name, member).required(name)
        },
    );
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("error", error)
        .required("error")
        .into()
}

fn content(
    description: &str,
    media_type: &str,
    schema: RefOr<Schema>,
) -> utoipa::openapi::Response {
    ResponseBuilder::new()
        .description(description)
        .content(media_type, Content::new(Some(schema)))
        .build()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> serde_json::Value {
        serde_json::from_slice(&DOCUMENT).unwrap()
    }

    #[test]
    fn the_document_lists_every_route_with_its_access() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["servers"], json!([{ "url": "./" }]));
        let mut listed = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let access = if operation.get("security").is_some() {
                    "key"
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
                "delete /cookies/{id} key",
                "delete /keys/{id} key",
                "delete /upstreams/{name} key",
                "get / open",
                "get /cookie open",
                "get /cookies key",
                "get /healthz open",
                "get /key open",
                "get /keys key",
                "get /metrics key",
                "get /openapi.json open",
                "get /readyz open",
                "get /status key",
                "get /status/stream key",
                "get /traces key",
                "get /traces/{id} key",
                "get /upstreams key",
                "get /v1/models key",
                "get /v1/models/{id} key",
                "get /web/v1/models key",
                "get /web/v1/models/{id} key",
                "patch /cookies/{id} key",
                "patch /keys/{id} key",
                "patch /upstreams/{name} key",
                "post /auth/introspect key",
                "post /cookie/add key",
                "post /cookies/{id}/check key",
                "post /cookies/{id}/clear key",
                "post /keys key",
                "post /keys/{id}/rotate key",
                "post /upstreams key",
                "post /upstreams/{name}/test key",
                "post /v1/chat/completions key",
                "post /web/v1/chat/completions key",
            ]
        );
    }

    #[test]
    fn administration_has_schemas_in_which_every_reference_leads_somewhere() {
        let document = document();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let text = serde_json::to_string(&document).unwrap();
        for reference in text.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name}");
        }
        let body = &document["paths"]["/cookie/add"]["post"]["requestBody"]["content"][JSON];
        assert_eq!(
            body["schema"],
            json!({"$ref": "#/components/schemas/AddCookie"})
        );
        assert_eq!(schemas["AddCookie"]["required"], json!(["cookie"]));
        assert_eq!(
            schemas["Cookie"]["properties"]["cooldown_until"]["type"],
            json!(["integer", "null"])
        );
        let parameters = document["paths"]["/cookies"]["get"]["parameters"]
            .as_array()
            .unwrap();
        let names: Vec<_> = parameters
            .iter()
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["limit", "after", "upstream", "state"]);
    }

    #[test]
    fn a_path_names_its_parameter() {
        assert_eq!(path_parameter("/v1/models/{*id}"), Some("id"));
        assert_eq!(path_parameter("/upstreams/{name}/test"), Some("name"));
        assert_eq!(path_parameter("/cookies"), None);
    }
}
