//! The folder with the model files, `DATA_DIR/models`, and which of them is served.

use std::{
    fs::{self, Metadata},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// What a model file's name ends with, in lower case or upper.
const EXTENSION: &str = "gguf";

/// A model's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelFile {
    /// The model's id: the file's name without `.gguf`, in lower case.
    pub(crate) id: String,
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its size.
    pub(crate) size_bytes: u64,
    /// When it was written: the newest is served.
    pub(crate) modified: SystemTime,
}

/// Where model files are kept.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("models")
}

/// The model files that are kept, by name; hidden ones are none, nor is what lies in a folder below.
///
/// # Errors
///
/// Where the folder can't be read. One that isn't there holds nothing.
pub(crate) fn files(data_dir: &Path) -> io::Result<Vec<ModelFile>> {
    let entries = match fs::read_dir(path(data_dir)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        // One that vanishes meanwhile, or a link that leads nowhere, is no model.
        if let Ok(metadata) = fs::metadata(&path)
            && metadata.is_file()
            && let Some(file) = ModelFile::new(path, &metadata)
        {
            files.push(file);
        }
    }
    files.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(files)
}

/// The one that is served where `LOCAL_MODEL` names none: the newest; of two equally new ones, the last by name.
pub(crate) fn newest(files: &[ModelFile]) -> Option<&ModelFile> {
    files
        .iter()
        .max_by_key(|file| (file.modified, file.path.as_path()))
}

/// The id of the model in this file, whatever the file's name ends with.
pub(crate) fn id(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    model_id(&name).unwrap_or_else(|| name.to_lowercase())
}

/// The id of the model in a file of this name; `None` where the name is no model file's.
pub(crate) fn model_id(file_name: &str) -> Option<String> {
    let (name, extension) = file_name.rsplit_once('.')?;
    let is_model = extension.eq_ignore_ascii_case(EXTENSION) && !name.is_empty();
    (is_model && !name.starts_with('.')).then(|| name.to_lowercase())
}

impl ModelFile {
    /// The file at a path, which may have any name.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            id: id(path),
            path: path.to_owned(),
            size_bytes: metadata.len(),
            modified: metadata.modified()?,
        })
    }

    fn new(path: PathBuf, metadata: &Metadata) -> Option<Self> {
        Some(Self {
            id: model_id(path.file_name()?.to_str()?)?,
            size_bytes: metadata.len(),
            modified: metadata.modified().ok()?,
            path,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, time::Duration};

    use tempfile::TempDir;

    use super::*;

    /// A file of this many bytes, written this many seconds after the epoch.
    fn write(data_dir: &TempDir, name: &str, size_bytes: u64, seconds: u64) -> ModelFile {
        let path = path(data_dir.path()).join(name);
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let file = File::create(&path).unwrap();
        file.set_len(size_bytes).unwrap();
        file.set_modified(modified).unwrap();
        ModelFile {
            id: name[..name.len() - 5].to_lowercase(),
            path,
            size_bytes,
            modified,
        }
    }

    #[test]
    fn model_files_are_listed_by_name_and_nothing_else_is() {
        let data_dir = TempDir::new().unwrap();
        assert_eq!(files(data_dir.path()).unwrap(), []);
        fs::create_dir_all(path(data_dir.path()).join("folder.gguf")).unwrap();
        let second = write(&data_dir, "b.Q4_1.GGUF", 2, 1);
        let first = write(&data_dir, "SmolLM2.Q4_1.gguf", 1, 2);
        write(&data_dir, ".c.gguf", 1, 1);
        write(&data_dir, ".gguf", 1, 1);
        write(&data_dir, "notes.txt", 1, 1);
        std::os::unix::fs::symlink("/nowhere", path(data_dir.path()).join("d.gguf")).unwrap();
        assert_eq!(
            files(data_dir.path()).unwrap(),
            [first.clone(), second.clone()]
        );
        assert_eq!(first.id, "smollm2.q4_1");
        assert_eq!(second.id, "b.q4_1");
    }

    #[test]
    fn the_newest_is_served_and_of_equally_new_ones_the_last_by_name() {
        let data_dir = TempDir::new().unwrap();
        fs::create_dir_all(path(data_dir.path())).unwrap();
        assert_eq!(newest(&[]), None);
        let newest_id = || {
            let files = files(data_dir.path()).unwrap();
            newest(&files).unwrap().id.clone()
        };
        write(&data_dir, "b.gguf", 1, 20);
        write(&data_dir, "c.gguf", 1, 10);
        assert_eq!(newest_id(), "b");
        write(&data_dir, "c.gguf", 1, 20);
        assert_eq!(newest_id(), "c");
    }

    #[test]
    fn a_file_that_is_named_by_its_path_may_be_called_anything() {
        for (path, expected) in [
            ("/a/Tiny.Q4_1.GGUF", "tiny.q4_1"),
            ("Tiny.bin", "tiny.bin"),
            ("/a/.gguf", ".gguf"),
        ] {
            assert_eq!(id(Path::new(path)), expected);
        }
    }
}
