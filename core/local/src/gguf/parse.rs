//! The file's head: metadata, and where each tensor lies.
//!
//! Nothing in it is believed: a length counts only as far as the file goes, and no more memory is taken than bytes have been read.

use std::{collections::HashMap, io::Read};

use super::GgufError;

/// Lists within lists that are read; the format has no use for any.
const MAX_DEPTH: u32 = 4;
/// Dimensions that a tensor may have: ggml's own limit.
const MAX_DIMENSIONS: u32 = 4;
/// Elements for which memory is taken before they have been read.
const MAX_RESERVED: usize = 1 << 16;

/// A value of the metadata.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// A number without sign.
    Unsigned(u64),
    /// A number with a sign.
    Signed(i64),
    /// A fraction.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Value>),
}

impl Value {
    /// The text, where it is one.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The size or index, where it is one.
    pub(crate) fn as_usize(&self) -> Option<usize> {
        match *self {
            Self::Unsigned(number) => number.try_into().ok(),
            Self::Signed(number) => number.try_into().ok(),
            _ => None,
        }
    }

    /// The number, where it is one.
    pub(crate) fn as_f32(&self) -> Option<f32> {
        match *self {
            Self::Float(number) => Some(number as f32),
            Self::Unsigned(number) => Some(number as f32),
            Self::Signed(number) => Some(number as f32),
            _ => None,
        }
    }

    /// Yes or no, where it is that.
    pub(crate) fn as_bool(&self) -> Option<bool> {
        match *self {
            Self::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The list, where it is one.
    pub(crate) fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(values) => Some(values),
            _ => None,
        }
    }
}

/// Where a tensor lies and what it is.
#[derive(Debug)]
pub(super) struct TensorInfo {
    /// Its dimensions, that of the row first.
    pub(super) shape: Vec<u64>,
    /// Its format's number.
    pub(super) kind: u32,
    /// Its first byte, counted from the data's begin.
    pub(super) offset: u64,
}

/// The head of a file.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) metadata: HashMap<String, Value>,
    pub(super) tensors: HashMap<String, TensorInfo>,
    /// Where the tensors' data begin in the file.
    pub(super) data_start: u64,
}

/// Reads the head of a file of `size` bytes.
pub(super) fn parse(input: impl Read, size: u64) -> Result<Head, GgufError> {
    let mut reader = Reader {
        input,
        position: 0,
        size,
    };
    if size < 8 || reader.bytes::<4>()? != *b"GGUF" {
        return Err(GgufError::NotGguf);
    }
    let version = u32::from_le_bytes(reader.bytes()?);
    if !(2..=3).contains(&version) {
        return Err(GgufError::Version(version));
    }
    let tensor_count = u64::from_le_bytes(reader.bytes()?);
    let metadata_count = u64::from_le_bytes(reader.bytes()?);
    let mut metadata = HashMap::new();
    for _ in 0..metadata_count {
        let key = reader.text()?;
        let kind = u32::from_le_bytes(reader.bytes()?);
        let value = reader.value(kind, 0)?;
        if metadata.insert(key, value).is_some() {
            return Err(damaged("a key of the metadata is there twice"));
        }
    }
    let mut tensors = HashMap::new();
    for _ in 0..tensor_count {
        let name = reader.text()?;
        if tensors.insert(name, reader.tensor_info()?).is_some() {
            return Err(damaged("a tensor is there twice"));
        }
    }
    let alignment = match metadata.get("general.alignment") {
        None => 32,
        Some(Value::Unsigned(alignment)) if alignment.is_power_of_two() => *alignment,
        Some(_) => return Err(damaged("the alignment is no power of two")),
    };
    let data_start = reader
        .position
        .checked_next_multiple_of(alignment)
        .ok_or_else(|| damaged("the alignment is too large"))?;
    Ok(Head {
        metadata,
        tensors,
        data_start,
    })
}

/// Reads and counts.
struct Reader<R> {
    input: R,
    position: u64,
    size: u64,
}

impl<R: Read> Reader<R> {
    fn bytes<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], GgufError> {
        let mut bytes = [0; COUNT];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), GgufError> {
        self.claim(bytes.len() as u64)?;
        self.input.read_exact(bytes).map_err(GgufError::Read)?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Fails unless so many bytes are left.
    fn claim(&self, count: u64) -> Result<(), GgufError> {
        if count > self.size - self.position {
            return Err(damaged("it ends too early"));
        }
        Ok(())
    }

    fn text(&mut self) -> Result<String, GgufError> {
        let length = u64::from_le_bytes(self.bytes()?);
        self.claim(length)?;
        let length = usize::try_from(length).map_err(|_| damaged("a text is too long"))?;
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| damaged("a text is not UTF-8"))
    }

    fn value(&mut self, kind: u32, depth: u32) -> Result<Value, GgufError> {
        Ok(match kind {
            0 => Value::Unsigned(u8::from_le_bytes(self.bytes()?).into()),
            1 => Value::Signed(i8::from_le_bytes(self.bytes()?).into()),
            2 => Value::Unsigned(u16::from_le_bytes(self.bytes()?).into()),
            3 => Value::Signed(i16::from_le_bytes(self.bytes()?).into()),
            4 => Value::Unsigned(u32::from_le_bytes(self.bytes()?).into()),
            5 => Value::Signed(i32::from_le_bytes(self.bytes()?).into()),
            6 => Value::Float(f32::from_le_bytes(self.bytes()?).into()),
            7 => Value::Bool(self.bytes::<1>()? != [0]),
            8 => Value::Text(self.text()?),
            9 if depth < MAX_DEPTH => {
                let kind = u32::from_le_bytes(self.bytes()?);
                let count = u64::from_le_bytes(self.bytes()?);
                // Each element has a byte at least.
                self.claim(count)?;
                let mut values = Vec::with_capacity((count as usize).min(MAX_RESERVED));
                for _ in 0..count {
                    values.push(self.value(kind, depth + 1)?);
                }
                Value::List(values)
            }
            10 => Value::Unsigned(u64::from_le_bytes(self.bytes()?)),
            11 => Value::Signed(i64::from_le_bytes(self.bytes()?)),
            12 => Value::Float(f64::from_le_bytes(self.bytes()?)),
            _ => return Err(damaged("a value has an unknown type")),
        })
    }

    fn tensor_info(&mut self) -> Result<TensorInfo, GgufError> {
        let dimensions = u32::from_le_bytes(self.bytes()?);
        if dimensions > MAX_DIMENSIONS {
            return Err(damaged("a tensor has too many dimensions"));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            shape.push(u64::from_le_bytes(self.bytes()?));
        }
        Ok(TensorInfo {
            shape,
            kind: u32::from_le_bytes(self.bytes()?),
            offset: u64::from_le_bytes(self.bytes()?),
        })
    }
}

fn damaged(what: &str) -> GgufError {
    GgufError::Damaged(what.to_owned())
}
