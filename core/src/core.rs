//! The core as a whole: what the binary starts, and what a gateway in the same process calls.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use llm2api_proto::{
    FILE_DESCRIPTOR_SET, SpanSink,
    v1::{
        ChatResponse,
        access_service_server::AccessServiceServer,
        authorization_service_server::AuthorizationServiceServer,
        chat_service_server::{ChatService, ChatServiceServer},
        cookie_service_server::CookieServiceServer,
        key_service_server::KeyServiceServer,
        model_service_server::ModelServiceServer,
        monitor_service_server::MonitorServiceServer,
        search_service_server::SearchServiceServer,
        upstream_service_server::UpstreamServiceServer,
    },
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::TraceServiceServer;
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{
    codegen::BoxStream,
    service::Routes,
    transport::server::{Server, TcpIncoming},
};
use tonic_reflection::server as reflection;
use tower::{ServiceExt, util::BoxCloneSyncService};

use crate::{
    access::Access,
    administration::{Administration, Setup},
    admission::Admission,
    authorization::Authorization,
    catalog::Catalog,
    chat::Chats,
    config::{Config, UpstreamKind},
    health::Health,
    keys::{KeyAdministration, KeyRing},
    monitor::Monitor,
    registry::{Background, Entry, LIST_INTERVAL, Registry, Routing},
    search::{Search, SearchError},
    service::{
        AccessRpc, AuthorizationRpc, Authorize, ChatRpc, CookieRpc, KeyRpc, ModelRpc, MonitorRpc,
        OfGateways, PortServices, SearchInstances, SearchRpc, TraceRpc, UpstreamRpc,
    },
    store::{Store, StoreError, TraceReader, Writer},
    upstream::AddressError,
};

/// Resets that a gateway may have sent before we took note of the streams: one for each client that may leave at once.
const MAX_PENDING_RESETS: usize = 65_536;
/// Bytes of a call's metadata; hyper's own limit of 16 KiB is below what OpenAI allows clients.
const MAX_HEADER_BYTES: u32 = 64 * 1024;
/// After how long a silent connection is asked whether it lives, so that a vanished gateway's chats end.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// The time that answers get which are told to end.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Bytes of one call, and of one connection, that may be on their way unread: a prompt with images in few round trips.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// A core without a socket, for a gateway in the same process; its calls need no key.
#[derive(Clone)]
pub struct InProcess {
    /// Answers chats. Called as it is, with nothing between.
    pub chat: Arc<dyn ChatService<ChatStream = BoxStream<ChatResponse>>>,
    /// Takes the gateway's spans, which complete the traces that are kept.
    pub monitor: Arc<dyn SpanSink>,
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
    /// An instance of SearXNG can't be used as it is configured.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// Whom AUTH_INTROSPECTION_URL names can't be asked.
    #[error("AUTH_INTROSPECTION_URL can't be used")]
    Authority(#[source] AddressError),
    /// There is no key to sign authorization codes with.
    #[error("no key can be made that signs authorization codes")]
    SigningKey(#[source] std::io::Error),
    /// What was kept can't be had, or nothing can be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
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
    administration: Administration,
    keys: KeyAdministration,
    access: Arc<Access>,
    authorization: Arc<Authorization>,
    chat: ChatRpc,
    chat_server: ChatServiceServer<ChatRpc>,
    routes: Routes,
    monitor: Arc<Monitor>,
    background: Background,
    stopping: Stopping,
    /// What [`Core::run`] takes over.
    to_run: Arc<Mutex<Option<ToRun>>>,
}

/// What the core's background has to do.
struct ToRun {
    /// The one who writes what is kept, already at work.
    writer: JoinSet<()>,
    /// Tells it that nothing more will come.
    closing: CancellationToken,
    /// Upstreams whose background is to be begun.
    begun: mpsc::Receiver<Arc<Entry>>,
}

impl Core {
    /// Makes a core, with what was kept of earlier ones; nothing is asked of an upstream yet.
    ///
    /// # Errors
    ///
    /// [`CoreError::Upstream`] and [`CoreError::Search`] where an address or proxy can't be used, [`CoreError::Store`] where the database
    /// can't.
    pub async fn new(config: Config, stopping: Stopping) -> Result<Self, CoreError> {
        let search = Arc::new(Search::new(&config)?);
        let (store, writer, mut loaded) = Store::open(&config.store).await?;
        let traces_kept = Arc::new(TraceReader::new(&config.store.file));
        let monitor = Monitor::new(config.runtime_count).exporting(config.telemetry.clone());
        monitor.restore(std::mem::take(&mut loaded.counts));
        let monitor = Arc::new(monitor);
        let closing = CancellationToken::new();
        let writer = at_work(writer, closing.clone());
        let kept = std::mem::take(&mut loaded.authorization);
        let authorization =
            Authorization::new(&config, store.clone(), kept, &mut loaded.meters).await?;
        let authorization = Arc::new(authorization);
        let registry = Arc::new(Registry::new(Routing::default()));
        let ring = Arc::new(KeyRing::default());
        let keys = KeyAdministration::new(
            Arc::clone(&ring),
            store.clone(),
            std::mem::take(&mut loaded.keys),
            &mut loaded.meters,
        );
        let admission = Arc::new(Admission::new(
            Arc::clone(&ring),
            Arc::clone(&authorization),
        ));
        let (administration, begun) =
            Administration::new(config.clone(), Arc::clone(&registry), store.clone(), loaded)
                .await?;
        let access = Arc::new(Access::new(&config.access, ring));
        let chats = Arc::new(Chats::new(
            &config,
            Arc::clone(&registry),
            Arc::clone(&search),
            Arc::clone(&monitor),
            &stopping.ending,
        ));
        let catalog = Arc::new(Catalog::new(Arc::clone(&registry)));

        // Protobuf has no escapes and shorter numbers than JSON, but names and lengths beside each value.
        let max_message_bytes = config
            .max_body_bytes
            .saturating_mul(2)
            .saturating_add(1 << 20);
        let (reporter, health_service) = tonic_health::server::health_reporter();
        let chat = ChatRpc {
            chats,
            admission: Arc::clone(&admission),
            sampler: config.telemetry.sampler,
            refusing: stopping.refusing.clone(),
            running: stopping.running.clone(),
        };
        let chat_server =
            ChatServiceServer::new(chat.clone()).max_decoding_message_size(max_message_bytes);
        let mut routes = Routes::builder();
        routes
            .add_service(chat_server.clone())
            .add_service(ModelServiceServer::new(ModelRpc {
                catalog,
                admission: Arc::clone(&admission),
            }))
            .add_service(SearchServiceServer::new(SearchRpc { search, admission }))
            .add_service(AccessServiceServer::new(AccessRpc {
                access: Arc::clone(&access),
                authorization: Arc::clone(&authorization),
            }))
            .add_service(AuthorizationServiceServer::new(AuthorizationRpc {
                authorization: Arc::clone(&authorization),
            }))
            .add_service(CookieServiceServer::new(CookieRpc {
                administration: administration.clone(),
            }))
            .add_service(UpstreamServiceServer::new(UpstreamRpc {
                administration: administration.clone(),
            }))
            .add_service(MonitorServiceServer::new(MonitorRpc {
                monitor: Arc::clone(&monitor),
                traces_kept,
                administration: administration.clone(),
                authorization: Arc::clone(&authorization),
                keys: keys.clone(),
                running: stopping.running.clone(),
                search: SearchInstances::of(&config.search),
                store: store.clone(),
                ending: stopping.ending.clone(),
            }))
            .add_service(KeyServiceServer::new(KeyRpc { keys: keys.clone() }))
            .add_service(TraceServiceServer::new(TraceRpc {
                sink: Arc::new(OfGateways(Arc::clone(&monitor))),
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
        let health = Health::new(
            reporter,
            Arc::clone(&registry),
            store.clone(),
            Arc::clone(&authorization),
            stopping.draining.clone(),
        );
        Ok(Self {
            registry,
            administration,
            keys,
            access,
            authorization,
            chat,
            chat_server,
            routes: routes.routes().prepare(),
            monitor,
            background: Background {
                store,
                health,
                ending: stopping.ending.clone(),
            },
            stopping,
            to_run: Arc::new(Mutex::new(Some(ToRun {
                writer,
                closing,
                begun,
            }))),
        })
    }

    /// Keeps model lists and health fresh, checks credentials and the authorization code, stores what becomes of them, and does what
    /// adapters leave to the background, until the core is told to end and all that is done. One task a process runs this.
    pub async fn run(&self) {
        let taken = self
            .to_run
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(mut to_run) = taken else { return };
        let mut upstreams = JoinSet::new();
        self.background.health.report().await;
        let monitoring = self
            .monitor
            .run(&self.background.store, &self.stopping.ending);
        tokio::pin!(monitoring);
        let keys = self.keys.clone();
        let ending = self.stopping.ending.clone();
        let mut meters = JoinSet::new();
        meters.spawn(async move { keys.run(ending).await });
        let mut is_draining = false;
        let mut store_is_well = self.background.store.is_well();
        let mut checks = pin!(self.authorization.run(&self.background.health));
        loop {
            tokio::select! {
                Some(entry) = to_run.begun.recv() => {
                    upstreams.spawn(entry.run(self.background.clone()));
                }
                Some(_) = upstreams.join_next() => {}
                Ok(()) = store_is_well.changed() => self.background.health.report().await,
                () = self.stopping.draining.cancelled(), if !is_draining => {
                    is_draining = true;
                    self.background.health.report().await;
                }
                () = &mut checks => {}
                () = &mut monitoring => break,
            }
        }
        // What was begun is still to be stored.
        self.administration.end().await;
        upstreams.join_all().await;
        meters.join_all().await;
        // Answers that were told to end are noted, and settle what they have used, when they have.
        self.stopping.running.close();
        let _ = tokio::time::timeout(LAST_WORDS, self.stopping.running.wait()).await;
        self.monitor.save(&self.background.store).await;
        self.keys.end().await;
        self.authorization.end().await;
        to_run.closing.cancel();
        to_run.writer.join_all().await;
    }

    /// Takes over what the configuration says now: upstreams, names of models, who is let in, and by what code this runs. All else stays
    /// as it was.
    ///
    /// # Errors
    ///
    /// [`CoreError`], where an upstream or an authority can't be used or the store can't; then nothing is changed.
    pub async fn reload(&self, config: &Config) -> Result<(), CoreError> {
        let setup = Setup {
            upstreams: config.upstreams.clone(),
            models: config.models.clone(),
            aliases: config.aliases.clone(),
        };
        let replacement = self.authorization.replacement(config)?;
        self.administration.reload(&setup).await?;
        self.authorization.replace(replacement).await;
        self.access.replace(&config.access);
        self.background.health.report().await;
        Ok(())
    }

    /// Asks every upstream for its models, unless they were asked just now, and tells what came.
    pub async fn overview(&self) -> Vec<UpstreamOverview> {
        let routing = self.registry.snapshot();
        let asked = routing.entries.iter().map(|entry| async {
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
            monitor: Arc::clone(&self.monitor) as Arc<dyn SpanSink>,
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

/// Has the writer at work, in a task that ends with the set.
fn at_work(writer: Writer, closing: CancellationToken) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(writer.run(closing));
    tasks
}
