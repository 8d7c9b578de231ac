//! `POST /v1/chat/completions`, and the same under `/web`, where the web is searched first.

use std::{future::Future, sync::Arc};

use axum::{body::Body, extract::State, response::Response};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use llm2api_proto::{
    ContractError,
    metadata::SEARCH,
    v1::{ChatResponse, ChatStart, chat_event::Event},
};

use crate::{
    access::{self, Admitted, Arrival},
    body,
    calls::{self, Caller},
    error::{self, ApiError},
    facade::Facade,
    openai::{self, answer::Answer, chunk::ChunkWriter, request::ParsedRequest},
    sse::{self, Call, SseBody},
};

/// Bytes of a body above which it is read on a thread of its own: a worker's streams must not wait for it.
const LARGE_BODY: usize = 256 * 1024;

const FALLBACK: HeaderName = HeaderName::from_static("x-llm2api-fallback");
const UPSTREAM_MODEL: HeaderName = HeaderName::from_static("x-llm2api-upstream-model");
const SEARCHED: HeaderName = HeaderName::from_static(SEARCH);
const USAGE: HeaderName = HeaderName::from_static("x-llm2api-usage");

/// A route that answers chats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChatRoute {
    /// OpenAI's own.
    Plain,
    /// The one that always searches the web.
    Web,
}

impl ChatRoute {
    /// The route of a request that is a chat, and no web page's, which wants CORS headers.
    pub(crate) fn of<B>(request: &Request<B>) -> Option<Self> {
        if request.method() != Method::POST || request.headers().contains_key(header::ORIGIN) {
            return None;
        }
        let path = request.uri().path();
        let routes = [Self::Plain, Self::Web];
        routes.into_iter().find(|route| route.path() == path)
    }

    /// Its path.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Plain => "/v1/chat/completions",
            Self::Web => "/web/v1/chat/completions",
        }
    }
}

/// Answers a chat that came past the router.
pub(crate) async fn answer(
    facade: &Arc<Facade>,
    route: ChatRoute,
    request: Request<Incoming>,
    arrival: Arrival,
) -> Response {
    let answer = async {
        let headers = request.headers();
        let caller = access::admit(facade, &Method::POST, route.path(), headers, arrival).await?;
        complete(facade, route, caller, request).await
    };
    let answer: Result<Response, ContractError> = answer.await;
    answer.unwrap_or_else(|error| error::response(&error))
}

/// Answers a chat that came by way of the router.
pub(crate) async fn create(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    Ok(complete(&facade, ChatRoute::Plain, caller, request).await?)
}

/// Answers a chat with web search that came by way of the router.
pub(crate) async fn create_with_search(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    Ok(complete(&facade, ChatRoute::Web, caller, request).await?)
}

/// Answers a conversation, streamed or not.
async fn complete<B>(
    facade: &Arc<Facade>,
    route: ChatRoute,
    caller: Caller,
    request: Request<B>,
) -> Result<Response, ContractError>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let body = body::read_json(request, facade.max_body_bytes).await?;
    let mut parsed = parse(body).await?;
    parsed.request.web_search = route == ChatRoute::Web;
    let stream = parsed.stream;
    let chunks = ChunkWriter::new(
        parsed
            .request
            .n
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(1),
        parsed.include_usage,
    );
    let call: Call = {
        let facade = Arc::clone(facade);
        // The request is dropped when it is sent: a stream does not hold its prompt.
        Box::pin(async move { facade.core.chat(parsed.request, &caller).await })
    };
    if stream {
        streamed(call, chunks, Arc::clone(facade)).await
    } else {
        unless_ending(facade, whole(call, facade)).await?
    }
}

async fn parse(body: Bytes) -> Result<ParsedRequest, ContractError> {
    if body.len() <= LARGE_BODY {
        return openai::request::parse(&body);
    }
    tokio::task::spawn_blocking(move || openai::request::parse(&body))
        .await
        .map_err(|_| error::internal())?
}

/// Waits for the answer's first events, so that a failure is a status; but no longer than silence may last.
async fn streamed(
    mut call: Call,
    chunks: ChunkWriter,
    facade: Arc<Facade>,
) -> Result<Response, ContractError> {
    let first = tokio::time::timeout(facade.keepalive, &mut call);
    let mut headers = HeaderMap::with_capacity(8);
    let body = match unless_ending(&facade, first).await? {
        Ok(answer) => {
            let answer = answer?;
            note_start(&mut headers, start_of(&answer.first));
            answer.rate_limits.write(&mut headers);
            SseBody::answering(answer, chunks, facade)
        }
        Err(_) => SseBody::calling(call, chunks, facade),
    };
    headers.insert(header::CONTENT_TYPE, sse::CONTENT_TYPE);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    let mut response = Response::new(Body::new(body));
    *response.headers_mut() = headers;
    Ok(response)
}

/// Waits for the whole answer.
async fn whole(call: Call, facade: &Facade) -> Result<Response, ContractError> {
    let calls::Answer {
        first,
        mut rest,
        rate_limits,
    } = call.await?;
    let mut answer = Answer::default();
    let mut next = Some(first);
    while let Some(response) = next {
        for event in response.events {
            answer.push(event);
        }
        next = rest
            .next()
            .await
            .transpose()
            .map_err(|status| facade.core.failure(&status))?;
    }
    let mut response = Response::new(Body::from(answer.to_json()));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    note_start(headers, Some(&answer.start));
    rate_limits.write(headers);
    if answer.usage.estimated {
        headers.insert(USAGE, HeaderValue::from_static("estimated"));
    }
    Ok(response)
}

/// Waits for a future, unless running answers are told to end.
async fn unless_ending<T>(
    facade: &Facade,
    future: impl Future<Output = T>,
) -> Result<T, ContractError> {
    tokio::select! {
        biased;
        output = future => Ok(output),
        () = facade.ending.cancelled() => Err(error::shutting_down()),
    }
}

fn start_of(first: &ChatResponse) -> Option<&ChatStart> {
    first.events.iter().find_map(|event| match &event.event {
        Some(Event::Start(start)) => Some(start),
        _ => None,
    })
}

/// Repeats in the head what is known of the answer.
fn note_start(headers: &mut HeaderMap, start: Option<&ChatStart>) {
    let Some(start) = start else {
        return;
    };
    let mut note = |name: HeaderName, value: &str| {
        // A name that can't stand in a header is in the body still.
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            headers.insert(name, value);
        }
    };
    if !start.fallback_from.is_empty() {
        note(FALLBACK, &start.fallback_from);
    }
    if let Some(upstream_model) = openai::upstream_model(start) {
        note(UPSTREAM_MODEL, upstream_model);
    }
    if !start.search.is_empty() {
        note(SEARCHED, &start.search);
    }
}
