//! The key for administration that the first start makes, in `DATA_DIR/admin.key`.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use secrecy::SecretString;

use crate::data_dir;

/// The file's name in `DATA_DIR`.
pub(crate) const FILE_NAME: &str = "admin.key";

/// What the key begins with, so that a leaked one is recognised.
const KEY_PREFIX: &str = "llm2api-admin-";

/// Random bytes of a key: 256 bits, beyond guessing.
const KEY_SIZE_BYTES: usize = 32;

/// Where the key lies.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE_NAME)
}

/// Reads the key.
///
/// # Errors
///
/// Where there is none, or it can't be read.
pub(crate) fn read(data_dir: &Path) -> anyhow::Result<SecretString> {
    let path = path(data_dir);
    let text = fs::read_to_string(&path)
        .with_context(|| format!("can't read the admin key in {}", path.display()))?;
    let key = text.trim();
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!(
            "{} holds no key; delete it, and the next start makes one",
            path.display()
        );
    }
    Ok(key.into())
}

/// Reads the key, and makes it where there is none. The folder is made too.
///
/// # Errors
///
/// What can't be read or written; for a folder that is not ours, what to do.
pub(crate) fn read_or_make(data_dir: &Path) -> anyhow::Result<SecretString> {
    let explain = |error| data_dir::not_writable(data_dir, &error, "DATA_DIR or ADMIN_KEY");
    data_dir::make(data_dir).map_err(explain)?;
    if !path(data_dir).exists() {
        make(data_dir).map_err(explain)?;
    }
    read(data_dir)
}

/// Writes a new key beside the file's place and links it there, so that whoever sees the file sees all of it; a key that another
/// process put there meanwhile stays.
fn make(data_dir: &Path) -> io::Result<()> {
    let mut random = [0; KEY_SIZE_BYTES];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();

    let unfinished = data_dir.join(format!(".{FILE_NAME}.{}", std::process::id()));
    let written = write_new(&unfinished, &format!("{KEY_PREFIX}{hex}\n"))
        .and_then(|()| fs::hard_link(&unfinished, path(data_dir)));
    // What remains would be a second copy of a key that may be in use.
    let removed = fs::remove_file(&unfinished);
    match written {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => removed.and_then(|()| File::open(data_dir)?.sync_all()),
    }
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn the_first_start_makes_a_key_that_later_ones_read() {
        let parent = tempfile::tempdir().unwrap();
        let data_dir = parent.path().join("a/data");
        let made = read_or_make(&data_dir).unwrap();
        let hex = made.expose_secret().strip_prefix(KEY_PREFIX).unwrap();
        assert_eq!(hex.len(), 2 * KEY_SIZE_BYTES);
        assert!(hex.bytes().all(|byte| byte.is_ascii_hexdigit()));

        let again = read_or_make(&data_dir).unwrap();
        assert_eq!(again.expose_secret(), made.expose_secret());

        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path(&data_dir)), 0o600);
        assert_eq!(mode(&data_dir), 0o700);
        let names: Vec<_> = fs::read_dir(&data_dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, [FILE_NAME]);
    }

    #[test]
    fn two_first_starts_at_once_agree_on_one_key() {
        let data_dir = tempfile::tempdir().unwrap();
        fs::write(path(data_dir.path()), "theirs\n").unwrap();
        make(data_dir.path()).unwrap();
        assert_eq!(read(data_dir.path()).unwrap().expose_secret(), "theirs");
    }

    #[test]
    fn an_empty_key_file_is_an_error_that_names_it() {
        let data_dir = tempfile::tempdir().unwrap();
        let path = path(data_dir.path());
        fs::write(&path, "\n").unwrap();
        assert_eq!(
            read_or_make(data_dir.path()).unwrap_err().to_string(),
            format!(
                "{} holds no key; delete it, and the next start makes one",
                path.display()
            )
        );
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named_with_what_to_run() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        let data_dir = file.join("data");
        let error = read_or_make(&data_dir).unwrap_err().to_string();
        let uid = rustix::process::getuid().as_raw();
        let beginning = format!("the folder {} is not writable: ", data_dir.display());
        let end = format!(
            "its owner is uid {uid}, we are uid {uid}: run `mkdir -p {0} && chown -R {uid} {0}`, or set DATA_DIR or ADMIN_KEY",
            data_dir.display()
        );
        assert!(
            error.starts_with(&beginning) && error.ends_with(&end),
            "{error}"
        );
    }
}
