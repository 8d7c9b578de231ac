//! The model once more, written for clearness alone: what the fast one is compared with.
//!
//! Everything is computed in double precision from the file's numbers, without rounding activations and without a memory.

use crate::gguf::{Gguf, Value};

/// The scores for the token after the last one.
pub(crate) fn scores(file: &Gguf, tokens: &[u32]) -> Vec<f64> {
    let count = |key: &str| file.count(key).unwrap();
    let heads = count("llama.attention.head_count");
    let key_heads = count("llama.attention.head_count_kv");
    let base = file
        .value("llama.rope.freq_base")
        .and_then(Value::as_f32)
        .unwrap();
    let embeddings = numbers(file, "token_embd.weight");
    let embedding = count("llama.embedding_length");
    let head_size = embedding / heads;

    let mut vectors: Vec<Vec<f64>> = tokens
        .iter()
        .map(|&token| embeddings[token as usize * embedding..][..embedding].to_vec())
        .collect();
    for layer in 0..count("llama.block_count") {
        let weights = |name: &str| numbers(file, &format!("blk.{layer}.{name}.weight"));
        let apply = |name: &str, vectors: &[Vec<f64>]| -> Vec<Vec<f64>> {
            let matrix = weights(name);
            vectors
                .iter()
                .map(|vector| multiply(&matrix, vector))
                .collect()
        };
        let normal = normalize(&vectors, &weights("attn_norm"));
        let mut queries = apply("attn_q", &normal);
        let mut keys = apply("attn_k", &normal);
        let values = apply("attn_v", &normal);
        for rows in [&mut queries, &mut keys] {
            for (position, row) in rows.iter_mut().enumerate() {
                rotate(row, head_size, position, f64::from(base));
            }
        }
        let attended: Vec<Vec<f64>> = (0..tokens.len())
            .map(|position| {
                (0..heads)
                    .flat_map(|head| {
                        let shared = head / (heads / key_heads) * head_size..;
                        let query = &queries[position][head * head_size..][..head_size];
                        let weights: Vec<f64> = keys[..=position]
                            .iter()
                            .map(|key| {
                                let key = &key[shared.clone()][..head_size];
                                let score: f64 = query.iter().zip(key).map(|(q, k)| q * k).sum();
                                (score / (head_size as f64).sqrt()).exp()
                            })
                            .collect();
                        let sum: f64 = weights.iter().sum();
                        let mut result = vec![0.0; head_size];
                        for (weight, value) in weights.iter().zip(&values) {
                            let value = &value[shared.clone()][..head_size];
                            for (result, value) in result.iter_mut().zip(value) {
                                *result += weight / sum * value;
                            }
                        }
                        result
                    })
                    .collect()
            })
            .collect();
        add(&mut vectors, &apply("attn_output", &attended));

        let normal = normalize(&vectors, &weights("ffn_norm"));
        let gates = apply("ffn_gate", &normal);
        let ups = apply("ffn_up", &normal);
        let gated: Vec<Vec<f64>> = gates
            .iter()
            .zip(&ups)
            .map(|(gates, ups)| {
                let pairs = gates.iter().zip(ups);
                pairs
                    .map(|(gate, up)| gate / (1.0 + (-gate).exp()) * up)
                    .collect()
            })
            .collect();
        add(&mut vectors, &apply("ffn_down", &gated));
    }
    let last = normalize(
        &vectors[tokens.len() - 1..],
        &numbers(file, "output_norm.weight"),
    );
    multiply(&embeddings, &last[0])
}

fn numbers(file: &Gguf, name: &str) -> Vec<f64> {
    file.tensor(name)
        .unwrap()
        .numbers()
        .into_iter()
        .map(f64::from)
        .collect()
}

fn multiply(matrix: &[f64], vector: &[f64]) -> Vec<f64> {
    matrix
        .chunks(vector.len())
        .map(|row| {
            row.iter()
                .zip(vector)
                .map(|(weight, number)| weight * number)
                .sum()
        })
        .collect()
}

fn normalize(vectors: &[Vec<f64>], weights: &[f64]) -> Vec<Vec<f64>> {
    vectors
        .iter()
        .map(|vector| {
            let mean =
                vector.iter().map(|number| number * number).sum::<f64>() / vector.len() as f64;
            let scale = 1.0 / (mean + 1e-5).sqrt();
            vector
                .iter()
                .zip(weights)
                .map(|(number, weight)| number * scale * weight)
                .collect()
        })
        .collect()
}

fn rotate(row: &mut [f64], head_size: usize, position: usize, base: f64) {
    for head in row.chunks_mut(head_size) {
        for (pair, numbers) in head.chunks_mut(2).enumerate() {
            let angle = position as f64 * base.powf(-((2 * pair) as f64) / head_size as f64);
            let (sine, cosine) = angle.sin_cos();
            let (x, y) = (numbers[0], numbers[1]);
            numbers[0] = x * cosine - y * sine;
            numbers[1] = x * sine + y * cosine;
        }
    }
}

fn add(sums: &mut [Vec<f64>], addends: &[Vec<f64>]) {
    for (sum, addend) in sums.iter_mut().flatten().zip(addends.iter().flatten()) {
        *sum += addend;
    }
}
