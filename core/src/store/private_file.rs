//! Files for their owner's eyes only, whole or not there.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Read and written by the owner, whatever the process's umask.
const MODE: u32 = 0o600;

/// Makes an empty file; one that is there keeps what it holds.
pub(super) fn make(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(MODE)
        .open(path)?;
    close_to_others(&file)?;
    Ok(file)
}

/// Makes a file that isn't there yet.
pub(super) fn make_new(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(path)?;
    close_to_others(&file)?;
    Ok(file)
}

/// Takes away what others, or the umask, may do and leave undone. A file system without permissions is left as it is.
fn close_to_others(file: &File) -> io::Result<()> {
    if file.metadata()?.permissions().mode() & 0o777 == MODE {
        return Ok(());
    }
    file.set_permissions(Permissions::from_mode(MODE))
}

/// Writes a file that isn't there yet: beside its place first, then linked there, so that whoever sees it sees all of it, also after a
/// power cut.
///
/// # Errors
///
/// `AlreadyExists` where something is there; it stays as it is.
pub(super) fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = unfinished(path);
    let written = remove_if_there(&unfinished)
        .and_then(|()| make_new(&unfinished))
        .and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        })
        .and_then(|()| fs::hard_link(&unfinished, path));
    let removed = remove_if_there(&unfinished);
    written.and(removed)?;
    sync_folder(path)
}

/// Where a file is written before it is whole: hidden, beside it, of this process alone.
pub(super) fn unfinished(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

/// Makes a name that was given or taken in a file's folder survive a power cut.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// Removes a file, if it is there.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
