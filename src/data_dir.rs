//! `DATA_DIR`: made where it is missing, explained where it can't be written, held by one process.

mod lock;

use std::{
    fs::{self, DirBuilder},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::Path,
};

use anyhow::anyhow;

use self::lock::FolderLock;
use crate::config::Configuration;

/// Takes `DATA_DIR`, and the database's folder where that is another, for this process alone.
///
/// # Errors
///
/// Where another process has one of them, or it can't be written.
pub(crate) fn lock_all(configuration: &Configuration) -> anyhow::Result<Vec<FolderLock>> {
    let data_dir = configuration.settings.data_dir.as_path();
    let mut locks = vec![FolderLock::take(data_dir, "DATA_DIR")?];
    let database = configuration.store().file;
    let folder = match database.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Two paths may lead to one folder.
    if fs::canonicalize(folder).ok() != fs::canonicalize(data_dir).ok() {
        locks.push(FolderLock::take(folder, "DATABASE_URL")?);
    }
    Ok(locks)
}

/// Makes `DATA_DIR`, or a folder in it, for its owner only.
///
/// # Errors
///
/// Where it can't be made.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Names the folder, its owner and us, and what to run; `or_set` are settings that help as well.
pub(crate) fn not_writable(folder: &Path, error: &io::Error, or_set: &str) -> anyhow::Error {
    let shown = folder.display();
    let what_helps = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some("make room"),
        ErrorKind::ReadOnlyFilesystem => Some("mount it writable"),
        _ => None,
    };
    if let Some(what_helps) = what_helps {
        return anyhow!(
            "the folder {shown} is not writable: {error}; {what_helps}, or set {or_set}"
        );
    }
    let uid = rustix::process::getuid().as_raw();
    // What isn't there belongs to whom the folder above it does.
    let owner = folder
        .ancestors()
        .find_map(|folder| fs::metadata(folder).ok())
        .map_or("unknown".to_owned(), |metadata| metadata.uid().to_string());
    let make = if folder.exists() {
        String::new()
    } else {
        format!("mkdir -p {shown} && ")
    };
    anyhow!(
        "the folder {shown} is not writable: {error}; its owner is uid {owner}, we are uid {uid}: run `{make}chown -R {uid} {shown}`, or set {or_set}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_nobody_owns_is_not_to_be_chowned() {
        for (kind, text, what_helps) in [
            (ErrorKind::StorageFull, "no storage space", "make room"),
            (
                ErrorKind::ReadOnlyFilesystem,
                "read-only filesystem or storage medium",
                "mount it writable",
            ),
        ] {
            let error = not_writable(Path::new("/d"), &kind.into(), "DATA_DIR");
            let expected =
                format!("the folder /d is not writable: {text}; {what_helps}, or set DATA_DIR");
            assert_eq!(error.to_string(), expected);
        }
    }
}
