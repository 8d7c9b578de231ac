//! A model small enough to be made anew for each test: two layers, random weights, bytes as tokens.

use std::io::Write;

use tempfile::NamedTempFile;

use crate::{
    gguf::{Gguf, Value, write::Writer},
    half,
    tokenizer::to_character,
};

/// What a tiny model is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tiny {
    /// Its random numbers' seed.
    pub(crate) seed: u64,
    /// Its matrices' format.
    pub(crate) kind: Kind,
    /// The context length that it claims.
    pub(crate) context_length: u64,
}

/// Formats of a tiny model's matrices.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Four bits.
    Q4_1,
    /// Half precision.
    F16,
}

/// The usual one.
pub(crate) const TINY: Tiny = Tiny {
    seed: 1,
    kind: Kind::Q4_1,
    context_length: 512,
};

/// Tokens: three control tokens, the bytes, and four merged ones.
pub(crate) const VOCABULARY: u64 = 3 + 256 + 4;
const EMBEDDING: u64 = 64;
const FEED_FORWARD: u64 = 96;
const HEADS: u64 = 4;
const KEY_HEADS: u64 = 2;
const LAYERS: u64 = 2;

/// The file of a tiny model.
pub(crate) fn tiny_file(tiny: &Tiny) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(tiny.seed);
    let texts = |texts: &[String]| Value::List(texts.iter().cloned().map(Value::Text).collect());
    let mut tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
        .map(str::to_owned)
        .to_vec();
    tokens.extend((0..=255).map(|byte| to_character(byte).to_string()));
    tokens.extend(["he", "ll", "hell", "hello"].map(str::to_owned));
    let kinds = (0..tokens.len()).map(|token| Value::Unsigned(if token < 3 { 3 } else { 1 }));
    let merges = ["h e", "l l", "he ll", "hell o"].map(str::to_owned);
    let mut writer = Writer::default()
        .text("general.architecture", "llama")
        .count("llama.block_count", LAYERS)
        .count("llama.context_length", tiny.context_length)
        .count("llama.embedding_length", EMBEDDING)
        .count("llama.feed_forward_length", FEED_FORWARD)
        .count("llama.attention.head_count", HEADS)
        .count("llama.attention.head_count_kv", KEY_HEADS)
        .value("llama.rope.freq_base", &Value::Float(10_000.0))
        .value("llama.attention.layer_norm_rms_epsilon", &Value::Float(1e-5))
        .text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", "smollm")
        .value("tokenizer.ggml.tokens", &texts(&tokens))
        .value("tokenizer.ggml.token_type", &Value::List(kinds.collect()))
        .value("tokenizer.ggml.merges", &texts(&merges))
        .count("tokenizer.ggml.bos_token_id", 1)
        .count("tokenizer.ggml.eos_token_id", 2)
        .text(
            "tokenizer.chat_template",
            "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n\
             {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        )
        .tensor("token_embd.weight", &[EMBEDDING, VOCABULARY], 8, &q8_0(&mut random, EMBEDDING * VOCABULARY))
        .tensor("output_norm.weight", &[EMBEDDING], 0, &norm(&mut random));
    for layer in 0..LAYERS {
        let key_size = EMBEDDING / HEADS * KEY_HEADS;
        for (name, columns, rows) in [
            ("attn_q", EMBEDDING, EMBEDDING),
            ("attn_k", EMBEDDING, key_size),
            ("attn_v", EMBEDDING, key_size),
            ("attn_output", EMBEDDING, EMBEDDING),
            ("ffn_gate", EMBEDDING, FEED_FORWARD),
            ("ffn_up", EMBEDDING, FEED_FORWARD),
            ("ffn_down", FEED_FORWARD, EMBEDDING),
        ] {
            let (kind, bytes) = match tiny.kind {
                Kind::Q4_1 => (3, q4_1(&mut random, columns * rows)),
                Kind::F16 => (1, f16(&mut random, columns * rows)),
            };
            writer = writer.tensor(
                &format!("blk.{layer}.{name}.weight"),
                &[columns, rows],
                kind,
                &bytes,
            );
        }
        for name in ["attn_norm", "ffn_norm"] {
            let bytes = norm(&mut random);
            writer = writer.tensor(
                &format!("blk.{layer}.{name}.weight"),
                &[EMBEDDING],
                0,
                &bytes,
            );
        }
    }
    writer.finish()
}

/// The same on a disk.
pub(crate) fn tiny_path(tiny: &Tiny) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&tiny_file(tiny)).unwrap();
    file
}

/// The same, open.
pub(crate) fn tiny(tiny: &Tiny) -> Gguf {
    Gguf::open(tiny_path(tiny).path()).unwrap()
}

fn q8_0(random: &mut fastrand::Rng, count: u64) -> Vec<u8> {
    let block = |_| {
        let mut block = half::from_f32(0.002 + 0.01 * random.f32())
            .to_le_bytes()
            .to_vec();
        block.extend((0..32).map(|_| random.i8(-127..=127).cast_unsigned()));
        block
    };
    (0..count / 32).flat_map(block).collect()
}

fn q4_1(random: &mut fastrand::Rng, count: u64) -> Vec<u8> {
    let block = |_| {
        let scale = 0.02 + 0.03 * random.f32();
        let mut block = [scale, -7.5 * scale]
            .map(|number| half::from_f32(number).to_le_bytes())
            .concat();
        block.extend((0..16).map(|_| random.u8(..)));
        block
    };
    (0..count / 32).flat_map(block).collect()
}

fn f16(random: &mut fastrand::Rng, count: u64) -> Vec<u8> {
    (0..count)
        .flat_map(|_| half::from_f32(random.f32() - 0.5).to_le_bytes())
        .collect()
}

fn norm(random: &mut fastrand::Rng) -> Vec<u8> {
    (0..EMBEDDING)
        .flat_map(|_| (0.5 + random.f32()).to_le_bytes())
        .collect()
}
