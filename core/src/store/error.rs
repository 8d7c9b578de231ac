//! Why something can't be kept, or what was kept can't be had.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
};

use sqlx::migrate::MigrateError;

/// Why something can't be kept, or what was kept can't be had. What is there is never overwritten because of it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The key is not the one with which the database was written.
    #[error(
        "{} was encrypted with another secret key; nothing was changed: set SECRET_KEY to that key, or put its secret.key back", file.display()
    )]
    WrongKey {
        /// The database.
        file: PathBuf,
    },
    /// There is a database, and no key.
    #[error(
        "{} is missing, and {} can't be read without it; nothing was changed: put the key file back (a backup holds it unless it was made with --without-key), or set SECRET_KEY",
        key_file.display(), database.display()
    )]
    KeyMissing {
        /// Where the key should be.
        key_file: PathBuf,
        /// The database.
        database: PathBuf,
    },
    /// A key file that holds no key.
    #[error(
        "{} holds no key; put back what was there: 32 bytes in base64", file.display()
    )]
    KeyFile {
        /// The file.
        file: PathBuf,
    },
    /// The database is damaged.
    #[error(
        "{} is damaged ({what}); nothing was changed: restore a backup, or move the file away to begin without it", file.display()
    )]
    Corrupt {
        /// The database.
        file: PathBuf,
        /// What shows it.
        what: String,
    },
    /// The database is something else's.
    #[error("{} is not a database of llm2api; nothing was changed: set DATABASE_URL to another file", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
    },
    /// The database was written by a later version of llm2api.
    #[error(
        "{} was written by a newer llm2api (its version is {version}, this one knows {known}); nothing was changed: run that one, or restore a backup that is older", file.display()
    )]
    Newer {
        /// The database.
        file: PathBuf,
        /// Its version.
        version: i64,
        /// The newest version that is known.
        known: i64,
    },
    /// There is no room.
    #[error("{} can't grow: the disk is full; make room, nothing that was kept is lost", file.display())]
    Full {
        /// The database.
        file: PathBuf,
    },
    /// It may not be written.
    #[error("{} can't be written: the file, its folder or its disk is read-only for us; change its owner or its mount", file.display())]
    ReadOnly {
        /// The database.
        file: PathBuf,
    },
    /// Another process works with it.
    #[error("{} is locked by another process; end that one first", file.display())]
    Locked {
        /// The database.
        file: PathBuf,
    },
    /// A file or folder can't be used.
    #[error("{} can't be used", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// The database can't do it.
    #[error("{} can't be used", file.display())]
    Database {
        /// The database.
        file: PathBuf,
        /// Why.
        #[source]
        source: Arc<sqlx::Error>,
    },
    /// A key was to be made, and nobody said where it shall lie.
    #[error("SECRET_KEY can't be changed from here; name a file for the new key")]
    NoPlaceForKey,
    /// The store has been closed.
    #[error("the store is closed: the process is about to end")]
    Closed,
}

/// SQLite's primary result codes: <https://sqlite.org/rescode.html>.
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READONLY: i32 = 8;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const NOT_A_DATABASE: i32 = 26;
/// An extended code: the file of shared memory beside the log has no room to grow in.
const SHARED_MEMORY_SIZE: i32 = 4874;

impl StoreError {
    /// What the system said of a file.
    pub(super) fn file(file: &Path, error: io::Error) -> Self {
        let file = file.to_owned();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::Full { file }
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { file },
            _ => Self::File {
                file,
                source: Arc::new(error),
            },
        }
    }

    /// What SQLite said of a database.
    pub(super) fn database(file: &Path, error: sqlx::Error) -> Self {
        let code = error
            .as_database_error()
            .and_then(|error| error.code()?.parse::<i32>().ok());
        let what = error
            .as_database_error()
            .map(|error| error.message().to_owned());
        let file = file.to_owned();
        // Above the lowest byte a code has its details.
        match (code.map(|code| code & 0xff), what) {
            _ if code == Some(SHARED_MEMORY_SIZE) => Self::Full { file },
            (Some(BUSY | LOCKED), _) => Self::Locked { file },
            (Some(READONLY), _) => Self::ReadOnly { file },
            (Some(FULL), _) => Self::Full { file },
            (Some(CORRUPT | NOT_A_DATABASE), Some(what)) => Self::Corrupt { file, what },
            _ => Self::Database {
                file,
                source: Arc::new(error),
            },
        }
    }

    /// What came of bringing a database to this version.
    pub(super) fn migration(file: &Path, known: i64, error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => Self::Newer {
                file: file.to_owned(),
                version,
                known,
            },
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                Self::database(file, error)
            }
            other => Self::database(file, sqlx::Error::Migrate(Box::new(other))),
        }
    }

    /// A database whose content contradicts itself.
    pub(super) fn corrupt(file: &Path, what: impl Into<String>) -> Self {
        Self::Corrupt {
            file: file.to_owned(),
            what: what.into(),
        }
    }
}
