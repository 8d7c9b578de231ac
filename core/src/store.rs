//! What must survive: credentials, upstreams that somebody added, model lists, client keys and what is counted of them, authorization
//! codes, and conversations that are still to be deleted.
//!
//! One SQLite database, one [`Writer`] that owns the connection, and any number of [`Store`]s that hand it what is to be changed and
//! are told when it is done. All is read once, at the start. What is secret is sealed before it is handed over, under a key that
//! doesn't lie in the database; nothing of it is in clear in any file.

mod authorization;
mod change;
mod client_keys;
mod counts;
mod credential_form;
mod database;
mod error;
mod fingerprint;
mod loading;
pub mod maintenance;
mod model_list_form;
mod private_file;
mod records;
mod sealing;
mod secret_key;
mod standing_columns;
mod time;
mod traces;
mod unlocking;
mod writer;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use opentelemetry::trace::TraceId;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot, watch};

use self::{
    change::{Change, NewCredential, StandingOf, UsageOf},
    fingerprint::FingerprintKey,
    sealing::{Record, Sealer},
    time::to_micros,
    unlocking::Unlocked,
    writer::Job,
};
pub(crate) use self::{
    client_keys::StoredKey,
    fingerprint::Fingerprint,
    records::{
        CredentialUsage, StoredAuthorization, StoredCode, StoredConversation, StoredCredential,
        StoredModels, StoredUpstream,
    },
    traces::{StoredTrace, TraceFilter, TraceReader},
    writer::Writer,
};
pub use self::{error::StoreError, secret_key::SecretKey};
use crate::{
    config::StoreConfig,
    limits::SavedMeter,
    monitor::{KeptCounts, KeptTrace},
    pool::{CredentialId, SavedStanding},
    upstream::Credential,
};

/// Changes that may wait for the writer: some of its batches. Whoever has more waits at the door.
const QUEUE: usize = 256;

/// Where changes are handed in. Cheap to clone; may be used from any runtime.
///
/// Many changes that are awaited together share one wait for the disk.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    durable: mpsc::Sender<Job>,
    quick: mpsc::Sender<Job>,
    is_well: watch::Receiver<bool>,
    errors: Arc<AtomicU64>,
    sealer: Sealer,
    fingerprint_key: FingerprintKey,
}

/// All that was kept, each in the order in which it was added.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// The upstreams that somebody added.
    pub(crate) upstreams: Vec<StoredUpstream>,
    /// The credentials, of whichever upstreams.
    pub(crate) credentials: Vec<StoredCredential>,
    /// What upstreams listed last.
    pub(crate) models: Vec<StoredModels>,
    /// What is still to be deleted.
    pub(crate) conversations: Vec<StoredConversation>,
    /// What was counted.
    pub(crate) counts: Vec<KeptCounts>,
    /// What belongs to authorization codes.
    pub(crate) authorization: StoredAuthorization,
    /// The keys with which clients are let in.
    pub(crate) keys: Vec<StoredKey>,
    /// What was counted of whoever has limits, by its name.
    pub(crate) meters: HashMap<String, SavedMeter>,
}

/// Who adds a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Adding {
    /// Somebody, now: what was removed before comes back.
    ByHand,
    /// The configuration, which decides alone.
    Configured,
    /// A setting that is read at each start: what was removed by hand stays removed.
    UnlessRemoved,
}

/// What an addition came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    /// It is there now.
    New,
    /// It was there before, under this name, and is unchanged.
    There(CredentialId),
    /// It was removed by hand, and is not there.
    WasRemoved,
}

impl Store {
    /// Opens the database, and makes it where there is none, with its key; reads all that is in it.
    ///
    /// # Errors
    ///
    /// Whatever stands against it; then nothing that was kept has been changed.
    pub(crate) async fn open(config: &StoreConfig) -> Result<(Self, Writer, Loaded), StoreError> {
        let file = config.file.as_path();
        let mut connection = database::open(file).await?;
        let (unlocked, loaded) = match prepare(&mut connection, config).await {
            Ok(prepared) => prepared,
            Err(error) => {
                // Why it can't be used is told already.
                let _ = connection.close().await;
                return Err(error);
            }
        };
        let (durable, durable_jobs) = mpsc::channel(QUEUE);
        let (quick, quick_jobs) = mpsc::channel(QUEUE);
        let (tell_well, is_well) = watch::channel(true);
        let errors = Arc::<AtomicU64>::default();
        let writer = Writer {
            file: file.to_owned(),
            connection,
            durable: durable_jobs,
            quick: quick_jobs,
            is_well: tell_well,
            errors: Arc::clone(&errors),
        };
        let store = Self {
            durable,
            quick,
            is_well,
            errors,
            sealer: unlocked.sealer,
            fingerprint_key: unlocked.fingerprint_key,
        };
        Ok((store, writer, loaded))
    }

    /// Whether the last change could be made; what to wait at for another answer.
    pub(crate) fn is_well(&self) -> watch::Receiver<bool> {
        self.is_well.clone()
    }

    /// How many changes could not be made since the process began.
    pub(crate) fn error_count(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// What a credential is recognised by.
    pub(crate) fn fingerprint(&self, upstream: &str, credential: &Credential) -> Fingerprint {
        self.fingerprint_key.of(upstream, credential)
    }

    /// Adds a credential, unless it is there already. It is never anonymous.
    ///
    /// # Errors
    ///
    /// Where that can't be kept.
    pub(crate) async fn add_credential(
        &self,
        stored: StoredCredential,
        adding: Adding,
    ) -> Result<Added, StoreError> {
        debug_assert!(!stored.credential.is_anonymous());
        let of_secret = || self.fingerprint(&stored.upstream, &stored.credential);
        let fingerprint = stored.fingerprint.unwrap_or_else(of_secret);
        let id = stored.id.to_bits();
        let row = NewCredential {
            id,
            sealed: self.seal_credential(id, &stored.upstream, &stored.credential),
            fingerprint: fingerprint.bytes().to_vec(),
            upstream: stored.upstream,
            source: stored.source.as_str(),
            label: stored.label,
            is_disabled: stored.is_disabled,
            standing: stored.standing.into(),
            added_at: to_micros(stored.added_at),
            last_checked_at: stored.last_checked_at.map(to_micros),
            requests: to_count(stored.usage.requests),
            failures: to_count(stored.usage.failures),
            last_error: stored.usage.last_error,
            last_used_at: stored.usage.last_used_at.map(to_micros),
        };
        let change = Change::AddCredential(Box::new(row), adding);
        let added = ask(&self.durable, change).await?;
        Ok(added.unwrap_or(Added::New))
    }

    /// Saves what people decide of a credential.
    ///
    /// # Errors
    ///
    /// Where that can't be kept.
    pub(crate) async fn change_credential(
        &self,
        id: CredentialId,
        is_disabled: bool,
        label: String,
    ) -> Result<(), StoreError> {
        let change = Change::NoteDecision {
            id: id.to_bits(),
            is_disabled,
            label,
        };
        done(&self.durable, change).await
    }

    /// Removes a credential; with a tombstone it stays away though a setting names it.
    ///
    /// # Errors
    ///
    /// Where that can't be kept.
    pub(crate) async fn remove_credential(
        &self,
        id: CredentialId,
        leaves_tombstone: bool,
    ) -> Result<(), StoreError> {
        let change = Change::RemoveCredential {
            id: id.to_bits(),
            leaves_tombstone,
        };
        done(&self.durable, change).await
    }

    /// Replaces what lets us in, as an upstream renews its cookies. The credential is still recognised by what was added.
    ///
    /// # Errors
    ///
    /// Where that can't be kept.
    pub(crate) async fn replace_secret(
        &self,
        id: CredentialId,
        upstream: &str,
        credential: &Credential,
    ) -> Result<(), StoreError> {
        let id = id.to_bits();
        let change = Change::ReplaceSecret {
            id,
            upstream: upstream.to_owned(),
            sealed: self.seal_credential(id, upstream, credential),
        };
        done(&self.durable, change).await
    }

    /// Saves what upstreams think of credentials, and when these were last checked. Those that aren't there any more are passed over.
    ///
    /// # Errors
    ///
    /// Where that can't be kept.
    pub(crate) async fn save_standings(
        &self,
        standings: Vec<(CredentialId, SavedStanding, Option<SystemTime>)>,
    ) -> Result<(), StoreError> {
        let rows = standings
            .into_iter()
            .map(|(id, standing, last_checked_at)| StandingOf {
                id: id.to_bits(),
                standing: standing.into(),
                last_checked_at: last_checked_at.map(to_micros),
            });
        done(&self.durable, Change::SaveStandings(to_json(rows))).await
    }

    /// Saves what was done with credentials since they were added. Those that aren't there any more are passed over.
    ///
    /// # Errors
    ///
    /// Where that can't be kept.
    pub(crate) async fn save_usage(
        &self,
        usages: Vec<(CredentialId, CredentialUsage)>,
    ) -> Result<(), StoreError> {
        let rows = usages.into_iter().map(|(id, usage)| UsageOf {
            id: id.to_bits(),
            requests: to_count(usage.requests),
            failures: to_count(usage.failures),
            last_error: usage.last_error,
            last_used_at: usage.last_used_at.map(to_micros),
        });
        let change = Change::SaveUsage(to_json(rows));
        done(&self.quick, change).await
    }

    /// Saves an upstream that is new, or set up otherwise now.
    ///
    /// # Errors
    ///
    /// Where that can't be kept.
    pub(crate) async fn put_upstream(&self, stored: StoredUpstream) -> Result<(), StoreError> {
        let record = Record::Upstream { name: &stored.name };
        let change = Change::PutUpstream {
            sealed: self.sealer.seal(record, &stored.settings),
            name: stored.name,
        };
        done(&self.durable, change).await
    }

    /// Removes all that belongs to an upstream, and the upstream itself, if somebody added it.
    ///
    /// # Errors
    ///
    /// Where that can't be kept.
    pub(crate) async fn remove_upstream(&self, name: String) -> Result<(), StoreError> {
        done(&self.durable, Change::RemoveUpstream { name }).await
    }

    /// Saves what an upstream lists.
    ///
    /// # Errors
    ///
    /// Where that can't be kept.
    pub(crate) async fn save_models(&self, stored: StoredModels) -> Result<(), StoreError> {
        let change = Change::SaveModels {
            models_json: model_list_form::write(&stored.models),
            upstream: stored.upstream,
        };
        done(&self.quick, change).await
    }

    /// Saves that a conversation is to be deleted one day. Survives the process at once, a power cut a moment later.
    ///
    /// # Errors
    ///
    /// Where that can't be kept.
    pub(crate) async fn begin_conversation(
        &self,
        stored: StoredConversation,
    ) -> Result<(), StoreError> {
        let record = Record::Conversation {
            id: &stored.id,
            upstream: &stored.upstream,
        };
        let form = credential_form::write(&stored.credential);
        let change = Change::BeginConversation {
            sealed: self.sealer.seal(record, &form),
            upstream: stored.upstream,
            id: stored.id,
        };
        done(&self.quick, change).await
    }

    /// Forgets a conversation: it is deleted, or can't be.
    ///
    /// # Errors
    ///
    /// Where that can't be kept.
    pub(crate) async fn end_conversation(
        &self,
        upstream: String,
        id: String,
    ) -> Result<(), StoreError> {
        done(&self.quick, Change::EndConversation { upstream, id }).await
    }

    /// Saves what was counted.
    ///
    /// # Errors
    ///
    /// Where that can't be kept.
    pub(crate) async fn save_counts(&self, counts: Vec<KeptCounts>) -> Result<(), StoreError> {
        let change = Change::SaveCounts(to_json(counts.iter().map(counts::CountsOf::new)));
        done(&self.quick, change).await
    }

    /// Saves traces, and spans that complete those which are kept.
    ///
    /// # Errors
    ///
    /// Where that can't be kept.
    pub(crate) async fn save_traces(
        &self,
        traces: Vec<KeptTrace>,
        late_spans: Vec<(TraceId, String)>,
    ) -> Result<(), StoreError> {
        done(&self.quick, Change::SaveTraces { traces, late_spans }).await
    }

    fn seal_credential(&self, id: i64, upstream: &str, credential: &Credential) -> Vec<u8> {
        let form = credential_form::write(credential);
        self.sealer.seal(Record::Credential { id, upstream }, &form)
    }
}

/// Brings an open database to this version, finds its key, and reads all that is in it.
async fn prepare(
    connection: &mut SqliteConnection,
    config: &StoreConfig,
) -> Result<(Unlocked, Loaded), StoreError> {
    let file = config.file.as_path();
    database::look_at(connection, file).await?;
    let version = database::version(connection, file).await?;
    // A wrong key must be seen before anything is changed.
    let unlocked = unlocking::unlock(connection, file, version, &config.secret_key).await?;
    database::migrate(connection, file, version).await?;
    let unlocked = match unlocked {
        Some(unlocked) => unlocked,
        None => unlocking::lock(connection, file, &config.secret_key).await?,
    };
    unlocking::settle(&config.secret_key, unlocked.is_pending)?;
    let loaded = loading::load(connection, file, &unlocked.sealer).await?;
    Ok((unlocked, loaded))
}

/// Hands a change in and waits until it is made. What an addition came to.
async fn ask(queue: &mpsc::Sender<Job>, change: Change) -> Result<Option<Added>, StoreError> {
    let (done, made) = oneshot::channel();
    let job = Job { change, done };
    queue.send(job).await.map_err(|_| StoreError::Closed)?;
    made.await.map_err(|_| StoreError::Closed)?
}

/// Hands a change in and waits until it is made.
async fn done(queue: &mpsc::Sender<Job>, change: Change) -> Result<(), StoreError> {
    ask(queue, change).await.map(|_| ())
}

/// A count as SQLite has integers.
fn to_count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn to_json<T: serde::Serialize>(rows: impl Iterator<Item = T>) -> String {
    serde_json::to_string(&rows.collect::<Vec<_>>()).expect("text and numbers, into memory")
}

#[cfg(test)]
pub(crate) mod tests;
