//! The file that `backup` writes and `restore` reads: a tar archive of few files, whose names are known.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

/// The database.
pub(super) const DATABASE: &str = "llm2api.db";
/// What opens it.
pub(super) const SECRET_KEY: &str = "secret.key";
/// The key for administration.
pub(super) const ADMIN_KEY: &str = crate::admin_key::FILE_NAME;

/// Files of an archive are for their owner only.
const MODE: u32 = 0o600;

/// A file or folder that goes when this is dropped.
#[derive(Debug)]
pub(super) struct Temporary(pub(super) PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // Where it was moved away, or never made, there is nothing to do; an orphan is hidden and for its owner only.
        let _ = if self.0.is_dir() {
            fs::remove_dir_all(&self.0)
        } else {
            fs::remove_file(&self.0)
        };
    }
}

/// A hidden name beside a file, of this process alone.
pub(super) fn temporary_beside(file: &Path, end: &str) -> Temporary {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    Temporary(file.with_file_name(format!(".{name}.{}{end}", std::process::id())))
}

/// Makes a file that isn't there yet, for its owner only.
///
/// # Errors
///
/// Where that can't be done.
pub(super) fn make(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(path)
}

/// Writes an archive that appears whole or not at all.
pub(super) struct Writer {
    file: PathBuf,
    unfinished: Temporary,
    archive: tar::Builder<File>,
}

impl Writer {
    /// Begins an archive at a place where nothing is.
    ///
    /// # Errors
    ///
    /// Where something is, or nothing can be written.
    pub(super) fn begin(file: &Path) -> anyhow::Result<Self> {
        if file.symlink_metadata().is_ok() {
            bail!("{} is there already; name another file", file.display());
        }
        let unfinished = temporary_beside(file, "");
        let made = make(&unfinished.0)
            .with_context(|| format!("can't write beside {}", file.display()))?;
        Ok(Self {
            file: file.to_owned(),
            unfinished,
            archive: tar::Builder::new(made),
        })
    }

    /// Adds a file of this size.
    ///
    /// # Errors
    ///
    /// Where it can't be read or written.
    pub(super) fn add(&mut self, name: &str, size: u64, content: impl Read) -> anyhow::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(MODE);
        header.set_entry_type(tar::EntryType::Regular);
        self.archive
            .append_data(&mut header, name, content)
            .with_context(|| format!("can't write {name} into {}", self.file.display()))
    }

    /// Ends the archive and puts it in its place. Its size.
    ///
    /// # Errors
    ///
    /// Where it can't be written.
    pub(super) fn finish(self) -> anyhow::Result<u64> {
        let placed = self.archive.into_inner().and_then(|written| {
            written.sync_all()?;
            fs::hard_link(&self.unfinished.0, &self.file)?;
            Ok(written.metadata()?.len())
        });
        placed.with_context(|| format!("can't write {}", self.file.display()))
    }
}

/// What was in an archive: files in a folder that goes with this.
#[derive(Debug)]
pub(super) struct Unpacked {
    folder: Temporary,
}

impl Unpacked {
    /// The file of this name, where there was one.
    pub(super) fn file(&self, name: &str) -> Option<PathBuf> {
        let path = self.folder.0.join(name);
        path.exists().then_some(path)
    }
}

/// Unpacks an archive into a folder that isn't there yet.
///
/// # Errors
///
/// Where it can't be read, has no database in it, or has anything in it that `backup` doesn't write.
pub(super) fn unpack(file: &Path, folder: Temporary) -> anyhow::Result<Unpacked> {
    let opened = File::open(file).with_context(|| format!("can't read {}", file.display()))?;
    crate::data_dir::make(&folder.0)
        .with_context(|| format!("can't make {}", folder.0.display()))?;
    let unpacked = Unpacked { folder };
    let mut names = Vec::new();
    let not_ours = || format!("{} is no backup of llm2api", file.display());
    for entry in tar::Archive::new(opened).entries().with_context(not_ours)? {
        let mut entry = entry.with_context(not_ours)?;
        let path = entry.path().with_context(not_ours)?.into_owned();
        let known = [DATABASE, SECRET_KEY, ADMIN_KEY].map(Path::new);
        let is_file = entry.header().entry_type() == tar::EntryType::Regular;
        if !is_file || !known.contains(&path.as_path()) || names.contains(&path) {
            bail!("{}: it has {} in it", not_ours(), path.display());
        }
        let target = unpacked.folder.0.join(&path);
        let written = make(&target).and_then(|mut target| {
            io::copy(&mut entry, &mut target)?;
            target.sync_all()
        });
        written.with_context(|| format!("can't unpack {}", path.display()))?;
        names.push(path);
    }
    if unpacked.file(DATABASE).is_none() {
        bail!("{}: it has no {DATABASE} in it", not_ours());
    }
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(folder: &Path, entries: &[(&str, tar::EntryType)]) -> PathBuf {
        let path = folder.join("some.tar");
        let mut builder = tar::Builder::new(File::create(&path).unwrap());
        for (name, kind) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            header.set_mode(0o600);
            header.set_entry_type(*kind);
            // `append_data` would refuse such names.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            if *kind == tar::EntryType::Symlink {
                header.set_link_name("/etc/passwd").unwrap();
            }
            header.set_cksum();
            builder.append(&header, io::empty()).unwrap();
        }
        builder.into_inner().unwrap();
        path
    }

    #[test]
    fn an_archive_with_anything_else_in_it_is_refused_and_leaves_nothing() {
        let regular = tar::EntryType::Regular;
        for entries in [
            &[(DATABASE, regular), ("../outside", regular)][..],
            &[(DATABASE, regular), ("/outside", regular)],
            &[(DATABASE, regular), ("sub/secret.key", regular)],
            &[(DATABASE, tar::EntryType::Symlink)],
            &[(DATABASE, regular), (DATABASE, regular)],
            &[(SECRET_KEY, regular)],
            &[],
        ] {
            let parent = tempfile::tempdir().unwrap();
            let file = archive(parent.path(), entries);
            let folder = Temporary(parent.path().join("unpacked"));
            let error = unpack(&file, folder).unwrap_err().to_string();
            let beginning = format!("{} is no backup of llm2api: it has ", file.display());
            assert!(error.starts_with(&beginning), "{error}");
            let left: Vec<_> = fs::read_dir(parent.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            assert_eq!(left, ["some.tar"]);
        }
    }

    #[test]
    fn a_file_that_is_no_archive_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("some.tar");
        fs::write(&file, [b'x'; 2000]).unwrap();
        let error = unpack(&file, Temporary(parent.path().join("unpacked"))).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{} is no backup of llm2api", file.display())
        );
    }
}
