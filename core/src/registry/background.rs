//! What is done for an upstream though nobody asks it anything: its model list and its credentials are kept fresh and stored.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::Entry;
use crate::{
    health::Health,
    pool::Changes,
    store::{Store, StoreError, StoredModels},
};

/// How often a model list is asked for.
pub(crate) const LIST_INTERVAL: Duration = Duration::from_secs(180);
/// After how long a list that could not be had is asked for again, at first; doubling.
const FIRST_LIST_RETRY: Duration = Duration::from_secs(1);
/// The longest that a list which could not be had is waited for: an upstream that has come back is soon seen.
const MAX_LIST_RETRY: Duration = Duration::from_secs(15);
/// A list that young needs no asking: whoever came first after the start has had it.
const JUST_NOW: Duration = Duration::from_millis(500);
/// How often it is stored what was done with credentials; after a crash that much is lost.
const USAGE_INTERVAL: Duration = Duration::from_secs(5);
/// After how long it is tried again to store what could not be.
const STORE_RETRY: Duration = Duration::from_secs(5);
/// How long an adapter may take for what is left when all answers have ended: to stop and delete conversations.
const LAST_WORK: Duration = Duration::from_secs(4);

/// What the background of an upstream needs.
#[derive(Clone)]
pub(crate) struct Background {
    pub(crate) store: Store,
    pub(crate) health: Health,
    /// Cancelled when the process ends.
    pub(crate) ending: CancellationToken,
}

impl Entry {
    /// Works until the process ends or the upstream is gone, and what was begun for it is done and stored.
    pub(crate) async fn run(self: Arc<Self>, background: Background) {
        let stopping = self.retired.child_token();
        let adapter = self.adapter.run(stopping.clone());
        let work = async {
            tokio::join!(
                self.keep_fresh(&background),
                self.keep_checked(),
                self.keep_stored(&background.store),
            )
        };
        tokio::pin!(adapter, work);
        let mut is_done = false;
        loop {
            tokio::select! {
                _ = &mut work => {}
                () = &mut adapter, if !is_done => is_done = true,
                () = self.retired.cancelled() => break,
                () = background.ending.cancelled() => break,
            }
        }
        if !is_done && !background.ending.is_cancelled() {
            // Running answers go on for as long as they take.
            tokio::select! {
                () = &mut adapter => is_done = true,
                () = background.ending.cancelled() => {}
            }
        }
        stopping.cancel();
        if !is_done && tokio::time::timeout(LAST_WORK, adapter).await.is_err() {
            let upstream = self.name();
            tracing::warn!(upstream, "some work of the background did not end in time");
        }
        let changes = self.pool.take_changes(true);
        if let Err(error) = store_changes(&background.store, self.name(), &changes).await {
            let upstream = self.name();
            tracing::error!(upstream, %error, "what was done with credentials could not be stored");
        }
    }

    async fn keep_fresh(&self, background: &Background) {
        let mut retry_after = FIRST_LIST_RETRY;
        let mut stored = self.model_list.known().models().map(<[_]>::to_vec);
        loop {
            self.refresh_models(JUST_NOW).await;
            background.health.report().await;
            if let Some(models) = self.model_list.news(stored.as_deref()) {
                self.store_models(&background.store, &models).await;
                stored = Some(models);
            }
            let wait = if self.model_list.known().failure.is_none() {
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

    async fn store_models(&self, store: &Store, models: &[crate::upstream::ListedModel]) {
        let stored = StoredModels {
            upstream: self.name().to_owned(),
            models: models.to_vec(),
        };
        if let Err(error) = store.save_models(stored).await {
            let upstream = self.name();
            tracing::error!(upstream, %error, "the list of models could not be stored");
        }
    }

    /// Stores what becomes of the credentials: how they stand at once, what was done with them from time to time.
    async fn keep_stored(&self, store: &Store) {
        let mut usage_is_due = tokio::time::interval(USAGE_INTERVAL);
        usage_is_due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut is_failing = false;
        loop {
            let usages = tokio::select! {
                () = self.pool.changed() => false,
                _ = usage_is_due.tick() => true,
            };
            let changes = self.pool.take_changes(usages);
            let Err(error) = store_changes(store, self.name(), &changes).await else {
                is_failing = false;
                continue;
            };
            self.pool.put_back(&changes);
            if !std::mem::replace(&mut is_failing, true) {
                let upstream = self.name();
                tracing::error!(upstream, %error, "what becomes of credentials can't be stored now");
            }
            tokio::time::sleep(STORE_RETRY).await;
        }
    }
}

async fn store_changes(store: &Store, upstream: &str, changes: &Changes) -> Result<(), StoreError> {
    if !changes.standings.is_empty() {
        store.save_standings(changes.standings.clone()).await?;
    }
    for (id, credential) in &changes.renewed {
        store.replace_secret(*id, upstream, credential).await?;
    }
    if !changes.usages.is_empty() {
        store.save_usage(changes.usages.clone()).await?;
    }
    Ok(())
}
