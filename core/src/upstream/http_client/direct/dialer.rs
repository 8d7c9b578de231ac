//! How a connection comes to be.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::{
    super::{AddressError, connection_failure::ConnectionError},
    connection::Connection,
    socket::Stream,
};

/// Connects to one upstream.
pub(super) struct Dialer {
    /// A name, or an address without brackets.
    host: String,
    port: u16,
    /// For the name's lookup, TCP and TLS together.
    connect_timeout: Duration,
    /// `None` without TLS.
    tls: Option<Tls>,
}

struct Tls {
    connector: TlsConnector,
    server_name: ServerName<'static>,
}

impl Dialer {
    /// For a URL's host and port.
    ///
    /// # Errors
    ///
    /// [`AddressError::Url`].
    pub(super) fn new(
        url: &Url,
        connect_timeout: Duration,
        tls: Option<Arc<ClientConfig>>,
    ) -> Result<Self, AddressError> {
        let host = match url.host().ok_or(AddressError::Url)? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let tls = match tls {
            Some(config) => Some(Tls {
                connector: TlsConnector::from(config),
                server_name: ServerName::try_from(host.clone()).map_err(|_| AddressError::Url)?,
            }),
            None => None,
        };
        Ok(Self {
            host,
            port: url.port_or_known_default().ok_or(AddressError::Url)?,
            connect_timeout,
            tls,
        })
    }

    /// A new connection.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(super) async fn connect(&self) -> Result<Box<Connection>, ConnectionError> {
        timeout(self.connect_timeout, self.connect_without_clock())
            .await
            .unwrap_or(Err(ConnectionError::TimedOut))
    }

    async fn connect_without_clock(&self) -> Result<Box<Connection>, ConnectionError> {
        let stream = self.connect_tcp().await?;
        let stream = match &self.tls {
            None => Stream::Plain(stream),
            Some(tls) => {
                let connecting = tls.connector.connect(tls.server_name.clone(), stream);
                let stream = connecting.await.map_err(ConnectionError::Connect)?;
                Stream::Tls(Box::new(stream))
            }
        };
        Connection::new(stream)
            .await
            .map_err(ConnectionError::Broken)
    }

    /// Tries one address after the other; each has its share of the time, so that one which is never answered leaves some for the
    /// next.
    async fn connect_tcp(&self) -> Result<TcpStream, ConnectionError> {
        let addresses: Vec<SocketAddr> = lookup_host((self.host.as_str(), self.port))
            .await
            .map_err(|_| ConnectionError::Unresolved)?
            .collect();
        let share = self.connect_timeout / u32::try_from(addresses.len().max(1)).unwrap_or(1);
        let mut outcome = Err(ConnectionError::Unresolved);
        for address in addresses {
            outcome = match timeout(share, connect_to(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => Err(ConnectionError::Connect(error)),
                Err(_) => Err(ConnectionError::TimedOut),
            };
        }
        outcome
    }
}

async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Dialer")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("connect_timeout", &self.connect_timeout)
            .field("uses_tls", &self.tls.is_some())
            .finish()
    }
}
