//! What happens to every request, whatever its route: its id, the prefix, the refusal while stopping, and the end of a panic.

use std::{net::IpAddr, panic::AssertUnwindSafe, sync::Arc};

use axum::{Router, body::Body, response::Response};
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Request, StatusCode, Version, header};
use hyper::body::{Body as _, Incoming};
use llm2api_proto::metadata::REQUEST_ID;
use tower::Service;

use crate::{
    access::Arrival,
    client_address::ClientAddress,
    compression::compress,
    connection::UnreadBody,
    error,
    facade::Facade,
    prefix::Place,
    request_id,
    routes::{
        self,
        chat::{self, ChatRoute},
        not_found,
    },
    telemetry::{PlainTrace, RequestTrace},
};

/// OpenAI's version of its API, which clients show.
const OPENAI_VERSION: (HeaderName, HeaderValue) = (
    HeaderName::from_static("openai-version"),
    HeaderValue::from_static("2020-10-01"),
);
const PROCESSING_MS: HeaderName = HeaderName::from_static("openai-processing-ms");
/// The trace by whose id the operator finds the request.
pub(crate) const TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");

/// Answers requests: a plain function around the router, where a layer would be a box a request.
pub(crate) struct Front {
    facade: Arc<Facade>,
    router: Router,
}

impl Front {
    pub(crate) fn new(facade: Arc<Facade>, router: Router) -> Self {
        Self { facade, router }
    }

    /// Answers one request of this peer.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
        unread_body: &UnreadBody,
    ) -> Response {
        // Until the head is made; a streamed body has a token of its own.
        let _running = self.facade.running.token();
        let request_id = request_id::choose(request.headers());
        let accepted_encodings = request.headers().get(header::ACCEPT_ENCODING).cloned();
        let has_body = !request.body().is_end_stream();
        unread_body.note(has_body);
        let headers = request.headers();
        let arrival = Arrival {
            request_id: request_id.clone(),
            address: ClientAddress::find(peer, headers, &self.facade.trusted_proxies),
            trace: RequestTrace::begin(&self.facade.telemetry, headers),
        };
        let began = arrival.trace.began();
        // What a panic leaves behind is dropped with the request; what requests share is whole between two awaits.
        let answer = AssertUnwindSafe(self.route(request, arrival)).catch_unwind();
        let mut response = answer.await.unwrap_or_else(|_| {
            tracing::error!(request_id = ?request_id, "a request ended in a panic");
            error::response(&error::internal())
        });
        response = compress(accepted_encodings, response).await;
        // What succeeds has read its body.
        unread_body.note(has_body && !response.status().is_success());
        let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let headers = response.headers_mut();
        headers.insert(HeaderName::from_static(REQUEST_ID), request_id);
        let (name, version) = OPENAI_VERSION;
        headers.insert(name, version);
        headers.insert(PROCESSING_MS, milliseconds.into());
        response
    }

    async fn route(&self, mut request: Request<Incoming>, arrival: Arrival) -> Response {
        match self.place(&mut request) {
            Ok(()) => self.call(request, arrival).await,
            Err(response) => {
                PlainTrace::new(&self.facade, &request, &arrival).responds(&response);
                *response
            }
        }
    }

    /// Puts a request where the router looks for it, without its prefix.
    fn place(&self, request: &mut Request<Incoming>) -> Result<(), Box<Response>> {
        let is_probe = routes::is_probe(request.uri().path());
        if is_probe {
            return Ok(());
        }
        if self.facade.refusing.is_cancelled() {
            return Err(Box::new(refusal(request.version())));
        }
        match self.facade.prefix.place(request.uri()) {
            Place::Unprefixed => Ok(()),
            Place::Inside(uri) if !routes::is_probe(uri.path()) => {
                *request.uri_mut() = uri;
                Ok(())
            }
            Place::Root(location) => Err(Box::new(redirect(&location))),
            Place::Inside(_) | Place::Outside => {
                Err(Box::new(error::response(&not_found::nothing_here(true))))
            }
        }
    }

    /// Chats go to their route at once, unless it is a web page that asks, which wants CORS headers: the way through the router costs as
    /// much as reading the request.
    async fn call(&self, request: Request<Incoming>, arrival: Arrival) -> Response {
        let chat = ChatRoute::of(&request);
        if let Some(route) = chat
            && !request.headers().contains_key(header::ORIGIN)
        {
            return chat::answer(&self.facade, route, request, arrival).await;
        }
        // A chat of a web page notes itself.
        let mut trace = chat
            .is_none()
            .then(|| PlainTrace::new(&self.facade, &request, &arrival));
        let trace_id = arrival.trace.exported_id();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(arrival);
        let Ok(mut response) = self.router.clone().call(request).await;
        if let Some(trace) = &mut trace {
            trace.responds(&response);
            if let Some(trace_id) = trace_id.filter(|_| trace.is_exported()) {
                response.headers_mut().insert(TRACE_ID, trace_id);
            }
        }
        response
    }
}

/// New requests are refused; the connection is of no further use.
fn refusal(version: Version) -> Response {
    let mut response = error::response(&error::shutting_down());
    if version <= Version::HTTP_11 {
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn redirect(location: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
