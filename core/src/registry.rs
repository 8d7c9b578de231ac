//! The upstreams as the core holds them, and the names of their models: one snapshot, which is replaced as a whole.

mod background;
mod checks;
mod entry;

use std::{sync::Arc, time::Duration};

use arc_swap::{ArcSwap, Guard};
use futures_util::future::join_all;

pub(crate) use self::{
    background::{Background, LIST_INTERVAL},
    entry::{Entry, Owner, UsageReporting},
};
use crate::router::Names;

/// For how long those who ask first wait for lists that nobody has seen yet: a server that is there answers within it, and one that
/// is not must not hold up the models of the others.
const FIRST_LISTS_TIMEOUT: Duration = Duration::from_secs(2);

/// All upstreams, as of now.
#[derive(Debug)]
pub(crate) struct Registry {
    routing: ArcSwap<Routing>,
}

/// All upstreams, and the names of their models.
#[derive(Debug, Default)]
pub(crate) struct Routing {
    /// In the operator's order.
    pub(crate) entries: Vec<Arc<Entry>>,
    /// Names beside those that the upstreams list.
    pub(crate) names: Names,
}

impl Registry {
    pub(crate) fn new(routing: Routing) -> Self {
        Self {
            routing: ArcSwap::from_pointee(routing),
        }
    }

    /// A registry over adapters of the caller's own, one for each configured upstream, whose credentials are the configured ones.
    pub(crate) fn with_adapters(
        config: &crate::config::Config,
        adapters: Vec<Box<dyn crate::upstream::Upstream>>,
    ) -> Self {
        use crate::pool::{CredentialId, CredentialSource, Member, NewCredential};
        use crate::upstream::Credential;

        let entries = config.upstreams.iter().zip(adapters);
        let entry = |(upstream, adapter): (&crate::config::UpstreamConfig, _)| {
            let added = upstream.added_cookies.iter();
            let added = added.map(|cookie| Credential::of_cookie(upstream.kind, cookie));
            let all = upstream.credentials(upstream.kind).chain(added);
            let credentials = all.map(|credential| {
                let mut credential = NewCredential::unknown(Member {
                    id: CredentialId::new(),
                    credential,
                    source: CredentialSource::Config,
                });
                // Not to be checked before something is held against it.
                credential.standing.proof = crate::pool::Proof::NotVerifiable;
                credential
            });
            let credentials = credentials.collect();
            Arc::new(Entry::new(
                upstream,
                Owner::Config,
                config,
                adapter,
                credentials,
                None,
            ))
        };
        Self::new(Routing {
            entries: entries.map(entry).collect(),
            names: Names {
                models: config.models.clone(),
                aliases: config.aliases.clone(),
            },
        })
    }

    /// A registry of the configured upstreams.
    pub(crate) fn of_config(config: &crate::config::Config) -> Self {
        let adapters = config
            .upstreams
            .iter()
            .map(|upstream| crate::upstream::connect(upstream, config).expect("a valid address"));
        Self::with_adapters(config, adapters.collect())
    }

    /// The upstreams as of now. Not to be held for long.
    pub(crate) fn routing(&self) -> Guard<Arc<Routing>> {
        self.routing.load()
    }

    /// The upstreams as of now, for longer.
    pub(crate) fn snapshot(&self) -> Arc<Routing> {
        self.routing.load_full()
    }

    /// Replaces the upstreams. Requests that have begun go on with those that were.
    pub(crate) fn replace(&self, routing: Routing) {
        self.routing.store(Arc::new(routing));
    }

    /// Waits until every upstream has been asked for its models once, at most for a moment: right after the start nothing is known.
    pub(crate) async fn first_lists(&self) {
        let routing = self.snapshot();
        let untried = routing
            .entries
            .iter()
            .filter(|entry| entry.model_list.is_untried());
        // Whoever asked meanwhile is not asked again.
        let asked = join_all(untried.map(|entry| entry.refresh_models(Duration::MAX)));
        // Who took longer is asked on by the task that keeps the lists fresh.
        let _ = tokio::time::timeout(FIRST_LISTS_TIMEOUT, asked).await;
    }
}

impl Routing {
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Entry>> {
        self.entries.iter().find(|entry| entry.name() == name)
    }
}
