//! Which key a database was written with.

use std::path::{Path, PathBuf};

use sqlx::{SqliteConnection, query, query_scalar};

use super::{
    SecretKey, StoreError, database,
    fingerprint::FingerprintKey,
    private_file,
    sealing::{Record, Sealer},
    secret_key,
};
use crate::config::SecretKeySource;

/// What opens a database.
pub(super) struct Unlocked {
    /// The key.
    pub(super) key: SecretKey,
    /// Opens and seals records.
    pub(super) sealer: Sealer,
    /// The key of fingerprints.
    pub(super) fingerprint_key: FingerprintKey,
    /// Whether the key still lies beside its place: whoever changed it was interrupted.
    pub(super) is_pending: bool,
}

/// Where a key lies until the database that it fits is in place. Whichever of the two files fits the database is the key.
pub(super) fn pending_file(key_file: &Path) -> PathBuf {
    database::beside(key_file, ".new")
}

/// Finds the key that opens a database, and changes nothing. `None`: nothing in it is sealed yet.
///
/// # Errors
///
/// [`StoreError::WrongKey`], [`StoreError::KeyMissing`], or where the database or a key file can't be read.
pub(super) async fn unlock(
    connection: &mut SqliteConnection,
    file: &Path,
    version: Option<i64>,
    source: &SecretKeySource,
) -> Result<Option<Unlocked>, StoreError> {
    if version.is_none() {
        return Ok(None);
    }
    let sealed: Option<Vec<u8>> = query_scalar("SELECT sealed FROM fingerprint_key")
        .fetch_optional(connection)
        .await
        .map_err(|error| StoreError::database(file, error))?;
    let Some(sealed) = sealed else {
        return Ok(None);
    };
    let candidates = match source {
        SecretKeySource::Given(key) => [Some(key.clone()), None],
        SecretKeySource::File(path) => [
            secret_key::read(path)?,
            secret_key::read(&pending_file(path))?,
        ],
    };
    if let (SecretKeySource::File(path), [None, None]) = (source, &candidates) {
        return Err(StoreError::KeyMissing {
            key_file: path.clone(),
            database: file.to_owned(),
        });
    }
    for (is_pending, key) in [false, true].into_iter().zip(candidates) {
        let Some(key) = key else { continue };
        let sealer = Sealer::new(&key);
        let Ok(opened) = sealer.open(Record::FingerprintKey, &sealed) else {
            continue;
        };
        let fingerprint_key = FingerprintKey::from_bytes(&opened)
            .ok_or_else(|| StoreError::corrupt(file, "the key of fingerprints"))?;
        return Ok(Some(Unlocked {
            key,
            sealer,
            fingerprint_key,
            is_pending,
        }));
    }
    Err(StoreError::WrongKey {
        file: file.to_owned(),
    })
}

/// Finds or makes the key for a database in which nothing is sealed, and seals the first thing with it.
///
/// # Errors
///
/// Where that can't be written.
pub(super) async fn lock(
    connection: &mut SqliteConnection,
    file: &Path,
    source: &SecretKeySource,
) -> Result<Unlocked, StoreError> {
    let key = secret_key::find_or_make(source)?;
    let sealer = Sealer::new(&key);
    let fingerprint_key =
        FingerprintKey::random().map_err(|error| StoreError::file(file, error))?;
    query("INSERT INTO fingerprint_key (only_row, sealed) VALUES (1, ?1)")
        .bind(sealer.seal(Record::FingerprintKey, fingerprint_key.bytes()))
        .execute(connection)
        .await
        .map_err(|error| StoreError::database(file, error))?;
    Ok(Unlocked {
        key,
        sealer,
        fingerprint_key,
        is_pending: false,
    })
}

/// Ends what somebody who changed the key was interrupted in: the key that fits goes to its place, the other one away.
///
/// # Errors
///
/// Where files can't be moved.
pub(super) fn settle(source: &SecretKeySource, is_pending: bool) -> Result<(), StoreError> {
    let SecretKeySource::File(path) = source else {
        return Ok(());
    };
    let pending = pending_file(path);
    if !pending.exists() {
        return Ok(());
    }
    let settled = if is_pending {
        std::fs::rename(&pending, path)
    } else {
        private_file::remove_if_there(&pending)
    };
    settled
        .and_then(|()| private_file::sync_folder(path))
        .map_err(|error| StoreError::file(path, error))
}
