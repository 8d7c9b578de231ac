//! Names of pages' hosts, resolved so that a connection goes to the addresses that were checked and to no other.

use std::{future::Future, io, net::IpAddr, net::SocketAddr, pin::Pin, sync::Arc};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Looks names up.
pub(super) trait Lookup: Send + Sync + 'static {
    /// The addresses of a host.
    fn addresses(
        &self,
        host: String,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
}

/// Looks them up as the system does.
pub(super) struct SystemLookup;

impl Lookup for SystemLookup {
    fn addresses(
        &self,
        host: String,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Resolves a name at each connection, once, and refuses it whole if any of its addresses is not allowed: a name that is now here and now
/// there has no business on the public internet.
pub(super) struct GuardedResolver<L> {
    lookup: Arc<L>,
    is_allowed: fn(IpAddr) -> bool,
}

impl<L: Lookup> GuardedResolver<L> {
    pub(super) fn new(lookup: L, is_allowed: fn(IpAddr) -> bool) -> Self {
        Self {
            lookup: Arc::new(lookup),
            is_allowed,
        }
    }
}

impl<L: Lookup> Resolve for GuardedResolver<L> {
    fn resolve(&self, name: Name) -> Resolving {
        let is_allowed = self.is_allowed;
        let looked_up = self.lookup.addresses(name.as_str().to_owned());
        Box::pin(async move {
            let addresses = looked_up.await?;
            if addresses.is_empty() || !addresses.iter().all(|&address| is_allowed(address)) {
                return Err(io::Error::from(io::ErrorKind::PermissionDenied).into());
            }
            // Port 0 is replaced by that of the URL.
            let sockets = addresses
                .into_iter()
                .map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(sockets) as Addrs)
        })
    }
}
