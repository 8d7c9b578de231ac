//! The file that a model is written to until it is whole and checked: hidden beside its place, and moved there at once.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use serde_json::{Value, json};

use super::{
    checksum::Sha256,
    gguf::{self, HEAD_SIZE},
    progress::Progress,
    quantity,
    source::FileName,
};
use crate::{data_dir, model_folder};

/// A model's file that is not finished. Removed when dropped, unless it is kept for another run to go on with.
#[derive(Debug)]
pub(super) struct Unfinished {
    /// Locked while this lives: two runs never write to one file.
    file: File,
    path: PathBuf,
    /// What another run must know to go on.
    record_path: PathBuf,
    /// Where the finished file goes.
    target: PathBuf,
    length: u64,
    kept: bool,
}

/// Of which version of which file the bytes are that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    /// The checksum of its address, which may hold what must not be written down.
    pub(super) source: String,
    /// What the server calls this version of it: a strong entity tag, or a date.
    pub(super) validator: String,
    /// How long it is in all.
    pub(super) total_bytes: Option<u64>,
}

impl Unfinished {
    /// Opens the unfinished file of this name, with whatever an interrupted run left in it.
    ///
    /// # Errors
    ///
    /// Where `DATA_DIR` can't be written, or another run writes to the file now.
    pub(super) fn open(data_dir: &Path, name: &FileName) -> anyhow::Result<Self> {
        let folder = model_folder::path(data_dir);
        let explain = |error| {
            let shown = if folder.exists() { &folder } else { data_dir };
            data_dir::not_writable(shown, &error, "DATA_DIR")
        };
        data_dir::make(&folder).map_err(explain)?;
        let path = folder.join(format!(".{name}.part"));
        let file = loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(explain)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    bail!("another llm2api is just adding {name}")
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("can't lock {}", path.display()));
                }
            }
            // Another run may have moved or removed it between the two: then it is another file's by now.
            if is_at(&file, &path) {
                break file;
            }
        };
        let length = file.metadata().map_err(explain)?.len();
        Ok(Self {
            record_path: folder.join(format!(".{name}.part.json")),
            target: folder.join(name.as_path()),
            path,
            file,
            length,
            kept: false,
        })
    }

    /// Bytes that are there.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The file itself.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Of which version the bytes are that are there, where that was written down.
    pub(super) fn version(&self) -> Option<Version> {
        let record = fs::read_to_string(&self.record_path).ok()?;
        Version::read(&serde_json::from_str(&record).ok()?)
    }

    /// Empties it. With a version it is kept if this run is interrupted, for the next one to go on; without, it is removed then.
    ///
    /// # Errors
    ///
    /// Where that can't be written.
    pub(super) fn begin(&mut self, version: Option<&Version>) -> anyhow::Result<()> {
        self.length = 0;
        self.kept = version.is_some();
        self.empty()
            .and_then(|()| match version {
                Some(version) => fs::write(&self.record_path, version.record().to_string()),
                None => Ok(()),
            })
            .with_context(|| format!("can't write {}", self.path.display()))
    }

    /// Takes away what is there, its record first: no other bytes must ever be taken for those it tells of.
    fn empty(&mut self) -> io::Result<()> {
        match fs::remove_file(&self.record_path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.file.set_len(0)?;
        self.file.rewind()
    }

    /// Goes on after the bytes that are there.
    ///
    /// # Errors
    ///
    /// Where the file can't be used.
    pub(super) fn go_on(&mut self) -> anyhow::Result<()> {
        self.kept = true;
        self.file
            .seek(SeekFrom::Start(self.length))
            .map(drop)
            .with_context(|| format!("can't write {}", self.path.display()))
    }

    /// Says that so many bytes are there now, however they came.
    pub(super) fn set_length(&mut self, length: u64) {
        self.length = length;
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    ///
    /// Where they can't be written.
    pub(super) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.file
            .write_all(bytes)
            .with_context(|| format!("can't write {}", self.path.display()))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Looks whether there is room for so many bytes more.
    ///
    /// # Errors
    ///
    /// How much there is, where it is too little.
    pub(super) fn check_room(&self, needed_bytes: u64) -> anyhow::Result<()> {
        // A file system that doesn't tell may have room.
        let Ok(system) = rustix::fs::fstatvfs(&self.file) else {
            return Ok(());
        };
        let free_bytes = system.f_bavail.saturating_mul(system.f_frsize);
        if free_bytes < needed_bytes {
            bail!(
                "no space for {}: {} are free in {}, and {} are needed",
                self.target.display(),
                quantity::size(free_bytes),
                self.path.parent().unwrap_or(&self.path).display(),
                quantity::size(needed_bytes)
            );
        }
        Ok(())
    }

    /// Looks whether what is there begins as a GGUF file does; where too little is there to tell, it does.
    ///
    /// # Errors
    ///
    /// What it is instead, to be read after the file's name. Then it is not kept.
    pub(super) fn check_head(&mut self) -> anyhow::Result<Result<(), String>> {
        if self.length < HEAD_SIZE as u64 {
            return Ok(Ok(()));
        }
        let mut head = [0; HEAD_SIZE];
        self.file.rewind()?;
        self.file.read_exact(&mut head)?;
        self.file.seek(SeekFrom::Start(self.length))?;
        let checked = gguf::check_head(head);
        self.kept &= checked.is_ok();
        Ok(checked)
    }

    /// Checks the whole, then puts it in its place. What was there before is there until then.
    ///
    /// # Errors
    ///
    /// What is wrong with it; then it is removed.
    pub(super) async fn finish(
        mut self,
        source: &str,
        expected: Option<Sha256>,
        progress: &mut Progress,
    ) -> anyhow::Result<Sha256> {
        self.check_head()?
            .and_then(|()| match self.length < HEAD_SIZE as u64 {
                true => Err("is not a GGUF file".to_owned()),
                false => Ok(()),
            })
            .map_err(|problem| anyhow!("{source} {problem}"))?;
        progress.begin("checking", 0, Some(self.length));
        let checksum = Sha256::of(&self.file, progress)
            .await
            .with_context(|| format!("can't read {}", self.path.display()))?;
        if let Some(expected) = expected
            && checksum != expected
        {
            // Whatever is wrong with it, going on would not mend it.
            self.kept = false;
            bail!("{source} has the SHA-256 {checksum}, and not {expected}; nothing was changed");
        }
        #[cfg(feature = "local")]
        if let Err(problem) = llm2api_core::check_model_file(&self.path) {
            self.kept = false;
            bail!("{source} {problem}");
        }
        self.put_in_place()
            .with_context(|| format!("can't write {}", self.target.display()))?;
        Ok(checksum)
    }

    fn put_in_place(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, &self.target)?;
        // Nothing is left to go on with. A record that remains is one of an empty file.
        let _ = fs::remove_file(&self.record_path);
        self.kept = true;
        match self.target.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

impl Version {
    fn record(&self) -> Value {
        json!({
            "source": self.source,
            "validator": self.validator,
            "total_bytes": self.total_bytes,
        })
    }

    fn read(record: &Value) -> Option<Self> {
        Some(Self {
            source: record["source"].as_str()?.to_owned(),
            validator: record["validator"].as_str()?.to_owned(),
            total_bytes: record["total_bytes"].as_u64(),
        })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.kept {
            // What can't be removed is emptied by the next run.
            let _ = fs::remove_file(&self.path);
            let _ = fs::remove_file(&self.record_path);
        }
    }
}

/// Whether the file at a path is this one.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(this), Ok(there)) => (this.dev(), this.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}
