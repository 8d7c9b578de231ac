//! Writes GGUF files, for tests.

use super::Value;

/// A file under way.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    metadata: Vec<u8>,
    metadata_count: u64,
    tensors: Vec<u8>,
    tensor_count: u64,
    data: Vec<u8>,
}

impl Writer {
    /// Adds a value of the metadata.
    pub(crate) fn value(mut self, key: &str, value: &Value) -> Self {
        put_text(&mut self.metadata, key);
        self.metadata.extend(type_number(value).to_le_bytes());
        put_value(&mut self.metadata, value);
        self.metadata_count += 1;
        self
    }

    /// Adds a text.
    pub(crate) fn text(self, key: &str, text: &str) -> Self {
        self.value(key, &Value::Text(text.to_owned()))
    }

    /// Adds a size or number of things.
    pub(crate) fn count(self, key: &str, count: u64) -> Self {
        self.value(key, &Value::Unsigned(count))
    }

    /// Adds a tensor of a format's number.
    pub(crate) fn tensor(mut self, name: &str, shape: &[u64], kind: u32, bytes: &[u8]) -> Self {
        put_text(&mut self.tensors, name);
        self.tensors.extend((shape.len() as u32).to_le_bytes());
        for size in shape {
            self.tensors.extend(size.to_le_bytes());
        }
        self.tensors.extend(kind.to_le_bytes());
        self.tensors.extend((self.data.len() as u64).to_le_bytes());
        self.tensor_count += 1;
        self.data.extend(bytes);
        self.data.resize(self.data.len().next_multiple_of(32), 0);
        self
    }

    /// The file's bytes.
    pub(crate) fn finish(self) -> Vec<u8> {
        let mut file = b"GGUF".to_vec();
        file.extend(3_u32.to_le_bytes());
        file.extend(self.tensor_count.to_le_bytes());
        file.extend(self.metadata_count.to_le_bytes());
        file.extend(self.metadata);
        file.extend(self.tensors);
        file.resize(file.len().next_multiple_of(32), 0);
        file.extend(self.data);
        file
    }
}

fn type_number(value: &Value) -> u32 {
    match value {
        Value::Unsigned(_) => 10,
        Value::Signed(_) => 11,
        Value::Float(_) => 12,
        Value::Bool(_) => 7,
        Value::Text(_) => 8,
        Value::List(_) => 9,
    }
}

fn put_value(bytes: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Unsigned(number) => bytes.extend(number.to_le_bytes()),
        Value::Signed(number) => bytes.extend(number.to_le_bytes()),
        Value::Float(number) => bytes.extend(number.to_le_bytes()),
        Value::Bool(value) => bytes.push((*value).into()),
        Value::Text(text) => put_text(bytes, text),
        Value::List(values) => {
            bytes.extend(values.first().map_or(4, type_number).to_le_bytes());
            bytes.extend((values.len() as u64).to_le_bytes());
            for value in values {
                put_value(bytes, value);
            }
        }
    }
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}
