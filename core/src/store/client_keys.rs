//! Client keys, and what is counted of whoever has limits.

use std::{collections::HashMap, path::Path, sync::Arc, time::SystemTime};

use blake3::Hash;
use ipnet::IpNet;
use serde::Serialize;
use sqlx::{FromRow, SqliteConnection, query, query_as};

use super::{
    Store, StoreError,
    change::Change,
    done,
    time::{from_micros, to_micros},
    to_count, to_json,
};
use crate::{
    keys::{ClientKey, KeyId, KeySettings},
    limits::{Gauge, Grant, Limits, SavedMeter, Tokens},
};

/// A change of client keys, or of what is counted.
#[derive(Debug)]
pub(in crate::store) enum KeyChange {
    /// A key that is new, or another now.
    Put(Box<KeyRow>),
    /// A key leaves, with what was counted of it.
    Remove { id: i64, holder: String },
    /// What was counted, in all: [`MeterOf`]s as JSON.
    SaveMeters(String),
}

/// A client key as it was kept.
#[derive(Debug, Clone)]
pub(crate) struct StoredKey {
    id: KeyId,
    hash: Hash,
    preview: String,
    created_at: SystemTime,
    settings: KeySettings,
    grant: Grant,
}

/// A key's row.
#[derive(Debug, FromRow)]
pub(in crate::store) struct KeyRow {
    id: i64,
    hash: Vec<u8>,
    preview: String,
    label: String,
    created_at: i64,
    expires_at: Option<i64>,
    networks_json: String,
    may_introspect: bool,
    models_json: Option<String>,
    may_search: bool,
    requests_per_minute: Option<i64>,
    tokens_per_day: Option<i64>,
    tokens_total: Option<i64>,
}

/// A meter's row.
#[derive(FromRow)]
struct MeterRow {
    holder: String,
    requests: i64,
    input_tokens: i64,
    output_tokens: i64,
    day: i64,
    tokens_of_day: i64,
    recent_json: String,
    last_used_ms: Option<i64>,
}

/// What was counted of a holder.
#[derive(Serialize)]
struct MeterOf {
    holder: String,
    requests: i64,
    input_tokens: i64,
    output_tokens: i64,
    day: i64,
    tokens_of_day: i64,
    recent: Vec<(i64, u64)>,
    last_used_ms: Option<i64>,
}

impl Store {
    /// Saves a key that is new, or another now.
    ///
    /// # Errors
    ///
    /// Where that can't be kept.
    pub(crate) async fn put_key(&self, key: &ClientKey) -> Result<(), StoreError> {
        let change = KeyChange::Put(Box::new(KeyRow::of(key)));
        done(&self.durable, Change::Key(change)).await
    }

    /// Removes a key, and what was counted of it.
    ///
    /// # Errors
    ///
    /// Where that can't be kept.
    pub(crate) async fn remove_key(&self, id: KeyId) -> Result<(), StoreError> {
        let change = KeyChange::Remove {
            id: id.to_bits(),
            holder: id.to_string(),
        };
        done(&self.durable, Change::Key(change)).await
    }

    /// Saves what was counted in all of whoever has limits, each by a name that nobody else has. Survives the process at once, a power
    /// cut a moment later.
    ///
    /// # Errors
    ///
    /// Where that can't be kept.
    pub(crate) async fn save_meters(
        &self,
        meters: Vec<(String, SavedMeter)>,
    ) -> Result<(), StoreError> {
        let rows = meters.into_iter().map(|(holder, meter)| MeterOf {
            holder,
            requests: to_count(meter.requests),
            input_tokens: to_count(meter.tokens.input),
            output_tokens: to_count(meter.tokens.output),
            day: meter.day,
            tokens_of_day: to_count(meter.tokens_of_day),
            recent: meter.recent,
            last_used_ms: meter.last_used_ms,
        });
        let change = KeyChange::SaveMeters(to_json(rows));
        done(&self.quick, Change::Key(change)).await
    }
}

impl KeyChange {
    /// Makes the change.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub(in crate::store) async fn apply(
        &self,
        connection: &mut SqliteConnection,
    ) -> sqlx::Result<()> {
        match self {
            Self::Put(row) => row.put(connection).await,
            Self::Remove { id, holder } => {
                query("DELETE FROM client_key WHERE id = ?1")
                    .bind(id)
                    .execute(&mut *connection)
                    .await?;
                query("DELETE FROM meter WHERE holder = ?1")
                    .bind(holder)
                    .execute(connection)
                    .await?;
                Ok(())
            }
            Self::SaveMeters(meters) => {
                query(SAVE_METERS).bind(meters).execute(connection).await?;
                Ok(())
            }
        }
    }
}

const SAVE_METERS: &str = "\
    INSERT OR REPLACE INTO meter (
        holder, requests, input_tokens, output_tokens, day, tokens_of_day, recent_json, last_used_ms
    )
    SELECT
        item.value ->> 'holder', item.value ->> 'requests', item.value ->> 'input_tokens',
        item.value ->> 'output_tokens', item.value ->> 'day', item.value ->> 'tokens_of_day',
        item.value -> 'recent', item.value ->> 'last_used_ms'
    FROM json_each(?1) AS item";

impl KeyRow {
    fn of(key: &ClientKey) -> Self {
        let grant = &key.holder.grant;
        Self {
            id: key.id.to_bits(),
            hash: key.hash.as_bytes().to_vec(),
            preview: key.preview.clone(),
            label: key.settings.label.clone(),
            created_at: to_micros(key.created_at),
            expires_at: key.settings.expires_at.map(to_micros),
            networks_json: to_json(key.settings.networks.iter()),
            may_introspect: key.settings.may_introspect,
            models_json: grant.models.as_ref().map(|models| to_json(models.iter())),
            may_search: grant.web_search,
            requests_per_minute: grant.limits.requests_per_minute.map(to_count),
            tokens_per_day: grant.limits.tokens_per_day.map(to_count),
            tokens_total: grant.limits.tokens_total.map(to_count),
        }
    }

    async fn put(&self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        query(
            "INSERT OR REPLACE INTO client_key (
                id, hash, preview, label, created_at, expires_at, networks_json, may_introspect,
                models_json, may_search, requests_per_minute, tokens_per_day, tokens_total
            ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.id)
        .bind(&self.hash)
        .bind(&self.preview)
        .bind(&self.label)
        .bind(self.created_at)
        .bind(self.expires_at)
        .bind(&self.networks_json)
        .bind(self.may_introspect)
        .bind(&self.models_json)
        .bind(self.may_search)
        .bind(self.requests_per_minute)
        .bind(self.tokens_per_day)
        .bind(self.tokens_total)
        .execute(connection)
        .await?;
        Ok(())
    }

    fn read(self) -> Option<StoredKey> {
        let count = |bound: Option<i64>| bound.map(u64::try_from).transpose().ok();
        let models = self.models_json.as_deref().map(serde_json::from_str);
        let networks: Vec<IpNet> = serde_json::from_str(&self.networks_json).ok()?;
        Some(StoredKey {
            id: KeyId::from_bits(self.id),
            hash: Hash::from_bytes(self.hash.try_into().ok()?),
            preview: self.preview,
            created_at: from_micros(self.created_at),
            settings: KeySettings {
                label: self.label,
                expires_at: self.expires_at.map(from_micros),
                networks,
                may_introspect: self.may_introspect,
            },
            grant: Grant {
                limits: Limits {
                    requests_per_minute: count(self.requests_per_minute)?,
                    tokens_per_day: count(self.tokens_per_day)?,
                    tokens_total: count(self.tokens_total)?,
                },
                models: models.transpose().ok()?,
                web_search: self.may_search,
            },
        })
    }
}

impl StoredKey {
    /// The name under which is kept what was counted of it.
    pub(crate) fn meter_name(&self) -> String {
        self.id.to_string()
    }

    /// The key, which counts on where this gauge is.
    pub(crate) fn into_key(self, gauge: Arc<Gauge>) -> ClientKey {
        ClientKey {
            id: self.id,
            hash: self.hash,
            preview: self.preview,
            created_at: self.created_at,
            settings: self.settings,
            holder: ClientKey::holder(self.grant, gauge),
        }
    }
}

impl MeterRow {
    fn read(self) -> Option<(String, SavedMeter)> {
        let meter = SavedMeter {
            requests: self.requests.try_into().ok()?,
            tokens: Tokens {
                input: self.input_tokens.try_into().ok()?,
                output: self.output_tokens.try_into().ok()?,
            },
            day: self.day,
            tokens_of_day: self.tokens_of_day.try_into().ok()?,
            recent: serde_json::from_str(&self.recent_json).ok()?,
            last_used_ms: self.last_used_ms,
        };
        Some((self.holder, meter))
    }
}

/// Reads all meters, by their holders' names.
///
/// # Errors
///
/// Where one can't be read.
pub(in crate::store) async fn load_meters(
    connection: &mut SqliteConnection,
    file: &Path,
) -> Result<HashMap<String, SavedMeter>, StoreError> {
    let rows: Vec<MeterRow> = query_as("SELECT * FROM meter")
        .fetch_all(connection)
        .await
        .map_err(|error| StoreError::database(file, error))?;
    let meters: Option<_> = rows.into_iter().map(MeterRow::read).collect();
    meters.ok_or_else(|| StoreError::corrupt(file, "what was counted can't be read"))
}

/// Reads all client keys.
///
/// # Errors
///
/// Where one can't be read.
pub(in crate::store) async fn load(
    connection: &mut SqliteConnection,
    file: &Path,
) -> Result<Vec<StoredKey>, StoreError> {
    let rows: Vec<KeyRow> = query_as("SELECT * FROM client_key ORDER BY id")
        .fetch_all(connection)
        .await
        .map_err(|error| StoreError::database(file, error))?;
    let keys: Option<Vec<_>> = rows.into_iter().map(KeyRow::read).collect();
    keys.ok_or_else(|| StoreError::corrupt(file, "a client key can't be read"))
}
