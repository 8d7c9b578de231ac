//! The model: a Llama-family transformer, loaded from a GGUF file.

mod attention;
mod forward;

use crate::{
    gguf::{Gguf, GgufError, Value},
    kernel::{Kernels, UnsupportedProcessor},
    matrix::{Matrix, PackError, pack},
    memory::{Memory, MemoryShape},
};

pub(crate) use forward::{Pass, Run};

/// Why a model can't be loaded from a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelError {
    /// The file.
    #[error(transparent)]
    File(#[from] GgufError),
    /// A tensor that is no matrix of the right shape.
    #[error("has tensor {name} that can't be used")]
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong.
        #[source]
        problem: PackError,
    },
    /// It needs something that we don't have.
    #[error("needs {0}, which is not supported")]
    Unsupported(String),
    /// The processor.
    #[error(transparent)]
    Processor(#[from] UnsupportedProcessor),
}

/// A model's sizes and constants, in the words of GGUF.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dimensions {
    /// Tokens that there are.
    pub(crate) vocabulary: usize,
    /// Tokens that it was trained to remember.
    pub(crate) context_length: usize,
    /// Numbers a token's vector.
    pub(crate) embedding: usize,
    /// Numbers in the middle of a layer's second half.
    pub(crate) feed_forward: usize,
    /// Query heads.
    pub(crate) heads: usize,
    /// What is remembered of a token.
    pub(crate) memory: MemoryShape,
    /// Numbers of a head that are turned by the token's position.
    pub(crate) rotated: usize,
    /// What is added before a root.
    pub(crate) epsilon: f32,
}

/// A model that can answer.
#[derive(Debug)]
pub(crate) struct Model {
    dimensions: Dimensions,
    kernels: Kernels,
    /// How fast each pair of a head turns from token to token, in radians.
    frequencies: Vec<f64>,
    embeddings: Matrix,
    layers: Vec<Layer>,
    output_norm: Vec<f32>,
    /// What turns a vector into the tokens' scores. `None`: the embeddings do.
    output: Option<Matrix>,
}

/// One layer's weights.
#[derive(Debug)]
struct Layer {
    attention_norm: Vec<f32>,
    /// Query, key and value.
    attention_inputs: [Matrix; 3],
    attention_output: Matrix,
    feed_forward_norm: Vec<f32>,
    /// Gate and up.
    feed_forward_inputs: [Matrix; 2],
    feed_forward_output: Matrix,
}

impl Model {
    /// Loads a model from a file.
    ///
    /// # Errors
    ///
    /// [`ModelError`] where the file or this processor is not fit.
    pub(crate) fn load(file: &Gguf) -> Result<Self, ModelError> {
        Self::load_for(file, Kernels::detect()?)
    }

    pub(crate) fn load_for(file: &Gguf, kernels: Kernels) -> Result<Self, ModelError> {
        let dimensions = Dimensions::read(file)?;
        let Dimensions {
            vocabulary,
            embedding,
            feed_forward,
            heads,
            memory,
            ..
        } = dimensions;
        let queries = heads * memory.head_size;
        let keys = memory.heads * memory.head_size;
        let layers = (0..memory.layers).map(|index| {
            let load = |name: &str, rows, columns| {
                matrix(file, &format!("blk.{index}.{name}.weight"), rows, columns)
            };
            let norm = |name: &str| vector(file, &format!("blk.{index}.{name}.weight"), embedding);
            Ok(Layer {
                attention_norm: norm("attn_norm")?,
                attention_inputs: [
                    load("attn_q", queries, embedding)?,
                    load("attn_k", keys, embedding)?,
                    load("attn_v", keys, embedding)?,
                ],
                attention_output: load("attn_output", embedding, queries)?,
                feed_forward_norm: norm("ffn_norm")?,
                feed_forward_inputs: [
                    load("ffn_gate", feed_forward, embedding)?,
                    load("ffn_up", feed_forward, embedding)?,
                ],
                feed_forward_output: load("ffn_down", embedding, feed_forward)?,
            })
        });
        Ok(Self {
            kernels,
            frequencies: frequencies(file, dimensions.rotated)?,
            embeddings: matrix(file, "token_embd.weight", vocabulary, embedding)?,
            layers: layers.collect::<Result<_, ModelError>>()?,
            output_norm: vector(file, "output_norm.weight", embedding)?,
            output: if file.has_tensor("output.weight") {
                Some(matrix(file, "output.weight", vocabulary, embedding)?)
            } else {
                None
            },
            dimensions,
        })
    }

    /// Its sizes and constants.
    pub(crate) fn dimensions(&self) -> &Dimensions {
        &self.dimensions
    }

    /// The kernels that it uses.
    pub(crate) fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// The memory of a conversation that hasn't begun.
    pub(crate) fn new_memory(&self) -> Memory {
        Memory::new(self.dimensions.memory)
    }
}

impl Dimensions {
    pub(crate) fn read(file: &Gguf) -> Result<Self, ModelError> {
        let architecture = file.text("general.architecture")?;
        if architecture != "llama" {
            return Err(ModelError::Unsupported(format!(
                "architecture {architecture}"
            )));
        }
        if file
            .value("llama.expert_count")
            .and_then(Value::as_usize)
            .unwrap_or(0)
            > 0
        {
            return Err(ModelError::Unsupported("a mixture of experts".to_owned()));
        }
        let count = |key: &str| file.count(&format!("llama.{key}"));
        let optional = |key: &str, default| {
            file.value(&format!("llama.{key}"))
                .and_then(Value::as_usize)
                .unwrap_or(default)
        };
        let embedding = count("embedding_length")?;
        let heads = count("attention.head_count")?;
        let key_heads = optional("attention.head_count_kv", heads);
        if heads == 0 || key_heads == 0 || !heads.is_multiple_of(key_heads) {
            return Err(odd("attention.head_count"));
        }
        let head_size = optional("attention.key_length", embedding / heads);
        let rotated = optional("rope.dimension_count", head_size);
        let dimensions = Self {
            vocabulary: file.list("tokenizer.ggml.tokens")?.len(),
            context_length: count("context_length")?,
            embedding,
            feed_forward: count("feed_forward_length")?,
            heads,
            memory: MemoryShape {
                layers: count("block_count")?,
                heads: key_heads,
                head_size,
            },
            rotated,
            epsilon: file
                .value("llama.attention.layer_norm_rms_epsilon")
                .and_then(Value::as_f32)
                .unwrap_or(1e-5),
        };
        // Far above any model of this family, and far below where a product of two would overflow.
        let most = 1 << 24;
        let sizes = [
            embedding,
            heads,
            head_size,
            dimensions.feed_forward,
            dimensions.memory.layers,
        ];
        if sizes.into_iter().any(|size| size == 0 || size > most) {
            return Err(odd("embedding_length"));
        }
        if optional("attention.value_length", head_size) != head_size
            || !head_size.is_multiple_of(8)
            || rotated > head_size
            || !rotated.is_multiple_of(2)
        {
            return Err(odd("attention.key_length"));
        }
        Ok(dimensions)
    }
}

fn odd(key: &str) -> ModelError {
    ModelError::Unsupported(format!("an unusual llama.{key}"))
}

fn matrix(file: &Gguf, name: &str, rows: usize, columns: usize) -> Result<Matrix, ModelError> {
    pack(&file.tensor(name)?, rows, columns).map_err(|problem| ModelError::Tensor {
        name: name.to_owned(),
        problem,
    })
}

fn vector(file: &Gguf, name: &str, length: usize) -> Result<Vec<f32>, ModelError> {
    let tensor = file.tensor(name)?;
    if tensor.shape != [length as u64] {
        return Err(GgufError::Missing(format!("tensor {name} of {length} numbers")).into());
    }
    Ok(tensor.numbers())
}

/// How fast each of a head's pairs turns; Llama 3's files say by a tensor how much slower each is than usual.
fn frequencies(file: &Gguf, rotated: usize) -> Result<Vec<f64>, ModelError> {
    let base = file
        .value("llama.rope.freq_base")
        .and_then(Value::as_f32)
        .unwrap_or(10_000.0);
    let slowdown = match file
        .value("llama.rope.scaling.type")
        .and_then(Value::as_str)
    {
        None | Some("none") => 1.0,
        Some("linear") => file
            .value("llama.rope.scaling.factor")
            .and_then(Value::as_f32)
            .filter(|factor| *factor > 0.0)
            .ok_or_else(|| GgufError::Missing("llama.rope.scaling.factor".to_owned()))?,
        Some(other) => return Err(ModelError::Unsupported(format!("rope scaling {other}"))),
    };
    let factors = if file.has_tensor("rope_freqs.weight") {
        vector(file, "rope_freqs.weight", rotated / 2)?
    } else {
        vec![1.0; rotated / 2]
    };
    Ok(factors
        .into_iter()
        .enumerate()
        .map(|(pair, factor)| {
            let exponent = -((2 * pair) as f64) / rotated as f64;
            f64::from(base).powf(exponent) / f64::from(factor) / f64::from(slowdown)
        })
        .collect())
}

#[cfg(test)]
pub(crate) mod naive;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod tiny;
