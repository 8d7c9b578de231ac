//! `POST /v1/chat/completions`.

use std::{future::Future, sync::Arc};

use axum::{body::Body, extract::State, response::Response};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use llm2api_proto::{
    ContractError,
    v1::{ChatResponse, ChatStart, chat_event::Event},
};

use crate::{
    access::{self, Admitted, Arrival},
    body,
    calls::Caller,
    error::{self, ApiError},
    facade::Facade,
    openai::{self, answer::Answer, chunk::ChunkWriter, request::ParsedRequest},
    sse::{Call, SseBody},
};

/// Bytes of a body above which it is read on a thread of its own: a worker's streams must not wait for it.
const LARGE_BODY: usize = 256 * 1024;

const FALLBACK: HeaderName = HeaderName::from_static("x-llm2api-fallback");
const UPSTREAM_MODEL: HeaderName = HeaderName::from_static("x-llm2api-upstream-model");
const USAGE: HeaderName = HeaderName::from_static("x-llm2api-usage");

/// The route's path.
pub(super) const PATH: &str = "/v1/chat/completions";

/// Whether a request is a chat, and no web page's, which wants CORS headers.
pub(crate) fn is_plain<B>(request: &Request<B>) -> bool {
    request.method() == Method::POST
        && request.uri().path() == PATH
        && !request.headers().contains_key(header::ORIGIN)
}

/// Answers a plain chat.
pub(crate) async fn answer(
    facade: &Arc<Facade>,
    request: Request<Incoming>,
    arrival: Arrival,
) -> Response {
    let answer = async {
        let caller = access::admit(facade, &Method::POST, PATH, request.headers(), arrival).await?;
        complete(facade, caller, request).await
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
    Ok(complete(&facade, caller, request).await?)
}

/// Answers a conversation, streamed or not.
async fn complete<B>(
    facade: &Arc<Facade>,
    caller: Caller,
    request: Request<B>,
) -> Result<Response, ContractError>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let body = body::read_json(request, facade.max_body_bytes).await?;
    let parsed = parse(body).await?;
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
            note_start(&mut headers, start_of(&answer.0));
            SseBody::answering(answer, chunks, facade)
        }
        Err(_) => SseBody::calling(call, chunks, facade),
    };
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    let mut response = Response::new(Body::new(body));
    *response.headers_mut() = headers;
    Ok(response)
}

/// Waits for the whole answer.
async fn whole(call: Call, facade: &Facade) -> Result<Response, ContractError> {
    let (first, mut stream) = call.await?;
    let mut answer = Answer::default();
    let mut next = Some(first);
    while let Some(response) = next {
        for event in response.events {
            answer.push(event);
        }
        next = stream
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
}
