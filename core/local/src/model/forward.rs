//! A forward pass: tokens of several conversations at once go through all layers.
//!
//! Each conversation contributes a run of tokens: many while its prompt is read, one while it is answered. What a token
//! becomes does not depend, to the last bit, on what else is in the pass.

use super::{
    Layer, Model,
    attention::{self, Queries},
};
use crate::{
    activation::{ActivationBlock, BLOCK, quantize},
    disjoint::Disjoint,
    matrix::Matrix,
    memory::Memory,
    pool::Pool,
    vector,
};

/// Groups of rows that a task has at least: fewer would be done before another thread has taken its own.
const GROUPS_PER_TASK: usize = 4;
/// Tokens whose queries go through a page of the memory together.
const TOKENS_PER_ATTENTION: usize = 8;

/// The next tokens of one conversation.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    /// The tokens; one at least.
    pub(crate) tokens: &'a [u32],
    /// What came before them. Afterwards they are in it.
    pub(crate) memory: &'a mut Memory,
    /// Whether scores for the token after the last are wanted.
    pub(crate) wants_scores: bool,
}

/// The threads and the space that passes need.
#[derive(Debug)]
pub(crate) struct Pass {
    pool: Pool,
    vectors: Vec<f32>,
    changes: Vec<f32>,
    attention_inputs: Vec<f32>,
    attention_outputs: Vec<f32>,
    feed_forward_inputs: Vec<f32>,
    activations: Vec<ActivationBlock>,
    /// Each token's angles.
    angles: Vec<[f32; 2]>,
    scores: Vec<f32>,
}

impl Pass {
    /// Computes on the pool's threads.
    pub(crate) fn new(pool: Pool) -> Self {
        Self {
            pool,
            vectors: Vec::new(),
            changes: Vec::new(),
            attention_inputs: Vec::new(),
            attention_outputs: Vec::new(),
            feed_forward_inputs: Vec::new(),
            activations: Vec::new(),
            angles: Vec::new(),
            scores: Vec::new(),
        }
    }

    /// Sends runs through the model. Returns the scores of all tokens of the vocabulary, a row for each run that wants them.
    pub(crate) fn run(&mut self, model: &Model, runs: &mut [Run<'_>]) -> &[f32] {
        let dimensions = &model.dimensions;
        self.begin(model, runs);
        for (index, layer) in model.layers.iter().enumerate() {
            self.prepare(model, &layer.attention_norm, index > 0);
            self.attend(model, index, layer, runs);
            self.quantize(model, dimensions.heads * dimensions.memory.head_size);
            self.multiply_changes(model, &layer.attention_output);

            self.prepare(model, &layer.feed_forward_norm, true);
            self.feed_forward(model, layer);
            self.multiply_changes(model, &layer.feed_forward_output);
        }
        self.score(model, runs)
    }

    /// The tokens' embeddings and angles.
    fn begin(&mut self, model: &Model, runs: &mut [Run<'_>]) {
        let embedding = model.dimensions.embedding;
        let token_count: usize = runs.iter().map(|run| run.tokens.len()).sum();
        self.vectors.resize(token_count * embedding, 0.0);
        self.changes.resize(token_count * embedding, 0.0);
        self.angles.clear();
        let tokens = runs.iter().flat_map(|run| run.tokens);
        for (token, vector) in tokens.zip(self.vectors.chunks_exact_mut(embedding)) {
            model.embeddings.row(*token as usize, vector);
        }
        for run in runs {
            let start = run.memory.len();
            run.memory.grow(run.tokens.len());
            for position in start..run.memory.len() {
                self.angles
                    .extend(model.frequencies.iter().map(|frequency| {
                        let (sine, cosine) = (position as f64 * frequency).sin_cos();
                        [cosine as f32, sine as f32]
                    }));
            }
        }
    }

    /// Adds the last change, where there is one, to the vectors; and makes activations of them.
    fn prepare(&mut self, model: &Model, norm: &[f32], changed: bool) {
        let embedding = model.dimensions.embedding;
        let depth = embedding / BLOCK;
        let token_count = self.vectors.len() / embedding;
        self.activations
            .resize(token_count * depth, ActivationBlock::default());
        let vectors = Disjoint::new(&mut self.vectors);
        let activations = Disjoint::new(&mut self.activations);
        let changes = &self.changes;
        self.pool.split(token_count, 2, &|tokens| {
            let mut normal = vec![0.0; embedding];
            for token in tokens {
                let range = token * embedding..(token + 1) * embedding;
                #[expect(unsafe_code, reason = "tasks write to parts of one slice")]
                // SAFETY: this token's parts, and each token is in one task.
                let (vector, activations) = unsafe {
                    (
                        vectors.part(range.clone()),
                        activations.part(token * depth..(token + 1) * depth),
                    )
                };
                model.kernels.vectorize(|| {
                    if changed {
                        vector::add(vector, &changes[range]);
                    }
                    vector::normalize(vector, norm, model.dimensions.epsilon, &mut normal);
                    quantize(&normal, activations);
                });
            }
        });
    }

    /// The first half of a layer, up to each head's result.
    fn attend(&mut self, model: &Model, index: usize, layer: &Layer, runs: &mut [Run<'_>]) {
        let dimensions = &model.dimensions;
        let head_size = dimensions.memory.head_size;
        let (queries, keys) = (
            dimensions.heads * head_size,
            dimensions.memory.heads * head_size,
        );
        let stride = queries + 2 * keys;
        let token_count = self.vectors.len() / dimensions.embedding;
        self.attention_inputs.resize(token_count * stride, 0.0);
        let [query, key, value] = &layer.attention_inputs;
        multiply(
            model,
            &mut self.pool,
            &[(query, 0), (key, queries), (value, queries + keys)],
            &self.activations,
            &mut self.attention_inputs,
            stride,
        );
        self.rotate(model, queries + keys, stride);
        let mut rows = self.attention_inputs.chunks_exact(stride);
        for run in &mut *runs {
            let rows = rows.by_ref().take(run.tokens.len());
            run.memory
                .write(index, rows.map(|row| row[queries..].split_at(keys)));
        }

        self.attention_outputs.resize(token_count * queries, 0.0);
        let outputs = Disjoint::new(&mut self.attention_outputs);
        let inputs = &self.attention_inputs;
        let tiles = tiles(runs);
        let runs = &*runs;
        let rows_per_token = dimensions.heads / dimensions.memory.heads;
        let width = rows_per_token * head_size;
        self.pool
            .split(tiles.len() * dimensions.memory.heads, 1, &|tasks| {
                let mut scratch = attention::Scratch::default();
                let mut gathered = vec![0.0; TOKENS_PER_ATTENTION * width];
                let mut results = vec![0.0; TOKENS_PER_ATTENTION * width];
                for task in tasks {
                    let tile = &tiles[task / dimensions.memory.heads];
                    let head = task % dimensions.memory.heads;
                    let size = tile.count * width;
                    for (index, rows) in gathered[..size].chunks_exact_mut(width).enumerate() {
                        rows.copy_from_slice(
                            &inputs[(tile.token + index) * stride + head * width..][..width],
                        );
                    }
                    let queries_of_tile = Queries {
                        rows: &gathered[..size],
                        rows_per_token,
                        position: tile.position,
                    };
                    attention::attend(
                        model.kernels,
                        runs[tile.run].memory,
                        (index, head, head_size),
                        &queries_of_tile,
                        &mut scratch,
                        &mut results[..size],
                    );
                    for (index, rows) in results[..size].chunks_exact(width).enumerate() {
                        let start = (tile.token + index) * queries + head * width;
                        #[expect(unsafe_code, reason = "tasks write to parts of one slice")]
                        // SAFETY: this tile's and head's elements, and each is in one task.
                        unsafe { outputs.part(start..start + width) }.copy_from_slice(rows);
                    }
                }
            });
    }

    /// Turns queries and keys by their positions.
    fn rotate(&mut self, model: &Model, turned: usize, stride: usize) {
        let head_size = model.dimensions.memory.head_size;
        let pairs = model.frequencies.len();
        let inputs = Disjoint::new(&mut self.attention_inputs);
        let angles = &self.angles;
        self.pool.split(angles.len() / pairs, 4, &|tokens| {
            for token in tokens {
                let start = token * stride;
                #[expect(unsafe_code, reason = "tasks write to parts of one slice")]
                // SAFETY: this token's part, and each token is in one task.
                let heads = unsafe { inputs.part(start..start + turned) };
                let angles = &angles[token * pairs..][..pairs];
                model
                    .kernels
                    .vectorize(|| vector::rotate(heads, head_size, angles));
            }
        });
    }

    /// Makes activations of the heads' results.
    fn quantize(&mut self, model: &Model, size: usize) {
        let depth = size / BLOCK;
        let token_count = self.attention_outputs.len() / size;
        self.activations
            .resize(token_count * depth, ActivationBlock::default());
        let activations = Disjoint::new(&mut self.activations);
        let outputs = &self.attention_outputs;
        self.pool.split(token_count, 4, &|tokens| {
            #[expect(unsafe_code, reason = "tasks write to parts of one slice")]
            // SAFETY: these tokens' part, and each token is in one task.
            let activations = unsafe { activations.part(tokens.start * depth..tokens.end * depth) };
            model.kernels.vectorize(|| {
                quantize(
                    &outputs[tokens.start * size..tokens.end * size],
                    activations,
                );
            });
        });
    }

    /// The second half of a layer, up to the activations for its last matrix.
    fn feed_forward(&mut self, model: &Model, layer: &Layer) {
        let size = model.dimensions.feed_forward;
        let depth = size / BLOCK;
        let token_count = self.vectors.len() / model.dimensions.embedding;
        self.feed_forward_inputs.resize(token_count * 2 * size, 0.0);
        let [gate, up] = &layer.feed_forward_inputs;
        multiply(
            model,
            &mut self.pool,
            &[(gate, 0), (up, size)],
            &self.activations,
            &mut self.feed_forward_inputs,
            2 * size,
        );
        self.activations
            .resize(token_count * depth, ActivationBlock::default());
        let activations = Disjoint::new(&mut self.activations);
        let inputs = &self.feed_forward_inputs;
        self.pool.split(token_count, 1, &|tokens| {
            let mut gated = vec![0.0; size];
            for token in tokens {
                let (gates, ups) = inputs[token * 2 * size..][..2 * size].split_at(size);
                #[expect(unsafe_code, reason = "tasks write to parts of one slice")]
                // SAFETY: this token's part, and each token is in one task.
                let activations = unsafe { activations.part(token * depth..(token + 1) * depth) };
                model.kernels.vectorize(|| {
                    vector::gate(gates, ups, &mut gated);
                    quantize(&gated, activations);
                });
            }
        });
    }

    /// Multiplies the activations with the matrix that ends half a layer.
    fn multiply_changes(&mut self, model: &Model, matrix: &Matrix) {
        multiply(
            model,
            &mut self.pool,
            &[(matrix, 0)],
            &self.activations,
            &mut self.changes,
            model.dimensions.embedding,
        );
    }

    /// What the last tokens of those runs that want it say about the next.
    fn score(&mut self, model: &Model, runs: &[Run<'_>]) -> &[f32] {
        let embedding = model.dimensions.embedding;
        let mut wanted = 0;
        let mut end = 0;
        for run in runs {
            end += run.tokens.len();
            if run.wants_scores {
                let last = (end - 1) * embedding..end * embedding;
                self.vectors.copy_within(last.clone(), wanted * embedding);
                self.changes.copy_within(last, wanted * embedding);
                wanted += 1;
            }
        }
        self.vectors.truncate(wanted * embedding);
        self.changes.truncate(wanted * embedding);
        self.scores
            .resize(wanted * model.dimensions.vocabulary, 0.0);
        if wanted > 0 {
            self.prepare(model, &model.output_norm, true);
            multiply(
                model,
                &mut self.pool,
                &[(model.output.as_ref().unwrap_or(&model.embeddings), 0)],
                &self.activations,
                &mut self.scores,
                model.dimensions.vocabulary,
            );
        }
        &self.scores
    }
}

/// Multiplies matrices with the same activations; each has its results at its own offset in a token's row.
fn multiply(
    model: &Model,
    pool: &mut Pool,
    matrices: &[(&Matrix, usize)],
    activations: &[ActivationBlock],
    results: &mut [f32],
    stride: usize,
) {
    let results = Disjoint::new(results);
    let groups = matrices.iter().map(|(matrix, _)| matrix.groups()).sum();
    pool.split(groups, GROUPS_PER_TASK, &|range| {
        let mut first = 0;
        for (matrix, offset) in matrices {
            let end = first + matrix.groups();
            let (from, to) = (range.start.max(first), range.end.min(end));
            if from < to {
                #[expect(unsafe_code, reason = "tasks write to parts of one slice")]
                // SAFETY: these groups' elements, and each group is in one task.
                unsafe {
                    matrix.multiply(
                        model.kernels,
                        from - first..to - first,
                        activations,
                        &results,
                        (*offset, stride),
                    );
                }
            }
            first = end;
        }
    });
}

/// Some neighbouring tokens of a run.
struct Tile {
    run: usize,
    /// The first token's place in the pass.
    token: usize,
    /// The first token's place in its conversation.
    position: usize,
    count: usize,
}

fn tiles(runs: &[Run<'_>]) -> Vec<Tile> {
    let mut tiles = Vec::new();
    let mut token = 0;
    for (run, Run { tokens, memory, .. }) in runs.iter().enumerate() {
        let position = memory.len() - tokens.len();
        for first in (0..tokens.len()).step_by(TOKENS_PER_ATTENTION) {
            tiles.push(Tile {
                run,
                token: token + first,
                position: position + first,
                count: TOKENS_PER_ATTENTION.min(tokens.len() - first),
            });
        }
        token += tokens.len();
    }
    tiles
}
