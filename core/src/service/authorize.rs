//! Access to the gRPC port: a tower layer before all services.

use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, header::AUTHORIZATION};
use llm2api_proto::metadata::{AUTHORIZATION as AUTHORIZATION_METADATA, CLIENT_ID};
use tonic::{Status, body::Body, transport::server::TcpConnectInfo};
use tower::{Layer, Service};

use crate::access::{Access, Caller, Client, rules};

/// Goes with a call that no gateway has made for a client of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Direct;

/// Lets in whoever has the right to an RPC.
#[derive(Clone)]
pub(crate) struct Authorize {
    access: Arc<Access>,
}

impl Authorize {
    pub(crate) fn new(access: Arc<Access>) -> Self {
        Self { access }
    }
}

impl<S> Layer<S> for Authorize {
    type Service = Authorized<S>;

    fn layer(&self, inner: S) -> Authorized<S> {
        Authorized {
            inner,
            access: Arc::clone(&self.access),
        }
    }
}

/// A service behind [`Authorize`].
#[derive(Clone)]
pub(crate) struct Authorized<S> {
    inner: S,
    access: Arc<Access>,
}

impl<S, B> Service<Request<B>> for Authorized<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match authorize(&self.access, &request) {
            Ok(client) => {
                name_client(&mut request, &client);
                Box::pin(self.inner.call(request))
            }
            Err(status) => Box::pin(async move { Ok(status.into_http()) }),
        }
    }
}

fn authorize<B>(access: &Access, request: &Request<B>) -> Result<Client, Status> {
    let address = request
        .extensions()
        .get::<TcpConnectInfo>()
        .and_then(TcpConnectInfo::remote_addr)
        // Not known: then it is nobody's, and opens nothing.
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let caller = Caller {
        key: bearer(request),
        address,
        is_address_untrusted: false,
    };
    let client = access
        .check(rules::of_rpc(request.uri().path()), caller)
        .map_err(|error| error.with_param(AUTHORIZATION_METADATA))?;
    Ok(client)
}

/// The key of `authorization: Bearer KEY`; the scheme's case doesn't matter (RFC 9110, 11.1).
fn bearer<B>(request: &Request<B>) -> Option<&str> {
    let (scheme, key) = request
        .headers()
        .get(AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// Puts the client's name where the services look for it. A gateway has put the name of its own client there; nobody else is believed.
fn name_client<B>(request: &mut Request<B>, client: &Client) {
    if client.is_admin && request.headers().contains_key(CLIENT_ID) {
        return;
    }
    request.extensions_mut().insert(Direct);
    if let Ok(id) = HeaderValue::try_from(&client.id) {
        request.headers_mut().insert(CLIENT_ID, id);
    }
}
