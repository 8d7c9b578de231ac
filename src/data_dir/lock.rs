//! One process at a time works with what lies in a folder.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use super::{make, not_writable};

/// The file that is locked. It stays when the process ends: a lock on a file that was removed would be nobody's.
const FILE_NAME: &str = "llm2api.lock";

/// How long the lock is waited for: whoever restarts llm2api by killing it starts the next one before the last is quite gone.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// A folder that is ours until this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct FolderLock {
    /// The lock is on this open file.
    _file: File,
}

impl FolderLock {
    /// Takes the folder that a setting names, and makes it where it is missing.
    ///
    /// # Errors
    ///
    /// Where another process has it, or it can't be written.
    pub(super) fn take(folder: &Path, setting: &str) -> anyhow::Result<Self> {
        let opened = make(folder).and_then(|()| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(folder.join(FILE_NAME))
        });
        let explain = |error| not_writable(folder, &error, setting);
        let mut file = opened.map_err(explain)?;
        match lock(&file) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let holder = match holder(&mut file) {
                    Some(id) => format!("another llm2api (process {id})"),
                    None => "another llm2api".to_owned(),
                };
                bail!(
                    "{holder} works with {}; end that one first, or set another {setting}",
                    folder.display()
                );
            }
            Err(error) => bail!("can't lock {}: {error}", folder.join(FILE_NAME).display()),
        }
        let named = file.set_len(0).and_then(|()| {
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        });
        named.map_err(explain)?;
        Ok(Self { _file: file })
    }
}

/// Locks a file, or says why not after a moment.
fn lock(file: &File) -> rustix::io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => thread::sleep(PAUSE),
            locked => return locked,
        }
    }
}

/// The process that wrote its id into the file; `None` where that can't be told.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    // An id has few digits; the file could be something else.
    let read: io::Result<usize> = file.take(16).read_to_string(&mut text);
    read.ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_by_one_at_a_time_and_the_holder_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data");
        let lock = FolderLock::take(&folder, "DATA_DIR").unwrap();
        assert_eq!(
            FolderLock::take(&folder, "DATA_DIR")
                .unwrap_err()
                .to_string(),
            format!(
                "another llm2api (process {}) works with {}; end that one first, or set another DATA_DIR",
                std::process::id(),
                folder.display()
            )
        );
        drop(lock);
        FolderLock::take(&folder, "DATA_DIR").unwrap();
    }

    #[test]
    fn a_holder_that_cannot_be_told_is_not_named() {
        let folder = tempfile::tempdir().unwrap();
        let _lock = FolderLock::take(folder.path(), "DATA_DIR").unwrap();
        std::fs::write(folder.path().join(FILE_NAME), "").unwrap();
        let error = FolderLock::take(folder.path(), "DATA_DIR")
            .unwrap_err()
            .to_string();
        let expected = format!("another llm2api works with {}; ", folder.path().display());
        assert!(error.starts_with(&expected), "{error}");
    }
}
