//! What operators do while the core runs: credentials and upstreams come, change and go.
//!
//! The one place that changes the [`Registry`]. What is acknowledged has been stored; what is stored is there at once. A change that
//! was begun is done to its end, though whoever asked for it has left.

mod cookies;
mod credentials;
mod error;
mod reload;
mod settings;
mod upstreams;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use llm2api_proto::ContractError;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

pub(crate) use self::{
    cookies::{CookieFilter, OfUpstream},
    reload::Setup,
    settings::shown as shown_settings,
};
use crate::{
    config::{Config, UpstreamConfig},
    core::CoreError,
    registry::{Entry, Owner, Registry, Routing},
    router::Names,
    store::{Loaded, Store, StoredConversation, StoredCredential, StoredModels},
    upstream::{self, Journal, ListedModel, Upstream},
};

/// Upstreams whose background may wait to be begun, beside those of the start, for which nobody is there yet to take them.
const MAX_BEGUN: usize = 64;

/// What operators do while the core runs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Administration {
    shared: Arc<Shared>,
    /// Has each change that is under way, so that the end waits for it.
    changes: TaskTracker,
}

struct Shared {
    config: Config,
    registry: Arc<Registry>,
    store: Store,
    /// What is kept of upstreams that are not there now.
    absent: Mutex<Absent>,
    /// Held for writing while upstreams are changed, for reading while one's credentials are.
    changing: tokio::sync::RwLock<()>,
    /// Takes the upstreams whose background is to be begun.
    begun: mpsc::Sender<Arc<Entry>>,
}

/// What is kept of upstreams that are not there now, by name.
#[derive(Default)]
struct Absent {
    credentials: HashMap<String, Vec<StoredCredential>>,
    models: HashMap<String, Vec<ListedModel>>,
    /// Conversations that an earlier process has left there.
    conversations: HashMap<String, Vec<StoredConversation>>,
    /// Upstreams that somebody added, in the order in which that was done.
    added: Vec<UpstreamConfig>,
}

impl Absent {
    fn knows(&self, name: &str) -> bool {
        self.credentials.contains_key(name)
            || self.models.contains_key(name)
            || self.added.iter().any(|upstream| upstream.name == name)
    }

    fn forget(&mut self, name: &str) {
        self.credentials.remove(name);
        self.models.remove(name);
        self.conversations.remove(name);
        self.added.retain(|upstream| upstream.name != name);
    }
}

impl Administration {
    /// Sets up what the configuration says and what was stored. Returns also what takes the upstreams whose background is to be begun.
    ///
    /// # Errors
    ///
    /// [`CoreError`], where an upstream can't be used, or the store can't.
    pub(crate) async fn new(
        config: Config,
        registry: Arc<Registry>,
        store: Store,
        loaded: Loaded,
    ) -> Result<(Self, mpsc::Receiver<Arc<Entry>>), CoreError> {
        let mut absent = Absent::default();
        for credential in loaded.credentials {
            let of_upstream = absent.credentials.entry(credential.upstream.clone());
            of_upstream.or_default().push(credential);
        }
        for StoredModels { upstream, models } in loaded.models {
            absent.models.insert(upstream, models);
        }
        for conversation in loaded.conversations {
            let upstream = conversation.upstream.clone();
            let of_upstream = absent.conversations.entry(upstream);
            of_upstream.or_default().push(conversation);
        }
        for stored in &loaded.upstreams {
            match settings::from_stored(stored) {
                Some(upstream) => absent.added.push(upstream),
                None => {
                    let upstream = &stored.name;
                    tracing::error!(
                        upstream,
                        "an upstream is stored in a form that is not known here; it is left out"
                    );
                }
            }
        }
        let setup = Setup {
            upstreams: config.upstreams.clone(),
            models: config.models.clone(),
            aliases: config.aliases.clone(),
        };
        let first_count = setup.upstreams.len() + absent.added.len();
        let (begun, to_begin) = mpsc::channel(first_count + MAX_BEGUN);
        let administration = Self {
            shared: Arc::new(Shared {
                config,
                registry,
                store,
                absent: Mutex::new(absent),
                changing: tokio::sync::RwLock::default(),
                begun,
            }),
            changes: TaskTracker::new(),
        };
        administration.shared.set_up(&setup).await?;
        Ok((administration, to_begin))
    }

    /// Waits until no change is under way any more. None is begun after.
    pub(crate) async fn end(&self) {
        self.changes.close();
        self.changes.wait().await;
    }

    /// Does a change to its end, though whoever asked for it leaves.
    async fn do_surely<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, ContractError>> + Send + 'static,
    ) -> Result<T, ContractError> {
        if self.changes.is_closed() {
            return Err(crate::chat::shutting_down());
        }
        match self.changes.spawn(change).await {
            Ok(result) => result,
            Err(_panic) => Err(error::internal()),
        }
    }
}

impl Shared {
    fn absent(&self) -> MutexGuard<'_, Absent> {
        // A panic elsewhere leaves nothing half done.
        self.absent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the adapter of an upstream; nothing is asked yet.
    fn connect(&self, upstream: &UpstreamConfig) -> Result<Box<dyn Upstream>, CoreError> {
        upstream::connect(upstream, &self.config).map_err(|source| CoreError::Upstream {
            name: upstream.name.clone(),
            source,
        })
    }

    /// Makes an upstream with the credentials that are kept of it and those that the configuration gives.
    async fn make(
        &self,
        upstream: &UpstreamConfig,
        owner: Owner,
        adapter: Box<dyn Upstream>,
        kept: Vec<StoredCredential>,
        models: Option<Vec<ListedModel>>,
    ) -> Result<Arc<Entry>, CoreError> {
        let credentials =
            credentials::of_upstream(&self.store, upstream, adapter.kind(), kept).await?;
        let left = self.absent().conversations.remove(&upstream.name);
        let journal = Journal::new(self.store.clone(), &upstream.name);
        adapter.keep_in(journal, left.unwrap_or_default());
        Ok(Arc::new(Entry::new(
            upstream,
            owner,
            &self.config,
            adapter,
            credentials,
            models,
        )))
    }

    /// Replaces the upstreams, and begins the background of those that are new.
    async fn replace(&self, entries: Vec<Arc<Entry>>, names: Names) {
        let before = self.registry.snapshot();
        let is_in = |entries: &[Arc<Entry>], entry: &Arc<Entry>| {
            entries.iter().any(|other| Arc::ptr_eq(other, entry))
        };
        self.registry.replace(Routing {
            entries: entries.clone(),
            names,
        });
        for entry in before
            .entries
            .iter()
            .filter(|entry| !is_in(&entries, entry))
        {
            entry.retired.cancel();
        }
        for entry in entries
            .into_iter()
            .filter(|entry| !is_in(&before.entries, entry))
        {
            // Nobody takes them only where the process ends.
            let _ = self.begun.send(entry).await;
        }
    }
}
