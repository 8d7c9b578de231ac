//! One route: where it is, who may use it, what answers, and what the OpenAPI document says of it.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
    routing::MethodRouter,
};
use utoipa::{
    ToSchema,
    openapi::{Components, HttpMethod, Ref, RefOr, Schema},
};

use super::{pages, table};
use crate::facade::Facade;

/// Who may use a route. The core decides by its own table; this one tells the reader, and which layers apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Everybody.
    Open,
    /// Who has a client's key, from pages of any allowed origin.
    Client,
    /// The operator, from no other origin's pages.
    Admin,
    /// Who has the key for metrics, and the operator; from no other origin's pages.
    Metrics,
}

/// A parameter of the query: its name, and what it means.
pub(super) type Parameter = (&'static str, &'static str);

/// Puts a schema, with those that it needs, among a document's components, and refers to it.
pub(super) type Component = fn(&mut Components) -> RefOr<Schema>;

/// What a route answers with.
#[derive(Clone, Copy)]
pub(super) enum Answer {
    /// JSON that others describe.
    Json,
    /// JSON of this schema.
    Object(Component),
    /// Text of this media type.
    Text(&'static str),
}

/// One route.
pub(super) struct Route {
    pub(super) method: HttpMethod,
    /// The path without prefix; `{*id}` where the rest of it is one parameter.
    pub(super) path: &'static str,
    pub(super) access: Access,
    pub(super) summary: &'static str,
    pub(super) handler: fn() -> MethodRouter<Arc<Facade>>,
    pub(super) query: &'static [Parameter],
    /// The body's schema. `None`: of a chat, which OpenAI describes; or there is none.
    pub(super) body: Option<Component>,
    /// Whether that body is a form, and not JSON.
    pub(super) is_form: bool,
    pub(super) answer: Answer,
}

impl Route {
    pub(super) fn new(
        method: HttpMethod,
        path: &'static str,
        access: Access,
        summary: &'static str,
        handler: fn() -> MethodRouter<Arc<Facade>>,
    ) -> Self {
        Self {
            method,
            path,
            access,
            summary,
            handler,
            query: &[],
            body: None,
            is_form: false,
            answer: Answer::Json,
        }
    }

    /// It may be asked with these.
    pub(super) fn query(self, query: &'static [Parameter]) -> Self {
        Self { query, ..self }
    }

    /// It takes a `T`.
    pub(super) fn takes<T: ToSchema>(self) -> Self {
        let body = Some(component::<T> as Component);
        Self { body, ..self }
    }

    /// It takes a form with what a `T` has.
    pub(super) fn takes_form<T: ToSchema>(self) -> Self {
        Self {
            is_form: true,
            ..self.takes::<T>()
        }
    }

    /// It answers with a `T`.
    pub(super) fn answers<T: ToSchema>(self) -> Self {
        let answer = Answer::Object(component::<T>);
        Self { answer, ..self }
    }

    /// It answers with text of this media type.
    pub(super) fn sends(self, media_type: &'static str) -> Self {
        let answer = Answer::Text(media_type);
        Self { answer, ..self }
    }
}

fn component<T: ToSchema>(components: &mut Components) -> RefOr<Schema> {
    let mut schemas = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut schemas);
    components.schemas.extend(schemas);
    Ref::from_schema_name(T::name()).into()
}

/// What telemetry tells of a route.
#[derive(Debug)]
pub(crate) struct Listed {
    /// The path as the OpenAPI document has it.
    pub(crate) template: String,
    /// Whether clients use it, and not the operator.
    pub(crate) is_client: bool,
}

static LISTED: LazyLock<HashMap<&str, Listed>> = LazyLock::new(|| {
    let routes = table().into_iter().map(|route| {
        let listed = Listed {
            template: route.path.replace("{*", "{"),
            is_client: route.access == Access::Client,
        };
        (route.path, listed)
    });
    let part = Listed {
        template: pages::PART.to_owned(),
        is_client: false,
    };
    routes.chain([(pages::PART, part)]).collect()
});

impl Listed {
    /// That of a path as the router has it.
    pub(crate) fn find(path: &str) -> Option<&'static Self> {
        LISTED.get(path)
    }
}

/// Has the answer tell which route gave it.
pub(super) async fn tell(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(path) = path {
        response.extensions_mut().insert(path);
    }
    response
}
