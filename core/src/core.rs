//! The core as a whole: what the binary starts, and what a gateway in the same process calls.

use std::{sync::Arc, time::Duration};

use llm2api_proto::{
    FILE_DESCRIPTOR_SET,
    v1::{
        ChatResponse,
        access_service_server::AccessServiceServer,
        chat_service_server::{ChatService, ChatServiceServer},
        model_service_server::ModelServiceServer,
    },
};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{
    codegen::BoxStream,
    service::Routes,
    transport::server::{Server, TcpIncoming},
};
use tonic_health::{ServingStatus, server::HealthReporter};
use tonic_reflection::server as reflection;
use tower::{ServiceExt, util::BoxCloneSyncService};

use crate::{
    access::Access,
    catalog::Catalog,
    chat::Chats,
    config::{Config, UpstreamKind},
    registry::{Entry, Registry},
    router::Names,
    service::{AccessRpc, Authorize, ChatRpc, ModelRpc, PortServices},
    upstream::AddressError,
};

/// The name under which `grpc.health.v1` tells whether all upstreams are well.
const UPSTREAMS: &str = "upstreams";
/// How often a model list is asked for.
const LIST_INTERVAL: Duration = Duration::from_secs(180);
/// After how long a list that could not be had is asked for again, at first; doubling.
const FIRST_LIST_RETRY: Duration = Duration::from_secs(1);
/// The longest that a list which could not be had is waited for: an upstream that has come back is soon seen.
const MAX_LIST_RETRY: Duration = Duration::from_secs(15);
/// How long the background may take for what is left when all answers have ended: to stop and delete conversations.
const LAST_WORK: Duration = Duration::from_secs(4);
/// Resets that a gateway may have sent before we took note of the streams: one for each client that may leave at once.
const MAX_PENDING_RESETS: usize = 65_536;
/// Bytes of a call's metadata; hyper's own limit of 16 KiB is below what OpenAI allows clients.
const MAX_HEADER_BYTES: u32 = 64 * 1024;
/// After how long a silent connection is asked whether it lives, so that a vanished gateway's chats end.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// Bytes of one call, and of one connection, that may be on their way unread: a prompt with images in few round trips.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// A core without a socket, for a gateway in the same process; its calls need no key.
#[derive(Clone)]
pub struct InProcess {
    /// Answers chats. Called as it is, with nothing between.
    pub chat: Arc<dyn ChatService<ChatStream = BoxStream<ChatResponse>>>,
    /// All services, as tonic serves them.
    pub services: BoxCloneSyncService<
        http::Request<tonic::body::Body>,
        http::Response<tonic::body::Body>,
        Box<dyn std::error::Error + Send + Sync>,
    >,
}

/// Why a core could not be made or served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CoreError {
    /// An upstream can't be used as it is configured.
    #[error("upstream {name} can't be used")]
    Upstream {
        /// The upstream's name.
        name: String,
        /// What is wrong.
        #[source]
        source: AddressError,
    },
    /// The contract's own description is broken.
    #[error("reflection can't be served")]
    Reflection(#[source] reflection::Error),
    /// The gRPC server failed.
    #[error("the gRPC server failed")]
    Serve(#[source] tonic::transport::Error),
}

/// How a core is told to stop, step by step.
#[derive(Debug, Clone, Default)]
pub struct Stopping {
    /// `grpc.health.v1` says NOT_SERVING; requests are still served.
    pub draining: CancellationToken,
    /// New requests fail with `SHUTTING_DOWN`; running ones go on.
    pub refusing: CancellationToken,
    /// Running answers end with `SHUTTING_DOWN`.
    pub ending: CancellationToken,
    /// Has a token of each chat, from its request to its answer's end: once new ones are refused, tells when none runs any more.
    pub running: TaskTracker,
}

/// An upstream, as a start-up summary shows it.
#[derive(Debug, Clone)]
pub struct UpstreamOverview {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: UpstreamKind,
    /// Its address, without userinfo; of a local one the model's file.
    pub url: String,
    /// Its models, or why they are not known.
    pub models: Result<Vec<String>, String>,
}

/// The core. Cheap to clone.
#[derive(Clone)]
pub struct Core {
    registry: Arc<Registry>,
    access: Arc<Access>,
    chat: ChatRpc,
    chat_server: ChatServiceServer<ChatRpc>,
    routes: Routes,
    health: HealthReporter,
    stopping: Stopping,
}

impl Core {
    /// Makes a core; nothing is asked of an upstream yet.
    ///
    /// # Errors
    ///
    /// [`CoreError::Upstream`] where an upstream's address or proxy can't be used.
    pub fn new(config: Config, stopping: Stopping) -> Result<Self, CoreError> {
        let registry = Arc::new(Registry::new(&config)?);
        let names = Arc::new(Names {
            models: config.models.clone(),
            aliases: config.aliases.clone(),
        });
        let access = Arc::new(Access::new(&config.access));
        let chats = Arc::new(Chats::new(
            &config,
            Arc::clone(&registry),
            Arc::clone(&names),
            &stopping.ending,
        ));
        let catalog = Arc::new(Catalog::new(Arc::clone(&registry), names));

        // Protobuf has no escapes and shorter numbers than JSON, but names and lengths beside each value.
        let max_message_bytes = config
            .max_body_bytes
            .saturating_mul(2)
            .saturating_add(1 << 20);
        let (health, health_service) = tonic_health::server::health_reporter();
        let chat = ChatRpc {
            chats,
            refusing: stopping.refusing.clone(),
            running: stopping.running.clone(),
        };
        let chat_server =
            ChatServiceServer::new(chat.clone()).max_decoding_message_size(max_message_bytes);
        let mut routes = Routes::builder();
        routes
            .add_service(chat_server.clone())
            .add_service(ModelServiceServer::new(ModelRpc { catalog }))
            .add_service(AccessServiceServer::new(AccessRpc {
                access: Arc::clone(&access),
            }))
            .add_service(health_service);
        let descriptors = || {
            reflection::Builder::configure()
                .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                // What errors carry, so that grpcurl can show it.
                .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        };
        routes
            .add_service(descriptors().build_v1().map_err(CoreError::Reflection)?)
            .add_service(
                descriptors()
                    .build_v1alpha()
                    .map_err(CoreError::Reflection)?,
            );
        Ok(Self {
            registry,
            access,
            chat,
            chat_server,
            routes: routes.routes().prepare(),
            health,
            stopping,
        })
    }

    /// Keeps model lists and health fresh, checks refused credentials, and does what adapters leave to the background, until the core
    /// is told to end and that is done. One task a process runs this.
    pub async fn run(&self) {
        let adapters = self
            .registry
            .entries()
            .iter()
            .map(|entry| entry.adapter.run(self.stopping.ending.clone()));
        let background = futures_util::future::join_all(adapters);
        let lists = self
            .registry
            .entries()
            .iter()
            .map(|entry| self.keep_fresh(entry));
        let checks = self
            .registry
            .entries()
            .iter()
            .map(|entry| entry.keep_checked());
        let work = async {
            self.report_health().await;
            let lists = futures_util::future::join_all(lists);
            let checks = futures_util::future::join_all(checks);
            futures_util::future::join(lists, checks).await;
            std::future::pending::<()>().await;
        };
        let draining = async {
            self.stopping.draining.cancelled().await;
            self.health
                .set_service_status("", ServingStatus::NotServing)
                .await;
        };
        tokio::pin!(background, draining, work);
        let (mut is_draining, mut is_done) = (false, false);
        loop {
            tokio::select! {
                () = &mut work => {}
                _ = &mut background, if !is_done => is_done = true,
                () = &mut draining, if !is_draining => is_draining = true,
                () = self.stopping.ending.cancelled() => break,
            }
        }
        if !is_done && tokio::time::timeout(LAST_WORK, background).await.is_err() {
            tracing::warn!("some work of the background did not end in time");
        }
    }

    async fn keep_fresh(&self, entry: &Entry) {
        let mut retry_after = FIRST_LIST_RETRY;
        loop {
            entry.refresh_models(Duration::ZERO).await;
            self.report_health().await;
            let wait = if entry.model_list.known().failure.is_none() {
                retry_after = FIRST_LIST_RETRY;
                LIST_INTERVAL
            } else {
                let doubled = (retry_after * 2).min(MAX_LIST_RETRY);
                std::mem::replace(&mut retry_after, doubled)
            };
            // Spread, so that many upstreams, and many of us, don't ask at the same instant.
            tokio::time::sleep(wait.mul_f64(0.9 + fastrand::f64() / 5.0)).await;
        }
    }

    async fn report_health(&self) {
        let is_ok = self
            .registry
            .entries()
            .iter()
            .all(|entry| entry.model_list.known().failure.is_none())
            && !self.registry.entries().is_empty();
        let status = if is_ok {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        self.health.set_service_status(UPSTREAMS, status).await;
        if !self.stopping.draining.is_cancelled() {
            self.health
                .set_service_status("", ServingStatus::Serving)
                .await;
        }
    }

    /// Asks every upstream for its models, unless they were asked just now, and tells what came.
    pub async fn overview(&self) -> Vec<UpstreamOverview> {
        let asked = self.registry.entries().iter().map(|entry| async {
            entry.refresh_models(LIST_INTERVAL).await;
            let known = entry.model_list.known();
            UpstreamOverview {
                name: entry.name().to_owned(),
                kind: entry.adapter.kind(),
                url: entry.config.shown_address(),
                models: match (&known.failure, known.models()) {
                    (Some(failure), _) => Err(failure.clone()),
                    (None, models) => Ok(models
                        .unwrap_or_default()
                        .iter()
                        .map(|model| model.id.clone())
                        .collect()),
                },
            }
        });
        futures_util::future::join_all(asked).await
    }

    /// The core for a gateway in this process.
    #[must_use]
    pub fn in_process(&self) -> InProcess {
        let services =
            ServiceExt::<http::Request<tonic::body::Body>>::map_err(self.routes.clone(), |never| {
                match never {}
            });
        InProcess {
            chat: Arc::new(self.chat.clone()),
            services: BoxCloneSyncService::new(services),
        }
    }

    /// Serves gRPC on this listener until it is told to stop and all calls have ended.
    ///
    /// # Errors
    ///
    /// [`CoreError::Serve`].
    pub async fn serve(&self, listener: TcpListener) -> Result<(), CoreError> {
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        Server::builder()
            .layer(Authorize::new(Arc::clone(&self.access)))
            // A client that leaves is a reset. With h2's limits, a thousand of them would end the connection, and with it all
            // other streams of the same gateway.
            .http2_max_pending_accept_reset_streams(Some(MAX_PENDING_RESETS))
            .http2_max_local_error_reset_streams(None)
            .http2_max_header_list_size(Some(MAX_HEADER_BYTES))
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .initial_stream_window_size(Some(STREAM_WINDOW_BYTES))
            .initial_connection_window_size(Some(CONNECTION_WINDOW_BYTES))
            .serve_with_incoming_shutdown(
                PortServices::new(self.chat_server.clone(), self.routes.clone()),
                incoming,
                self.stopping.ending.cancelled(),
            )
            .await
            .map_err(CoreError::Serve)
    }
}
