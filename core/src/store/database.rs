//! The database file: made, opened, looked at, and brought to this version.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions, Row, SqliteConnection,
    migrate::Migrator,
    query, query_scalar,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};

use super::{StoreError, private_file};

/// What makes a database of any version one of this version.
pub(super) static MIGRATIONS: Migrator = sqlx::migrate!();

/// How long a lock of another process is waited for: a backup's last page, or a curious shell.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether something was ever written there.
pub(super) fn exists(file: &Path) -> bool {
    // What was written last may still be in the log alone.
    [file.to_owned(), beside(file, "-wal")]
        .iter()
        .any(|file| fs::metadata(file).is_ok_and(|metadata| metadata.len() > 0))
}

/// The file of this name with something at its end.
pub(super) fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Opens the database as it is; makes an empty one where there is none.
///
/// # Errors
///
/// Where it can't be opened.
pub(super) async fn open(file: &Path) -> Result<SqliteConnection, StoreError> {
    // SQLite makes the files beside it with the same permissions.
    private_file::make(file).map_err(|error| StoreError::file(file, error))?;
    let connected = options(file)?.connect().await;
    connected.map_err(|error| StoreError::database(file, error))
}

/// Brings a database of this version, if it has any, to that of this program.
///
/// # Errors
///
/// Where that can't be done; then a copy of what there was lies beside it.
pub(super) async fn migrate(
    connection: &mut SqliteConnection,
    file: &Path,
    version: Option<i64>,
) -> Result<(), StoreError> {
    if let Some(version) = version
        && version < newest_version()
    {
        copy_before_migration(connection, file, version).await?;
    }
    // A database keeps this mode.
    query("PRAGMA journal_mode = WAL")
        .execute(&mut *connection)
        .await
        .map_err(|error| StoreError::database(file, error))?;
    let migrated = MIGRATIONS.run_direct(None, connection, false).await;
    migrated.map_err(|error| StoreError::migration(file, newest_version(), error))
}

/// How every connection to a database works with it.
///
/// # Errors
///
/// Where a relative path leads nowhere.
pub(super) fn options(file: &Path) -> Result<SqliteConnectOptions, StoreError> {
    // A name that begins with `file:` would be taken for a URI.
    let absolute = std::path::absolute(file).map_err(|error| StoreError::file(file, error))?;
    Ok(SqliteConnectOptions::new()
        .filename(absolute)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        // What is removed is gone, not only forgotten.
        .pragma("secure_delete", "ON")
        .disable_statement_logging())
}

/// Checks that a database is whole, and one of ours.
///
/// # Errors
///
/// [`StoreError::Corrupt`], [`StoreError::Foreign`].
pub(super) async fn look_at(
    connection: &mut SqliteConnection,
    file: &Path,
) -> Result<(), StoreError> {
    let failed = |error| StoreError::database(file, error);
    let verdict: String = query_scalar("PRAGMA quick_check(1)")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    if verdict != "ok" {
        return Err(StoreError::corrupt(file, verdict));
    }
    let tables: Vec<String> = query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    let is_ours = tables.is_empty() || tables.iter().any(|table| table == "_sqlx_migrations");
    match is_ours {
        true => Ok(()),
        false => Err(StoreError::Foreign {
            file: file.to_owned(),
        }),
    }
}

/// The version of a database; `None`: it is new.
///
/// # Errors
///
/// [`StoreError::Newer`].
pub(super) async fn version(
    connection: &mut SqliteConnection,
    file: &Path,
) -> Result<Option<i64>, StoreError> {
    let failed = |error| StoreError::database(file, error);
    let has_versions = query("SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations'")
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?
        .is_some();
    if !has_versions {
        return Ok(None);
    }
    let row = query("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(connection)
        .await
        .map_err(failed)?;
    let version: Option<i64> = row.try_get(0).map_err(failed)?;
    match version {
        Some(version) if version > newest_version() => Err(StoreError::Newer {
            file: file.to_owned(),
            version,
            known: newest_version(),
        }),
        version => Ok(version),
    }
}

/// The version that this program makes and knows.
pub(super) fn newest_version() -> i64 {
    let versions = MIGRATIONS.iter().map(|migration| migration.version);
    versions.max().unwrap_or_default()
}

/// Keeps what is there beside it, so that the former program can go on with it.
pub(super) async fn copy_before_migration(
    connection: &mut SqliteConnection,
    file: &Path,
    version: i64,
) -> Result<(), StoreError> {
    let copy = beside(file, &format!(".version-{version}"));
    // An earlier attempt's is as good: nothing was changed after it.
    if !copy.exists() {
        copy_to(connection, file, &copy).await?;
    }
    tracing::info!(copy = %copy.display(), "database copied before its migration");
    Ok(())
}

/// Writes a whole copy of the database into a file that isn't there yet, beside whoever writes to it.
///
/// # Errors
///
/// Where it can't be written; then there is none.
pub(super) async fn copy_to(
    connection: &mut SqliteConnection,
    file: &Path,
    copy: &Path,
) -> Result<(), StoreError> {
    let failed = |error| StoreError::file(copy, error);
    let unfinished = private_file::unfinished(copy);
    private_file::remove_if_there(&unfinished).map_err(failed)?;
    // Made before SQLite would make it for everybody.
    drop(private_file::make_new(&unfinished).map_err(failed)?);
    let written = query("VACUUM INTO ?")
        .bind(unfinished.to_string_lossy().into_owned())
        .execute(connection)
        .await
        .map_err(|error| match StoreError::database(file, error) {
            StoreError::Full { .. } => StoreError::Full {
                file: copy.to_owned(),
            },
            other => other,
        });
    let placed = written.and_then(|_| {
        File::open(&unfinished)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::hard_link(&unfinished, copy))
            .map_err(failed)
    });
    let removed = private_file::remove_if_there(&unfinished).map_err(failed);
    placed.and(removed)?;
    private_file::sync_folder(copy).map_err(failed)
}
