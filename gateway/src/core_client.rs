//! Cores in other processes: several, in order of preference, each over several HTTP/2 connections.

mod connection;

use std::{
    future::Future,
    hash::{BuildHasher, RandomState},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::join_all;
use http::{HeaderValue, Uri, header};
use llm2api_proto::metadata::{REQUEST_ID, TRACESTATE};
use secrecy::{ExposeSecret, SecretString};
use tokio::{sync::mpsc, task::JoinSet};
use tonic::{Status, body::Body};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tower::{Service, service_fn};

use self::connection::{Connection, Driver};
use crate::{CoreService, RpcService};

/// Connections to each core, from each runtime, at most: a lost one takes its share of the streams with it, and a core deals them out
/// to its own runtimes.
const CONNECTIONS: usize = 4;
/// Calls that share a connection before another is used. They share its reads and writes too: spread over four connections, few
/// calls cost a half more each.
const SHARED_BY: usize = 64;
/// Connections that may be made at the same time before one waits to be driven.
const DRIVERS: usize = 16;
/// Rest between two tries to watch a core's health: the first, and the longest.
const SHORTEST_REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(5);

/// Why the way to the cores could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CoreLinkError {
    /// There is no address.
    #[error("no core's address is given")]
    NoAddress,
    /// An address has no host.
    #[error("{0} has no host")]
    Address(Uri),
    /// The key can't stand in a header.
    #[error("the key for the core holds characters that can't be sent")]
    Key,
}

/// The way to cores in other processes. Calls go to the first healthy one.
#[derive(Clone)]
pub struct CoreLink {
    cores: Arc<[RemoteCore]>,
    authorization: HeaderValue,
}

struct RemoteCore {
    uri: Uri,
    connections: [Connection; CONNECTIONS],
    health: AtomicU8,
}

/// What is known of a core's health; ordered by how well it may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Health {
    /// It serves, or has not been heard yet.
    Usable,
    /// It says that it does not serve, and might all the same.
    NotServing,
    /// It can't be reached.
    Unreachable,
}

impl CoreLink {
    /// Makes the way to cores at these addresses, in order of preference; `core_key` proves this gateway to them.
    ///
    /// Connections are made when they are needed, on the runtime that calls this: one link a runtime. The future watches the
    /// cores' health, reconnects, and never ends; dropping it stops that.
    ///
    /// # Errors
    ///
    /// [`CoreLinkError`].
    pub fn connect(
        uris: Vec<Uri>,
        core_key: &SecretString,
    ) -> Result<(CoreService, impl Future<Output = ()> + Send + use<>), CoreLinkError> {
        if uris.is_empty() {
            return Err(CoreLinkError::NoAddress);
        }
        let bearer = format!("Bearer {}", core_key.expose_secret());
        let mut authorization = HeaderValue::try_from(bearer).map_err(|_| CoreLinkError::Key)?;
        authorization.set_sensitive(true);
        let (drivers, mut new_drivers) = mpsc::channel(DRIVERS);
        let cores = uris
            .into_iter()
            .map(|uri| RemoteCore::new(uri, &drivers))
            .collect::<Result<Arc<[_]>, _>>()?;
        let link = Self {
            cores: Arc::clone(&cores),
            authorization,
        };
        let watch = async move {
            // Dropped with this future, and the connections with it.
            let mut driving = JoinSet::new();
            let drive = async {
                while let Some(driver) = new_drivers.recv().await {
                    driving.spawn(driver);
                    while driving.try_join_next().is_some() {}
                }
            };
            tokio::join!(drive, join_all(cores.iter().map(RemoteCore::watch)));
        };
        Ok((CoreService::remote(RpcService::new(link)), watch))
    }
}

impl Service<http::Request<Body>> for CoreLink {
    type Response = http::Response<Body>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        for name in [REQUEST_ID, TRACESTATE] {
            if let Some(value) = headers.get_mut(name) {
                // Sent once and never again: it needs no place in the connection's table of headers, out of which it would push others.
                value.set_sensitive(true);
            }
        }
        let cores = Arc::clone(&self.cores);
        Box::pin(async move { Ok(choose(&cores).connection().call(request).await?) })
    }
}

/// The core to call now: the first usable one, else the first that is there at all, else the first.
fn choose(cores: &[RemoteCore]) -> &RemoteCore {
    let with = |health| move |core: &&RemoteCore| core.health() == health;
    cores
        .iter()
        .find(with(Health::Usable))
        .or_else(|| cores.iter().find(with(Health::NotServing)))
        .unwrap_or(&cores[0])
}

impl RemoteCore {
    fn new(uri: Uri, drivers: &mpsc::Sender<Driver>) -> Result<Self, CoreLinkError> {
        let authority = uri.authority().cloned();
        let authority = authority.ok_or_else(|| CoreLinkError::Address(uri.clone()))?;
        Ok(Self {
            uri,
            connections: std::array::from_fn(|_| {
                Connection::new(authority.clone(), drivers.clone())
            }),
            health: AtomicU8::new(Health::Usable as u8),
        })
    }

    /// The first connection that has room, else the one with the fewest calls.
    fn connection(&self) -> &Connection {
        self.connections
            .iter()
            .find(|connection| connection.call_count() < SHARED_BY)
            .or_else(|| {
                self.connections
                    .iter()
                    .min_by_key(|connection| connection.call_count())
            })
            .unwrap_or(&self.connections[0])
    }

    fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            0 => Health::Usable,
            1 => Health::NotServing,
            _ => Health::Unreachable,
        }
    }

    fn note(&self, health: Health) {
        if self.health.swap(health as u8, Ordering::Relaxed) != health as u8 {
            tracing::info!(core = %self.uri, ?health, "a core's health changed");
        }
    }

    /// Watches the core's health, and begins anew whenever it is lost.
    async fn watch(&self) {
        let mut rest = SHORTEST_REST;
        loop {
            match self.watch_once(&mut rest).await {
                Ok(()) => {}
                Err(status) => {
                    tracing::debug!(core = %self.uri, %status, "a core's health can't be watched");
                }
            }
            self.note(Health::Unreachable);
            tokio::time::sleep(jittered(rest)).await;
            rest = (rest * 2).min(LONGEST_REST);
        }
    }

    async fn watch_once(&self, rest: &mut Duration) -> Result<(), Status> {
        let request = HealthCheckRequest {
            service: String::new(),
        };
        let mut client = HealthClient::new(service_fn(|request| self.connections[0].call(request)));
        let mut answers = client.watch(request).await?.into_inner();
        while let Some(answer) = answers.message().await? {
            *rest = SHORTEST_REST;
            self.note(match answer.status() {
                ServingStatus::Serving => Health::Usable,
                ServingStatus::Unknown
                | ServingStatus::NotServing
                | ServingStatus::ServiceUnknown => Health::NotServing,
            });
        }
        Ok(())
    }
}

/// Between half of a duration and all of it, so that gateways that lost a core together don't come back together.
fn jittered(duration: Duration) -> Duration {
    let share = RandomState::new().hash_one(0) % 512;
    duration.mul_f64((512 + share) as f64 / 1024.0)
}
