//! The HTTP client towards an upstream, with connections of its own on each runtime: none is shared between runtimes.
//!
//! Chats go over connections that the asking task drives itself ([`direct`]); what must go through a proxy, or is asked seldom, is
//! left to reqwest.

mod by_proxy;
mod connection_failure;
mod direct;
mod egress;
mod response_body;
mod settings;
mod target;
mod tls;

use std::{
    net::IpAddr,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, header::AUTHORIZATION};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use reqwest::Client;
use rustls::ClientConfig;
use tokio_util::task::TaskTracker;
use url::{Host, Url};

use self::{by_proxy::ClientsByProxy, direct::Direct, settings::Settings};
pub(crate) use self::{
    connection_failure::ConnectionError, response_body::ResponseBody, target::Target,
    tls::config as tls_config,
};
use super::{Failure, FailureKind};
use crate::{
    config::{Config, UpstreamConfig},
    runtime,
};

/// How long a connection waits for its next request. Below the 5 s after which llama.cpp, uvicorn (vLLM, SGLang) and Node close
/// one, so that hardly a request meets a connection that the upstream is closing.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// How long an answer whose end marker has come may take to end, for its connection to be used again.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes that may follow an end marker before it is cheaper to connect anew.
const MAX_DRAIN_SIZE: usize = 64 * 1024;

/// How we call ourselves.
pub(crate) const USER_AGENT: &str = concat!("llm2api/", env!("CARGO_PKG_VERSION"));

/// Why an upstream can't be reached as it is configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The URL of a local model is none of a file.
    #[error("its URL must be the file: URL of a model's file")]
    File,
    /// A local model, where this program was built without what computes it.
    #[error("this program was built without local models (cargo feature `local`)")]
    WithoutLocal,
    /// The URL is none of HTTP.
    #[error("its URL must begin with http:// or https:// and name a host")]
    Url,
    /// The proxy's URL is none of a proxy.
    #[error("its proxy must be http://, https://, socks5:// or socks5h:// and a host")]
    Proxy,
    /// TLS can't be used: there are no trusted certificates, for one.
    #[error("no TLS can be had for it")]
    Tls(#[source] rustls::Error),
    /// The HTTP client can't be made.
    #[error("no HTTP client can be made for it")]
    Client(#[source] reqwest::Error),
}

/// The clients of one upstream, or of another service that the operator named.
#[derive(Debug)]
pub(crate) struct HttpClients {
    settings: Settings,
    /// Connections of our own; `None` where a proxy is on the way.
    direct: Option<Direct>,
    /// A client for the rest, one for each runtime, made when it is first used there.
    clients: Box<[OnceLock<Client>]>,
    /// Those for credentials with a proxy of their own.
    by_proxy: ClientsByProxy,
    /// Answers that are read to their end after they are of interest.
    drains: TaskTracker,
}

impl HttpClients {
    /// The clients for an upstream.
    ///
    /// # Errors
    ///
    /// [`AddressError`], so that a wrong address is known at the start and not at the first request.
    pub(super) fn new(config: &UpstreamConfig, general: &Config) -> Result<Self, AddressError> {
        Self::for_address(&config.url, config.proxy.as_ref(), general)
    }

    /// The clients for a service at an address, by its own proxy where it has one.
    ///
    /// # Errors
    ///
    /// As of [`Self::new`].
    pub(crate) fn for_address(
        url: &Url,
        own_proxy: Option<&Url>,
        general: &Config,
    ) -> Result<Self, AddressError> {
        let proxy = egress::proxy(url, own_proxy, &general.proxies)?;
        let is_tls = |url: &Url| url.scheme() == "https";
        let tls = if is_tls(url) || proxy.as_ref().is_some_and(is_tls) {
            Some(Arc::new(tls::config([]).map_err(AddressError::Tls)?))
        } else {
            None
        };
        Self::with(url, general, proxy, tls)
    }

    fn with(
        url: &Url,
        general: &Config,
        proxy: Option<Url>,
        tls: Option<Arc<ClientConfig>>,
    ) -> Result<Self, AddressError> {
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(AddressError::Url);
        }
        let connect_timeout = general.clocks.connect;
        let direct = match proxy {
            Some(_) => None,
            None => Some(Direct::new(
                url,
                connect_timeout,
                tls.clone(),
                general.runtime_count,
            )?),
        };
        let settings = Settings {
            address: address(url).into(),
            host: url.host_str().unwrap_or_default().to_owned(),
            is_loopback: is_loopback(url),
            connect_timeout,
            proxy,
            tls,
        };
        let first = settings.build().map_err(AddressError::Client)?;
        let clients: Box<[_]> = (0..general.runtime_count.max(1))
            .map(|_| OnceLock::new())
            .collect();
        let _ = clients[0].set(first);
        Ok(Self {
            settings,
            direct,
            clients,
            by_proxy: ClientsByProxy::default(),
            drains: TaskTracker::new(),
        })
    }

    /// How failures name the upstream: `host:port`.
    pub(crate) fn address(&self) -> &Arc<str> {
        &self.settings.address
    }

    /// The host whose cookies the upstream may set.
    pub(super) fn host(&self) -> &str {
        &self.settings.host
    }

    /// A URL of this upstream, made ready for requests. A login in it becomes a header.
    ///
    /// # Errors
    ///
    /// [`AddressError`].
    pub(crate) fn target(&self, url: Url) -> Result<Target, AddressError> {
        let request = self.client().and_then(|client| client.get(url).build());
        let request = request.map_err(AddressError::Client)?;
        let login = request.headers().get(AUTHORIZATION).cloned();
        Target::new(request.url().clone(), login)
    }

    /// Asks a target, by a proxy where the credential has one, and returns when the answer's head is here. The target's login is sent
    /// unless the headers have one.
    ///
    /// # Errors
    ///
    /// What became of the connection.
    pub(super) async fn call(
        &self,
        method: Method,
        target: &Target,
        proxy: Option<&Url>,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<http::Response<ResponseBody>, Failure> {
        let Some(direct) = self.direct.as_ref().filter(|_| proxy.is_none()) else {
            return self.send(method, target, proxy, headers, body).await;
        };
        let request = target.request(method, headers, Full::new(body));
        let sent = direct.send(request).await;
        match sent {
            Ok(response) => Ok(response.map(ResponseBody::Direct)),
            Err(error) => Err(self.failure(&error)),
        }
    }

    /// Connects for a request that is about to be sent, where that goes over connections of our own.
    ///
    /// # Errors
    ///
    /// What became of the connection.
    pub(super) async fn connect_ahead(&self, proxy: Option<&Url>) -> Result<(), Failure> {
        match self.direct.as_ref().filter(|_| proxy.is_none()) {
            Some(direct) => {
                let connected = direct.connect_ahead().await;
                connected.map_err(|error| self.failure(&error))
            }
            None => Ok(()),
        }
    }

    /// Asks a target for something small, as [`Self::call`] does.
    ///
    /// # Errors
    ///
    /// What became of the connection.
    pub(crate) async fn get(
        &self,
        target: &Target,
        proxy: Option<&Url>,
        headers: HeaderMap,
    ) -> Result<http::Response<ResponseBody>, Failure> {
        self.send(Method::GET, target, proxy, headers, Bytes::new())
            .await
    }

    /// Sends a small body to a target, and returns when the answer's head is here. The target's login is sent unless the headers have
    /// one.
    ///
    /// # Errors
    ///
    /// What became of the connection.
    pub(crate) async fn post(
        &self,
        target: &Target,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<http::Response<ResponseBody>, Failure> {
        self.send(Method::POST, target, None, headers, body).await
    }

    async fn send(
        &self,
        method: Method,
        target: &Target,
        proxy: Option<&Url>,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<http::Response<ResponseBody>, Failure> {
        let own_proxy = proxy.filter(|_| !self.settings.is_loopback);
        let has_proxy = own_proxy.or(self.settings.proxy.as_ref()).is_some();
        let failure = |error| {
            let error = ConnectionError::Client(error);
            connection_failure::failure(&error, &self.settings.address, has_proxy)
        };
        let by_proxy;
        let client = match own_proxy {
            Some(proxy) => {
                by_proxy = self.client_by(proxy)?;
                &by_proxy
            }
            None => self.client().map_err(failure)?,
        };
        let request = client.request(method, target.url.clone());
        let headers = target.with_login(headers);
        let sent = request.headers(headers).body(body).send().await;
        let response = sent.map_err(failure)?;
        Ok(http::Response::from(response).map(ResponseBody::Client))
    }

    /// What an error of the connection means.
    pub(crate) fn failure(&self, error: &ConnectionError) -> Failure {
        connection_failure::failure(error, &self.settings.address, self.settings.proxy.is_some())
    }

    /// Lets the connection of an answer that is over be used again, without anybody waiting for it. A body that is dropped before
    /// its last byte closes its connection, and that byte often comes a moment after the end marker.
    pub(super) fn drain(&self, mut body: ResponseBody) {
        let mut size = 0;
        let mut context = Context::from_waker(Waker::noop());
        loop {
            match Pin::new(&mut body).poll_frame(&mut context) {
                Poll::Ready(Some(Ok(frame))) if size < MAX_DRAIN_SIZE => {
                    size += frame.data_ref().map_or(0, Bytes::len);
                }
                Poll::Ready(_) => return,
                Poll::Pending => break,
            }
        }
        // The tracker owns the task, and the deadline ends it: it outlives nothing that anybody waits for.
        self.drains.spawn(async move {
            let read = async {
                while let Some(Ok(frame)) = body.frame().await {
                    size += frame.data_ref().map_or(0, Bytes::len);
                    if size > MAX_DRAIN_SIZE {
                        break;
                    }
                }
            };
            let _ = tokio::time::timeout(DRAIN_TIMEOUT, read).await;
        });
    }

    /// Waits until every answer that is being drained has ended.
    #[cfg(test)]
    pub(super) async fn drained(&self) {
        self.drains.close();
        self.drains.wait().await;
        self.drains.reopen();
    }

    fn client(&self) -> Result<&Client, reqwest::Error> {
        let slot = &self.clients[self.runtime()];
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let client = self.settings.build()?;
        Ok(slot.get_or_init(|| client))
    }

    /// The client for a credential's own proxy.
    fn client_by(&self, proxy: &Url) -> Result<Client, Failure> {
        self.by_proxy.get(self.runtime(), proxy, || {
            self.settings.build_for(proxy).map_err(|error| {
                let address = self.address();
                let what = format!("the credential's way to {address} can't be used: {error}");
                Failure::new(FailureKind::Misconfigured, what)
            })
        })
    }

    fn runtime(&self) -> usize {
        runtime::index().min(self.clients.len() - 1)
    }
}

/// `host:port` of a URL, without its userinfo.
fn address(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Whether a URL leads to this machine itself.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
        None => false,
    }
}

#[cfg(test)]
pub(super) mod tests;
