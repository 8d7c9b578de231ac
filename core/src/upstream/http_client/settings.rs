//! What all clients of one upstream have in common.

use std::{sync::Arc, time::Duration};

use reqwest::{Client, redirect};
use rustls::ClientConfig;
use url::Url;

use super::{AddressError, POOL_IDLE_TIMEOUT, USER_AGENT, egress, tls};

/// How clients are made, and where they lead.
#[derive(Debug)]
pub(super) struct Settings {
    /// `host:port`: how failures name the upstream.
    pub(super) address: Arc<str>,
    pub(super) host: String,
    /// Whether the upstream is on this machine, where no proxy leads.
    pub(super) is_loopback: bool,
    pub(super) connect_timeout: Duration,
    pub(super) proxy: Option<Url>,
    /// `None` where neither the upstream nor its proxy is asked over TLS.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

impl Settings {
    /// A client for the upstream's own proxy, or for none.
    ///
    /// # Errors
    ///
    /// reqwest's.
    pub(super) fn build(&self) -> Result<Client, reqwest::Error> {
        self.build_with(self.proxy.as_ref(), self.tls.as_deref())
    }

    /// A client for another proxy.
    ///
    /// # Errors
    ///
    /// Why that can't be used.
    pub(super) fn build_for(&self, proxy: &Url) -> Result<Client, AddressError> {
        if !egress::is_proxy(proxy) {
            return Err(AddressError::Proxy);
        }
        let own = match (&self.tls, proxy.scheme()) {
            (None, "https") => Some(tls::config([]).map_err(AddressError::Tls)?),
            _ => None,
        };
        let tls = self.tls.as_deref().or(own.as_ref());
        self.build_with(Some(proxy), tls)
            .map_err(AddressError::Client)
    }

    fn build_with(
        &self,
        proxy: Option<&Url>,
        tls: Option<&ClientConfig>,
    ) -> Result<Client, reqwest::Error> {
        // reqwest takes the process's provider and panics where there is none. An error says that there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .redirect(redirect::Policy::none())
            .referer(false)
            // Whether and where to try again is the attempt loop's to decide.
            .retry(reqwest::retry::never())
            // Neither the environment nor the system decides on proxies.
            .no_proxy();
        if let Some(proxy) = proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy.clone())?);
        }
        // Either spares each client the reading of the system's certificates, some hundred KiB.
        builder = match tls {
            Some(tls) => builder.tls_backend_preconfigured(tls.clone()),
            None => builder.tls_certs_only([]),
        };
        builder.build()
    }
}
