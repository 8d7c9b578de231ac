//! Requests over connections of our own, each of which is driven by the task that asks.
//!
//! The usual client gives each connection a task, and hands each piece of an answer from there to the task that waits for it: a
//! channel and a wake a piece. Here the answer's body reads the socket itself. hyper speaks the protocol in both cases.

mod connection;
mod dialer;
mod exchange;
mod pool;
mod relay;
mod socket;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use rustls::ClientConfig;
use url::Url;

pub(crate) use self::exchange::Exchange;
use self::{connection::SendError, dialer::Dialer, pool::Pool};
use super::{AddressError, connection_failure::ConnectionError};
use crate::runtime;

/// The connections to one upstream.
#[derive(Debug)]
pub(super) struct Direct {
    dialer: Dialer,
    /// Those that wait for their next request, by runtime: whoever opened a connection reads it.
    pools: Box<[Arc<Pool>]>,
}

impl Direct {
    /// No connections yet.
    ///
    /// # Errors
    ///
    /// [`AddressError::Url`].
    pub(super) fn new(
        url: &Url,
        connect_timeout: Duration,
        tls: Option<Arc<ClientConfig>>,
        runtime_count: usize,
    ) -> Result<Self, AddressError> {
        Ok(Self {
            dialer: Dialer::new(url, connect_timeout, tls)?,
            pools: (0..runtime_count.max(1)).map(|_| Arc::default()).collect(),
        })
    }

    /// Sees to it that a connection waits for a request that is about to be sent. Another request may come before it.
    ///
    /// # Errors
    ///
    /// What became of the connection.
    pub(super) async fn connect_ahead(&self) -> Result<(), ConnectionError> {
        let pool = self.pool();
        if !pool.has_idle() {
            pool.put(self.dialer.connect().await?);
        }
        Ok(())
    }

    /// The connections of this runtime.
    fn pool(&self) -> &Arc<Pool> {
        &self.pools[runtime::index().min(self.pools.len() - 1)]
    }

    /// Sends a request, whose target is in origin form and which has its host, and returns when the answer's head is here.
    ///
    /// One that meets a connection which the upstream has closed while it was idle is sent once more, over a new one.
    ///
    /// # Errors
    ///
    /// What became of the connection.
    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Exchange>, ConnectionError> {
        let pool = self.pool();
        if let Some(connection) = pool.take() {
            match connection.send(request.clone()).await {
                Ok((connection, response)) => {
                    return Ok(response.map(|body| Exchange::new(connection, body, pool)));
                }
                Err(SendError::Closed(_)) => {}
                Err(SendError::Broken(error)) => return Err(ConnectionError::Broken(error)),
            }
        }
        let connection = self.dialer.connect().await?;
        match connection.send(request).await {
            Ok((connection, response)) => {
                Ok(response.map(|body| Exchange::new(connection, body, pool)))
            }
            Err(SendError::Closed(error) | SendError::Broken(error)) => {
                Err(ConnectionError::Broken(error))
            }
        }
    }
}
