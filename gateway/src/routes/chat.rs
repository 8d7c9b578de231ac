//! `POST /v1/chat/completions`, and the same under `/web`, where the web is searched first.

use std::{future::Future, sync::Arc};

use axum::{Extension, body::Body, extract::State, response::Response};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body::Body as HttpBody;
use llm2api_proto::{ContractError, metadata::SEARCH, v1::ChatStart};

use crate::{
    access::{self, Arrival},
    body,
    calls::{self, Caller},
    error,
    facade::Facade,
    front::TRACE_ID,
    openai::{self, answer::Answer, chunk::ChunkWriter, request::ParsedRequest},
    sse::{self, Call, SseBody},
    telemetry::{ChatTrace, Sender},
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
    /// The route of a request that is a chat.
    pub(crate) fn of<B>(request: &Request<B>) -> Option<Self> {
        if request.method() != Method::POST {
            return None;
        }
        let path = request.uri().path();
        let routes = [Self::Plain, Self::Web];
        routes.into_iter().find(|route| route.path() == path)
    }

    /// Its path.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Plain => "/v1/chat/completions",
            Self::Web => "/web/v1/chat/completions",
        }
    }
}

/// Answers a chat.
pub(crate) async fn answer<B>(
    facade: &Arc<Facade>,
    route: ChatRoute,
    request: Request<B>,
    arrival: Arrival,
) -> Response
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let sender = Sender::new(&arrival, request.headers(), request.version());
    let trace = ChatTrace::new(facade, route, arrival.trace.clone(), sender);
    let mut noting = Noting(Some(trace));
    let answer = async {
        let headers = request.headers();
        let caller = access::admit(facade, &Method::POST, route.path(), headers, &arrival).await?;
        complete(facade, route, caller, request, &mut noting).await
    };
    let answer: Result<Response, ContractError> = answer.await;
    let mut response = answer.unwrap_or_else(|error| {
        noting.note(|trace| trace.failed(&error));
        error::response(&error)
    });
    noting.responds(&mut response);
    response
}

/// What is noted of a chat, until a streamed answer takes it over.
struct Noting(Option<Box<ChatTrace>>);

impl Noting {
    fn note(&mut self, note: impl FnOnce(&mut ChatTrace)) {
        if let Some(trace) = &mut self.0 {
            note(trace);
        }
    }

    /// Notes the head that is sent, and tells in it where the trace is found.
    fn responds(&mut self, response: &mut Response) {
        let status = response.status();
        let trace_id = self.0.as_mut().and_then(|trace| trace.responds(status));
        if let Some(trace_id) = trace_id {
            response.headers_mut().insert(TRACE_ID, trace_id);
        }
    }
}

/// Answers a chat that came by way of the router.
pub(crate) async fn create(
    State(facade): State<Arc<Facade>>,
    Extension(arrival): Extension<Arrival>,
    request: Request<Body>,
) -> Response {
    answer(&facade, ChatRoute::Plain, request, arrival).await
}

/// Answers a chat with web search that came by way of the router.
pub(crate) async fn create_with_search(
    State(facade): State<Arc<Facade>>,
    Extension(arrival): Extension<Arrival>,
    request: Request<Body>,
) -> Response {
    answer(&facade, ChatRoute::Web, request, arrival).await
}

/// Answers a conversation, streamed or not.
async fn complete<B>(
    facade: &Arc<Facade>,
    route: ChatRoute,
    mut caller: Caller,
    request: Request<B>,
    noting: &mut Noting,
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
    noting.note(|trace| caller.trace = Some(trace.call()));
    let call: Call = {
        let facade = Arc::clone(facade);
        // The request is dropped when it is sent: a stream does not hold its prompt.
        Box::pin(async move { facade.core.chat(parsed.request, &caller).await })
    };
    if stream {
        streamed(call, chunks, Arc::clone(facade), noting).await
    } else {
        unless_ending(facade, whole(call, facade, noting)).await?
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
    noting: &mut Noting,
) -> Result<Response, ContractError> {
    let first = tokio::time::timeout(facade.keepalive, &mut call);
    let mut headers = HeaderMap::with_capacity(8);
    let body = match unless_ending(&facade, first).await? {
        Ok(answer) => {
            let answer = answer?;
            noting.note(|trace| trace.begun(&answer));
            note_start(&mut headers, answer.start());
            answer.rate_limits.write(&mut headers);
            SseBody::answering(answer, chunks, facade)
        }
        Err(_) => SseBody::calling(call, chunks, facade),
    };
    headers.insert(header::CONTENT_TYPE, sse::CONTENT_TYPE);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    let mut response = Response::default();
    *response.headers_mut() = headers;
    noting.responds(&mut response);
    Ok(response.map(|_| Body::new(body.traced(noting.0.take()))))
}

/// Waits for the whole answer.
async fn whole(
    call: Call,
    facade: &Facade,
    noting: &mut Noting,
) -> Result<Response, ContractError> {
    let begun = call.await?;
    noting.note(|trace| trace.begun(&begun));
    let calls::Answer {
        first,
        mut rest,
        rate_limits,
        ..
    } = begun;
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
    noting.note(ChatTrace::answered);
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
