//! What is done with the store beside the core, or while none runs: copying it, putting a copy in its place, changing its key.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sqlx::{ConnectOptions, Connection, SqliteConnection, query, query_as, query_scalar};

use super::{
    SecretKey, Store, StoreError, authorization, database, loading, private_file,
    sealing::{Record, Sealer},
    secret_key, unlocking,
};
use crate::config::{SecretKeySource, StoreConfig};

/// What a database holds.
#[derive(Debug, Clone)]
pub struct Contents {
    /// Its version.
    pub version: i64,
    /// How many credentials are in it.
    pub credential_count: u64,
    /// The key with which it was written.
    pub key: SecretKey,
}

/// Where the former database and key are now, if there were any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The database.
    pub database: Option<PathBuf>,
    /// The key, where the new database has another.
    pub key_file: Option<PathBuf>,
}

/// Copies the database into a file that isn't there yet, whoever works with it meanwhile, and reads the copy.
///
/// # Errors
///
/// Where it can't be copied, or what was copied can't be read; then there is no copy.
pub async fn copy_database(config: &StoreConfig, copy: &Path) -> Result<Contents, StoreError> {
    let file = config.file.as_path();
    if !database::exists(file) {
        return Err(StoreError::file(file, std::io::ErrorKind::NotFound.into()));
    }
    let connected = database::options(file)?.connect().await;
    let mut connection = connected.map_err(|error| StoreError::database(file, error))?;
    database::look_at(&mut connection, file).await?;
    database::copy_to(&mut connection, file, copy).await?;
    let closed = connection.close().await;
    closed.map_err(|error| StoreError::database(file, error))?;
    let read = read_through(copy, &config.secret_key).await;
    if read.is_err() {
        private_file::remove_if_there(copy).map_err(|error| StoreError::file(copy, error))?;
    }
    read
}

/// Reads a database from its first page to its last record, and changes nothing.
///
/// # Errors
///
/// Where it is damaged, too new, or written with another key.
pub async fn read_through(file: &Path, key: &SecretKeySource) -> Result<Contents, StoreError> {
    let failed = |error| StoreError::database(file, error);
    let options = database::options(file)?.read_only(true);
    let mut connection = options.connect().await.map_err(failed)?;
    database::look_at(&mut connection, file).await?;
    let version = database::version(&mut connection, file).await?;
    let unlocked = unlocking::unlock(&mut connection, file, version, key).await?;
    let (Some(version), Some(unlocked)) = (version, unlocked) else {
        return Err(StoreError::corrupt(file, "it is empty"));
    };
    // Those of other versions have other columns.
    if version == database::newest_version() {
        loading::load(&mut connection, file, &unlocked.sealer).await?;
    }
    let count: i64 = query_scalar("SELECT count(*) FROM credential")
        .fetch_one(&mut connection)
        .await
        .map_err(failed)?;
    connection.close().await.map_err(failed)?;
    Ok(Contents {
        version,
        credential_count: count.cast_unsigned(),
        key: unlocked.key,
    })
}

/// Reads the key in a file; `None`: there is no such file.
///
/// # Errors
///
/// Where it can't be read, or holds none.
pub fn read_key(file: &Path) -> Result<Option<SecretKey>, StoreError> {
    secret_key::read(file)
}

/// Puts a database in the place of the one that is there, which stays beside it, as does its key. No core runs meanwhile.
///
/// `database` must lie in the same file system and have been [read through](read_through). Interrupted at any point, the next start
/// finds either the former database with its key or the new one with its own.
///
/// # Errors
///
/// Where files can't be moved.
pub async fn replace(
    config: &StoreConfig,
    database: &Path,
    key: Option<&SecretKey>,
) -> Result<Kept, StoreError> {
    let file = config.file.as_path();
    let failed = |error| StoreError::file(file, error);
    let mut kept = Kept {
        database: None,
        key_file: None,
    };
    if database::exists(file) {
        // What is left in its log would be taken for the new database's.
        write_log_into(file).await;
        let free = free_name(file, ".before-restore");
        for end in ["-wal", "-shm"] {
            let log = database::beside(file, end);
            if log.exists() {
                fs::rename(&log, database::beside(&free, end)).map_err(failed)?;
            }
        }
        fs::hard_link(file, &free).map_err(failed)?;
        kept.database = Some(free);
    }
    let changed_key = match (&config.secret_key, key) {
        (SecretKeySource::File(path), Some(key)) => {
            let is_same = matches!(secret_key::read(path), Ok(Some(known)) if known.is(key));
            (!is_same).then_some((path.as_path(), key))
        }
        _ => None,
    };
    if let Some((path, key)) = changed_key {
        if path.exists() {
            let free = free_name(path, ".before-restore");
            fs::hard_link(path, &free).map_err(|error| StoreError::file(path, error))?;
            kept.key_file = Some(free);
        }
        write_pending(path, key)?;
    }
    fs::rename(database, file)
        .and_then(|()| private_file::sync_folder(file))
        .map_err(failed)?;
    if changed_key.is_some() {
        unlocking::settle(&config.secret_key, true)?;
    }
    Ok(kept)
}

/// Encrypts everything anew with a new random key. No core runs meanwhile.
///
/// The key goes to where the old one is. Where that is no file it goes to `new_key_file`, which isn't there yet. Interrupted at any point,
/// the next start finds all under the old key or all under the new one, and has either.
///
/// # Errors
///
/// Where the database can't be used, or a file can't be written; then the old key holds.
pub async fn rotate_key(
    config: &StoreConfig,
    new_key_file: Option<&Path>,
) -> Result<Contents, StoreError> {
    let file = config.file.as_path();
    let (store, writer, loaded) = Store::open(config).await?;
    let key = SecretKey::random().map_err(|error| StoreError::file(file, error))?;
    match (&config.secret_key, new_key_file) {
        (_, Some(path)) => {
            secret_key::write_new(path, &key).map_err(|error| StoreError::file(path, error))?;
        }
        (SecretKeySource::File(path), None) => write_pending(path, &key)?,
        (SecretKeySource::Given(_), None) => return Err(StoreError::NoPlaceForKey),
    }
    let mut connection = writer.connection;
    let sealed = seal_anew(&mut connection, file, &store.sealer, &Sealer::new(&key)).await;
    if let Err(error) = sealed {
        drop(connection);
        // A commit that is said to have failed may have been made: then this is the only copy of the key.
        let old_holds = read_through(file, &config.secret_key).await.is_ok();
        if let (Some(path), true) = (new_key_file, old_holds) {
            private_file::remove_if_there(path).map_err(|error| StoreError::file(path, error))?;
        }
        return Err(error);
    }
    if new_key_file.is_none() {
        unlocking::settle(&config.secret_key, true)?;
    }
    // What the old key opens is nowhere in the file any more.
    let failed = |error| StoreError::database(file, error);
    query("VACUUM")
        .execute(&mut connection)
        .await
        .map_err(failed)?;
    connection.close().await.map_err(failed)?;
    Ok(Contents {
        version: database::newest_version(),
        credential_count: loaded.credentials.len() as u64,
        key,
    })
}

async fn seal_anew(
    connection: &mut SqliteConnection,
    file: &Path,
    old: &Sealer,
    new: &Sealer,
) -> Result<(), StoreError> {
    let failed = |error| StoreError::database(file, error);
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(failed)?;
    let reseal = |record: Record<'_>, sealed: &[u8]| {
        let plain = old.open(record, sealed);
        let plain = plain.map_err(|_| StoreError::corrupt(file, "a record can't be read"))?;
        Ok::<_, StoreError>(new.seal(record, &plain))
    };

    let sealed: Vec<u8> = query_scalar("SELECT sealed FROM fingerprint_key")
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed)?;
    query("UPDATE fingerprint_key SET sealed = ?1")
        .bind(reseal(Record::FingerprintKey, &sealed)?)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;

    let credentials: Vec<(i64, String, Vec<u8>)> =
        query_as("SELECT id, upstream, sealed FROM credential")
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed)?;
    for (id, upstream, sealed) in &credentials {
        let (id, upstream) = (*id, upstream.as_str());
        query("UPDATE credential SET sealed = ?2 WHERE id = ?1")
            .bind(id)
            .bind(reseal(Record::Credential { id, upstream }, sealed)?)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }

    let upstreams: Vec<(String, Vec<u8>)> = query_as("SELECT name, sealed FROM upstream")
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed)?;
    for (name, sealed) in &upstreams {
        query("UPDATE upstream SET sealed = ?2 WHERE name = ?1")
            .bind(name)
            .bind(reseal(Record::Upstream { name }, sealed)?)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }

    let conversations: Vec<(String, String, Vec<u8>)> =
        query_as("SELECT upstream, id, sealed FROM conversation")
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed)?;
    for (upstream, id, sealed) in &conversations {
        query("UPDATE conversation SET sealed = ?3 WHERE upstream = ?1 AND id = ?2")
            .bind(upstream)
            .bind(id)
            .bind(reseal(Record::Conversation { id, upstream }, sealed)?)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    authorization::seal_anew(&mut transaction, file, reseal).await?;
    transaction.commit().await.map_err(failed)
}

/// Brings what lies in a database's log into the database, as far as it can be read.
async fn write_log_into(file: &Path) {
    let closed = async {
        let failed = |error| StoreError::database(file, error);
        let mut connection = database::options(file)?.connect().await.map_err(failed)?;
        query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut connection)
            .await
            .map_err(failed)?;
        connection.close().await.map_err(failed)
    };
    if let Err(error) = closed.await {
        tracing::warn!(%error, "the former database can't be read; it is kept as it is");
    }
}

fn write_pending(key_file: &Path, key: &SecretKey) -> Result<(), StoreError> {
    let pending = unlocking::pending_file(key_file);
    // One that was there was of somebody who was interrupted before it held.
    private_file::remove_if_there(&pending)
        .and_then(|()| secret_key::write_new(&pending, key))
        .map_err(|error| StoreError::file(&pending, error))
}

/// The first name of this form that is not taken.
fn free_name(file: &Path, end: &str) -> PathBuf {
    let mut free = database::beside(file, end);
    let mut number = 2;
    while free.exists() {
        free = database::beside(file, &format!("{end}-{number}"));
        number += 1;
    }
    free
}
