//! Making, changing and removing keys.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use llm2api_proto::{ContractError, v1::ErrorReason};
use secrecy::SecretString;
use tokio::{sync::Mutex, time::MissedTickBehavior};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{ClientKey, KeyId, KeyRing, KeySettings, error, secret::NewSecret};
use crate::{
    limits::{Gauge, Grant, Limits, Moment, SavedMeter},
    store::{Store, StoreError, StoredKey},
};

/// Keys that there may be: all are in memory, and each change copies the list of them.
const MAX_KEYS: usize = 100_000;
/// How often it is stored what was counted; after a crash that much is lost.
const METER_INTERVAL: Duration = Duration::from_secs(5);

/// Makes, changes and removes keys. What is acknowledged has been stored, and holds at once. Cheap to clone.
#[derive(Clone)]
pub(crate) struct KeyAdministration {
    shared: Arc<Shared>,
    /// Has each change that is under way, so that the end waits for it.
    changes: TaskTracker,
}

struct Shared {
    ring: Arc<KeyRing>,
    store: Store,
    /// Held while keys are changed: each change begins with what the last one has left.
    changing: Mutex<()>,
}

/// A key with its value, which is told once.
pub(crate) struct NewKey {
    /// The key.
    pub(crate) key: Arc<ClientKey>,
    /// Its value.
    pub(crate) secret: SecretString,
}

/// What is to be another of a key; what is `None` stays as it is.
#[derive(Debug, Default)]
pub(crate) struct KeyChanges {
    pub(crate) label: Option<String>,
    pub(crate) expires_at: Option<Option<SystemTime>>,
    pub(crate) networks: Option<Vec<ipnet::IpNet>>,
    pub(crate) may_introspect: Option<bool>,
    pub(crate) models: Option<Option<Vec<String>>>,
    pub(crate) web_search: Option<bool>,
    pub(crate) requests_per_minute: Option<Option<u64>>,
    pub(crate) tokens_per_day: Option<Option<u64>>,
    pub(crate) tokens_total: Option<Option<u64>>,
}

impl KeyAdministration {
    /// Puts the keys on the ring that were stored.
    pub(crate) fn new(
        ring: Arc<KeyRing>,
        store: Store,
        stored: Vec<StoredKey>,
        meters: &mut HashMap<String, SavedMeter>,
    ) -> Self {
        let now = Moment::now();
        ring.replace(stored.into_iter().map(|stored| {
            let meter = meters.remove(&stored.meter_name()).unwrap_or_default();
            let gauge = Arc::new(Gauge::restored(&meter, now));
            Arc::new(stored.into_key(gauge))
        }));
        Self {
            shared: Arc::new(Shared {
                ring,
                store,
                changing: Mutex::default(),
            }),
            changes: TaskTracker::new(),
        }
    }

    /// All keys.
    pub(crate) fn ring(&self) -> &KeyRing {
        &self.shared.ring
    }

    /// Makes a key.
    ///
    /// # Errors
    ///
    /// Where it can't be stored.
    pub(crate) async fn create(
        &self,
        settings: KeySettings,
        grant: Grant,
    ) -> Result<NewKey, ContractError> {
        self.do_surely(|shared| async move {
            let _changing = shared.changing.lock().await;
            let all = shared.ring.all();
            if all.len() >= MAX_KEYS {
                return Err(ContractError::new(
                    ErrorReason::InvalidRequest,
                    format!("There are {MAX_KEYS} keys, which is the most; revoke some first."),
                ));
            }
            let NewSecret {
                value,
                hash,
                preview,
            } = NewSecret::make().map_err(error::no_randomness)?;
            let created_at = SystemTime::now();
            let key = ClientKey {
                id: KeyId::after(all.last().map(|key| key.id), created_at),
                hash,
                preview,
                created_at,
                settings,
                holder: ClientKey::holder(grant, Arc::default()),
            };
            let key = shared.put(key).await?;
            Ok(NewKey { key, secret: value })
        })
        .await
    }

    /// Changes a key.
    ///
    /// # Errors
    ///
    /// `KEY_NOT_FOUND`, or where it can't be stored.
    pub(crate) async fn update(
        &self,
        id: KeyId,
        changes: KeyChanges,
    ) -> Result<Arc<ClientKey>, ContractError> {
        self.do_surely(move |shared| async move {
            let _changing = shared.changing.lock().await;
            let before = shared.find(id)?;
            shared.put(changes.made_to(&before)).await
        })
        .await
    }

    /// Gives a key another value.
    ///
    /// # Errors
    ///
    /// `KEY_NOT_FOUND`, or where it can't be stored.
    pub(crate) async fn rotate(&self, id: KeyId) -> Result<NewKey, ContractError> {
        self.do_surely(move |shared| async move {
            let _changing = shared.changing.lock().await;
            let before = shared.find(id)?;
            let NewSecret {
                value,
                hash,
                preview,
            } = NewSecret::make().map_err(error::no_randomness)?;
            let key = ClientKey {
                hash,
                preview,
                ..KeyChanges::default().made_to(&before)
            };
            let key = shared.put(key).await?;
            Ok(NewKey { key, secret: value })
        })
        .await
    }

    /// Removes a key.
    ///
    /// # Errors
    ///
    /// `KEY_NOT_FOUND`, or where that can't be stored.
    pub(crate) async fn delete(&self, id: KeyId) -> Result<(), ContractError> {
        self.do_surely(move |shared| async move {
            let _changing = shared.changing.lock().await;
            shared.find(id)?;
            let removed = shared.store.remove_key(id).await;
            removed.map_err(|error| error::not_stored(&error))?;
            let all = shared.ring.all().into_iter();
            shared.ring.replace(all.filter(|key| key.id != id));
            Ok(())
        })
        .await
    }

    /// Stores what is counted, from time to time, until `ending` is cancelled.
    pub(crate) async fn run(&self, ending: CancellationToken) {
        let mut due = tokio::time::interval(METER_INTERVAL);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_failing = false;
        loop {
            tokio::select! {
                _ = due.tick() => {}
                () = ending.cancelled() => break,
            }
            match self.shared.store_meters().await {
                Ok(()) => is_failing = false,
                Err(error) if !std::mem::replace(&mut is_failing, true) => {
                    tracing::error!(%error, "what client keys have used can't be stored now");
                }
                Err(_) => {}
            }
        }
    }

    /// Waits until no change is under way any more, and stores what was counted for the last time.
    pub(crate) async fn end(&self) {
        self.changes.close();
        self.changes.wait().await;
        if let Err(error) = self.shared.store_meters().await {
            tracing::error!(%error, "what client keys have used could not be stored");
        }
    }

    /// Does a change to its end, though whoever asked for it leaves.
    async fn do_surely<T, F>(
        &self,
        change: impl FnOnce(Arc<Shared>) -> F,
    ) -> Result<T, ContractError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ContractError>> + Send + 'static,
    {
        if self.changes.is_closed() {
            return Err(crate::chat::shutting_down());
        }
        match self.changes.spawn(change(Arc::clone(&self.shared))).await {
            Ok(result) => result,
            Err(_panic) => Err(error::internal()),
        }
    }
}

impl Shared {
    fn find(&self, id: KeyId) -> Result<Arc<ClientKey>, ContractError> {
        self.ring
            .of_id(id)
            .ok_or_else(|| error::no_key(&id.to_string()))
    }

    /// Stores a key, and puts it on the ring, in the place of the one of its name.
    async fn put(&self, key: ClientKey) -> Result<Arc<ClientKey>, ContractError> {
        let stored = self.store.put_key(&key).await;
        stored.map_err(|error| error::not_stored(&error))?;
        let key = Arc::new(key);
        let others = self.ring.all().into_iter();
        let others = others.filter(|other| other.id != key.id);
        self.ring.replace(others.chain([Arc::clone(&key)]));
        Ok(key)
    }

    async fn store_meters(&self) -> Result<(), StoreError> {
        let now = Moment::now();
        let mut changed = Vec::new();
        let mut meters = Vec::new();
        for key in self.ring.all() {
            if let Some(meter) = key.holder.gauge.take_changes(now) {
                meters.push((key.id.to_string(), meter));
                changed.push(key);
            }
        }
        if meters.is_empty() {
            return Ok(());
        }
        let saved = self.store.save_meters(meters).await;
        if saved.is_err() {
            changed.iter().for_each(|key| key.holder.gauge.put_back());
        }
        saved
    }
}

impl KeyChanges {
    /// The key with these changes; its value and what it counts stay the same.
    fn made_to(self, before: &ClientKey) -> ClientKey {
        let KeySettings {
            label,
            expires_at,
            networks,
            may_introspect,
        } = before.settings.clone();
        let Grant {
            limits,
            models,
            web_search,
        } = before.holder.grant.clone();
        let grant = Grant {
            limits: Limits {
                requests_per_minute: self
                    .requests_per_minute
                    .unwrap_or(limits.requests_per_minute),
                tokens_per_day: self.tokens_per_day.unwrap_or(limits.tokens_per_day),
                tokens_total: self.tokens_total.unwrap_or(limits.tokens_total),
            },
            models: self.models.unwrap_or(models),
            web_search: self.web_search.unwrap_or(web_search),
        };
        ClientKey {
            id: before.id,
            hash: before.hash,
            preview: before.preview.clone(),
            created_at: before.created_at,
            settings: KeySettings {
                label: self.label.unwrap_or(label),
                expires_at: self.expires_at.unwrap_or(expires_at),
                networks: self.networks.unwrap_or(networks),
                may_introspect: self.may_introspect.unwrap_or(may_introspect),
            },
            holder: ClientKey::holder(grant, Arc::clone(&before.holder.gauge)),
        }
    }
}
