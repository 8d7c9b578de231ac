//! Reading GGUF files: what a model says of itself, and its tensors.
//!
//! The format is described in ggml's docs/gguf.md. Versions 2 and 3 are read, little-endian. Tensors are read from the file rather
//! than mapped into memory: each is repacked as it is loaded, so that a mapping would serve once, and a mapped file that
//! someone truncates ends the process.

mod parse;
mod tensor;

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

pub(crate) use parse::Value;
pub(crate) use tensor::{Tensor, TensorType};

use crate::pages::Pages;

/// Why a file is no GGUF file, or not one that can be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GgufError {
    /// The file can't be read.
    #[error("can't be read")]
    Read(#[source] io::Error),
    /// It begins otherwise.
    #[error("is not a GGUF file")]
    NotGguf,
    /// A version that we don't know.
    #[error("is GGUF version {0}, where 2 and 3 are known")]
    Version(u32),
    /// It ends too early, or contradicts itself.
    #[error("is damaged: {0}")]
    Damaged(String),
    /// What must be there is not, or is something else.
    #[error("has no usable {0}")]
    Missing(String),
    /// A tensor in a format that we can't read.
    #[error("has tensor {name} in format {format}, which is not supported")]
    TensorType {
        /// The tensor's name.
        name: String,
        /// The format's name, or its number.
        format: String,
    },
}

/// An open GGUF file.
#[derive(Debug)]
pub(crate) struct Gguf {
    file: File,
    metadata: HashMap<String, Value>,
    tensors: HashMap<String, parse::TensorInfo>,
    /// Where the tensors' data begin.
    data_start: u64,
    file_size: u64,
}

impl Gguf {
    /// Opens a file and reads all but the tensors' data.
    ///
    /// # Errors
    ///
    /// A [`GgufError`] where it is not a whole GGUF file.
    pub(crate) fn open(path: &Path) -> Result<Self, GgufError> {
        let file = File::open(path).map_err(GgufError::Read)?;
        let file_size = file.metadata().map_err(GgufError::Read)?.len();
        let parsed = parse::parse(BufReader::with_capacity(1 << 20, &file), file_size)?;
        Ok(Self {
            metadata: parsed.metadata,
            tensors: parsed.tensors,
            data_start: parsed.data_start,
            file_size,
            file,
        })
    }

    /// A value of the metadata.
    pub(crate) fn value(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    /// A text of the metadata.
    ///
    /// # Errors
    ///
    /// [`GgufError::Missing`] where there is none of this name.
    pub(crate) fn text(&self, key: &str) -> Result<&str, GgufError> {
        self.value(key)
            .and_then(Value::as_str)
            .ok_or_else(|| missing(key))
    }

    /// A size or number of things.
    ///
    /// # Errors
    ///
    /// [`GgufError::Missing`] where there is none of this name.
    pub(crate) fn count(&self, key: &str) -> Result<usize, GgufError> {
        self.value(key)
            .and_then(Value::as_usize)
            .ok_or_else(|| missing(key))
    }

    /// A list.
    ///
    /// # Errors
    ///
    /// [`GgufError::Missing`] where there is none of this name.
    pub(crate) fn list(&self, key: &str) -> Result<&[Value], GgufError> {
        self.value(key)
            .and_then(Value::as_list)
            .ok_or_else(|| missing(key))
    }

    /// Whether there is a tensor of this name.
    pub(crate) fn has_tensor(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Reads a tensor.
    ///
    /// # Errors
    ///
    /// A [`GgufError`] where there is none of this name, its format is unknown, or it lies outside the file.
    pub(crate) fn tensor(&self, name: &str) -> Result<Tensor, GgufError> {
        let info = self
            .tensors
            .get(name)
            .ok_or_else(|| missing(&format!("tensor {name}")))?;
        let kind = TensorType::from_number(info.kind).map_err(|format| GgufError::TensorType {
            name: name.to_owned(),
            format,
        })?;
        let damaged = || GgufError::Damaged(format!("tensor {name} lies outside the file"));
        let size = kind.size(&info.shape).ok_or_else(damaged)?;
        let start = self
            .data_start
            .checked_add(info.offset)
            .ok_or_else(damaged)?;
        if start
            .checked_add(size)
            .is_none_or(|end| end > self.file_size)
        {
            return Err(damaged());
        }
        let size = usize::try_from(size).map_err(|_| damaged())?;
        let mut bytes = Pages::zeroed(size).map_err(GgufError::Read)?;
        let mut file = &self.file;
        file.seek(SeekFrom::Start(start))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(GgufError::Read)?;
        Ok(Tensor {
            kind,
            shape: info.shape.clone(),
            bytes,
        })
    }
}

fn missing(what: &str) -> GgufError {
    GgufError::Missing(what.to_owned())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod write;
