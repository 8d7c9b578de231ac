//! Setting up the upstreams that the configuration names, at the start and whenever it has changed.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use super::{Administration, Shared, credentials};
use crate::{
    config::UpstreamConfig,
    core::CoreError,
    pool::NewCredential,
    registry::{Entry, Owner, Routing},
    router::Names,
    upstream::Upstream,
};

/// What of the configuration can change while the core runs.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// The upstreams, in the operator's order.
    pub(crate) upstreams: Vec<UpstreamConfig>,
    /// Names of the operator's own, each with its targets.
    pub(crate) models: BTreeMap<String, Vec<String>>,
    /// Other names for models.
    pub(crate) aliases: BTreeMap<String, String>,
}

/// What is to be done for an upstream to be there as it is wanted.
enum Step<'a> {
    /// It is, but for its credentials.
    GoOn(&'a Arc<Entry>),
    /// It is to be made, with this adapter.
    Make(Box<dyn Upstream>),
}

impl Administration {
    /// Takes over what the configuration says now. Upstreams that it doesn't change stay as they are, with all that is known of them.
    ///
    /// # Errors
    ///
    /// [`CoreError`], where an upstream can't be used or the store can't; then the upstreams are those that were.
    pub(crate) async fn reload(&self, setup: &Setup) -> Result<(), CoreError> {
        self.shared.set_up(setup).await
    }
}

impl Shared {
    pub(super) async fn set_up(&self, setup: &Setup) -> Result<(), CoreError> {
        let _changing = self.changing.write().await;
        let before = self.registry.snapshot();
        let added = self.added_beside(setup);
        let wanted: Vec<(&UpstreamConfig, Owner)> = setup
            .upstreams
            .iter()
            .map(|upstream| (upstream, Owner::Config))
            .chain(added.iter().map(|upstream| (upstream, Owner::User)))
            .collect();
        // What can't be used must be found out before anything is changed.
        let steps = wanted
            .iter()
            .map(|(upstream, owner)| self.step(upstream, *owner, &before))
            .collect::<Result<Vec<_>, CoreError>>()?;
        let mut entries = Vec::with_capacity(wanted.len());
        for ((upstream, owner), step) in wanted.into_iter().zip(steps) {
            let entry = match step {
                Step::GoOn(entry) => {
                    let kept = entry.pool.to_store();
                    let kind = entry.adapter.kind();
                    let now = credentials::of_upstream(&self.store, upstream, kind, kept).await?;
                    replace_credentials(entry, now);
                    Arc::clone(entry)
                }
                Step::Make(adapter) => {
                    let same = before.named(&upstream.name);
                    self.make_again(upstream, owner, adapter, same).await?
                }
            };
            entries.push(entry);
        }
        let names = Names {
            models: setup.models.clone(),
            aliases: setup.aliases.clone(),
        };
        let gone = before
            .entries
            .iter()
            .filter(|entry| !entries.iter().any(|other| other.name() == entry.name()));
        gone.for_each(|entry| self.keep_absent(entry));
        self.replace(entries, names).await;
        Ok(())
    }

    /// What is to be done for an upstream to be there as it is wanted.
    fn step<'a>(
        &self,
        upstream: &UpstreamConfig,
        owner: Owner,
        before: &'a Routing,
    ) -> Result<Step<'a>, CoreError> {
        let same = before.named(&upstream.name);
        match same.filter(|entry| entry.owner == owner && entry.config.is_set_up_like(upstream)) {
            Some(entry) => Ok(Step::GoOn(entry)),
            None => self.connect(upstream).map(Step::Make),
        }
    }

    /// Makes an upstream, with all that is known of the one of this name that was there before.
    pub(super) async fn make_again(
        &self,
        upstream: &UpstreamConfig,
        owner: Owner,
        adapter: Box<dyn Upstream>,
        before: Option<&Arc<Entry>>,
    ) -> Result<Arc<Entry>, CoreError> {
        let (kept, models) = match before {
            Some(entry) => {
                let is_same_place = entry.config.url == upstream.url;
                let known = entry.model_list.known();
                let models = known.models().filter(|_| is_same_place).map(<[_]>::to_vec);
                (entry.pool.to_store(), models)
            }
            None => {
                let absent = self.absent();
                (
                    absent
                        .credentials
                        .get(&upstream.name)
                        .cloned()
                        .unwrap_or_default(),
                    absent.models.get(&upstream.name).cloned(),
                )
            }
        };
        let entry = self.make(upstream, owner, adapter, kept, models).await?;
        let mut absent = self.absent();
        absent.credentials.remove(&upstream.name);
        absent.models.remove(&upstream.name);
        Ok(entry)
    }

    /// Remembers what is kept of an upstream that leaves.
    fn keep_absent(&self, entry: &Entry) {
        let mut absent = self.absent();
        let name = entry.name().to_owned();
        if let Some(models) = entry.model_list.known().models() {
            absent.models.insert(name.clone(), models.to_vec());
        }
        absent.credentials.insert(name, entry.pool.to_store());
    }

    /// The upstreams that somebody added, but for those whose name the configuration has taken.
    fn added_beside(&self, setup: &Setup) -> Vec<UpstreamConfig> {
        let taken: HashSet<&str> = setup
            .upstreams
            .iter()
            .map(|upstream| upstream.name.as_str())
            .collect();
        let absent = self.absent();
        let is_free = |upstream: &&UpstreamConfig| !taken.contains(upstream.name.as_str());
        absent.added.iter().filter(is_free).cloned().collect()
    }
}

/// Has an upstream go on with these credentials; those that it had already are as they were.
fn replace_credentials(entry: &Entry, credentials: Vec<NewCredential>) {
    let wanted: HashSet<_> = credentials.iter().map(|new| new.member.id).collect();
    for stored in entry.pool.to_store() {
        if !wanted.contains(&stored.id) {
            entry.pool.remove(stored.id);
        }
    }
    entry.pool.add(credentials);
}
