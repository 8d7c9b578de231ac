//! The secret key: 32 bytes that encrypt what is at rest, given by a setting or kept in a file.

use std::{
    fmt, fs,
    io::{self, ErrorKind},
    path::Path,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};

use super::{StoreError, private_file};
use crate::config::SecretKeySource;

/// Bytes of a key.
pub(super) const KEY_SIZE_BYTES: usize = 32;

/// The key.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<[u8; KEY_SIZE_BYTES]>);

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretKey")
    }
}

impl SecretKey {
    /// Makes a key that nobody can guess.
    ///
    /// # Errors
    ///
    /// Where the system has no randomness.
    pub(super) fn random() -> io::Result<Self> {
        let mut key = Zeroizing::new([0; KEY_SIZE_BYTES]);
        getrandom::fill(key.as_mut()).map_err(io::Error::other)?;
        Ok(Self(key))
    }

    /// The key in base64; `None` where the text is none.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        // One byte more than a key, so that a longer one is seen to be longer.
        let mut decoded = Zeroizing::new([0; KEY_SIZE_BYTES + 4]);
        let size = BASE64_STANDARD
            .decode_slice(text.trim(), decoded.as_mut())
            .ok()?;
        let key = decoded.get(..size)?.try_into().ok()?;
        Some(Self(Zeroizing::new(key)))
    }

    /// The key as a setting or a file has it.
    #[must_use]
    pub fn to_base64(&self) -> SecretString {
        BASE64_STANDARD.encode(self.0.as_ref()).into()
    }

    /// Whether it is this one.
    pub(super) fn is(&self, other: &Self) -> bool {
        // In the same time wherever they differ.
        blake3::hash(self.bytes()) == blake3::hash(other.bytes())
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8; KEY_SIZE_BYTES] {
        &self.0
    }
}

/// Finds the key; makes it where it belongs into a file that isn't there.
///
/// # Errors
///
/// Where there is no usable key.
pub(super) fn find_or_make(source: &SecretKeySource) -> Result<SecretKey, StoreError> {
    let path = match source {
        SecretKeySource::Given(key) => return Ok(key.clone()),
        SecretKeySource::File(path) => path,
    };
    if let Some(key) = read(path)? {
        return Ok(key);
    }
    let failed = |error| StoreError::file(path, error);
    let key = SecretKey::random().map_err(failed)?;
    write_new(path, &key).map_err(failed)?;
    Ok(key)
}

/// Reads the key in a file; `None`: there is no such file.
///
/// # Errors
///
/// Where the file can't be read, or holds none.
pub(super) fn read(path: &Path) -> Result<Option<SecretKey>, StoreError> {
    match fs::read_to_string(path).map(Zeroizing::new) {
        Ok(text) => match SecretKey::from_base64(&text) {
            Some(key) => Ok(Some(key)),
            None => Err(StoreError::KeyFile {
                file: path.to_owned(),
            }),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::file(path, error)),
    }
}

/// Writes a key into a file that isn't there yet.
///
/// # Errors
///
/// Where something is there, or it can't be written.
pub(super) fn write_new(path: &Path, key: &SecretKey) -> io::Result<()> {
    let text = Zeroizing::new(format!("{}\n", key.to_base64().expose_secret()));
    private_file::write_new(path, text.as_bytes())
}
