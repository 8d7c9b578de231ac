//! What is noted of a request that is no chat.

use std::{sync::Arc, thread};

use axum::{body::Body, extract::MatchedPath, response::Response};
use http::{Request, StatusCode};

use super::{
    RequestKey, RequestSpan, RequestTrace,
    request_trace::{Sender, method_name},
};
use crate::{access::Arrival, facade::Facade, routes::Listed};

/// What is noted of a request that is no chat. It is counted when this is dropped.
pub(crate) struct PlainTrace {
    facade: Arc<Facade>,
    method: &'static str,
    trace: RequestTrace,
    /// What a span would tell beside; where it is exported.
    told: Option<(String, Sender)>,
    /// The route, once the router has found it.
    route: Option<&'static Listed>,
    /// The status that was sent. `None`: there is none yet.
    status: Option<StatusCode>,
}

impl PlainTrace {
    /// A request that has just arrived.
    pub(crate) fn new<B>(facade: &Arc<Facade>, request: &Request<B>, arrival: &Arrival) -> Self {
        let is_sampled = arrival.trace.context.is_sampled;
        Self {
            facade: Arc::clone(facade),
            method: method_name(request.method()),
            trace: arrival.trace.clone(),
            told: is_sampled.then(|| {
                let sender = Sender::new(arrival, request.headers(), request.version());
                (request.uri().path().to_owned(), sender)
            }),
            route: None,
            status: None,
        }
    }

    /// The answer is here, which tells the route too.
    pub(crate) fn responds(&mut self, response: &Response<Body>) {
        self.status = Some(response.status());
        let matched = response.extensions().get::<MatchedPath>();
        self.route = matched.and_then(|path| Listed::find(path.as_str()));
    }

    /// Whether it has a span that is exported.
    pub(crate) fn is_exported(&self) -> bool {
        self.told.is_some() && self.route.is_some_and(|route| route.is_client)
    }
}

impl Drop for PlainTrace {
    fn drop(&mut self) {
        if self.status.is_none() && thread::panicking() {
            // The client is told so.
            self.status = Some(StatusCode::INTERNAL_SERVER_ERROR);
        }
        let took = self.trace.elapsed();
        let key = RequestKey {
            method: self.method,
            route: self.route.map(|route| route.template.as_str()),
            status: self.status.map(|status| status.as_u16()),
            failure: None,
        };
        self.facade.meter.count(key, took);
        // The operator's own requests are not what is traced.
        let route = self.route.filter(|route| route.is_client);
        let (Some(route), Some((path, sender))) = (route, &self.told) else {
            return;
        };
        let span = RequestSpan {
            trace: &self.trace,
            method: self.method,
            route: &route.template,
            path,
            sender,
            took,
            status: self.status,
            failure: None,
        };
        let spans = vec![span.to_span().into()];
        self.facade.telemetry.take(spans, false, true);
    }
}
