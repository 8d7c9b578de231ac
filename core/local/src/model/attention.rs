//! Attention: what each token takes from those before it.
//!
//! Goes through the memory page by page and never holds more scores than a page's (after Dao et al., "FlashAttention", 2022): when a
//! later page has a higher score than all before, what was summed up so far is scaled down. A query's result depends on its own
//! position only, not on which queries are computed beside it: what lies after a query's position gets the weight zero.

use crate::{
    kernel::{HALF_LANES, HalfFactors, Kernels},
    memory::{Memory, PAGE},
    vector::{add_lanes, exponential},
};

/// The queries of some neighbouring tokens that share a key-value head.
#[derive(Debug)]
pub(super) struct Queries<'a> {
    /// A row for each query head of each token; the heads of one token lie side by side.
    pub(super) rows: &'a [f32],
    /// Query heads a key-value head: rows a token.
    pub(super) rows_per_token: usize,
    /// The first token's position.
    pub(super) position: usize,
}

/// What a task needs beside its input and output, kept from one use to the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Scores, then weights: a row of [`PAGE`] for each query.
    scores: Vec<f32>,
    /// Each query's highest score so far, and the sum of its weights.
    states: Vec<(f32, f32)>,
}

/// Computes the queries' results, in rows like theirs.
pub(super) fn attend(
    kernels: Kernels,
    memory: &Memory,
    (layer, head, head_size): (usize, usize, usize),
    queries: &Queries<'_>,
    scratch: &mut Scratch,
    results: &mut [f32],
) {
    let row_count = queries.rows.len() / head_size;
    let end = queries.position + row_count / queries.rows_per_token;
    let scale = 1.0 / (head_size as f32).sqrt();
    scratch.scores.clear();
    scratch.scores.resize(row_count * PAGE, 0.0);
    scratch.states.clear();
    scratch.states.resize(row_count, (f32::NEG_INFINITY, 0.0));
    results.fill(0.0);
    for page in 0..end.div_ceil(PAGE) {
        let start = page * PAGE;
        let tokens = PAGE.min(end - start);
        let columns = tokens.next_multiple_of(HALF_LANES);
        scratch.scores.fill(0.0);
        let factors = HalfFactors {
            left: queries.rows,
            left_stride: head_size,
            rows: row_count,
            depth: head_size,
            right: memory.keys(page, layer, head),
            right_stride: PAGE,
            columns,
        };
        kernels.multiply_halves(factors, &mut scratch.scores, PAGE);
        kernels.vectorize(|| {
            let rows = scratch
                .scores
                .chunks_exact_mut(PAGE)
                .zip(&mut scratch.states);
            for (row, (scores, state)) in rows.enumerate() {
                let position = queries.position + row / queries.rows_per_token;
                let visible = (position + 1).saturating_sub(start).min(tokens);
                let result = &mut results[row * head_size..][..head_size];
                weigh(&mut scores[..columns], visible, scale, state, result);
            }
        });
        let factors = HalfFactors {
            left: &scratch.scores,
            left_stride: PAGE,
            rows: row_count,
            depth: tokens,
            right: memory.values(page, layer, head),
            right_stride: head_size,
            columns: head_size,
        };
        kernels.multiply_halves(factors, results, head_size);
    }
    for (result, (_, sum)) in results.chunks_exact_mut(head_size).zip(&scratch.states) {
        let inverse = 1.0 / sum;
        result.iter_mut().for_each(|number| *number *= inverse);
    }
}

/// Turns a page's scores into weights, and scales what the query has so far to fit.
#[inline(always)]
fn weigh(
    scores: &mut [f32],
    visible: usize,
    scale: f32,
    (highest, sum): &mut (f32, f32),
    result: &mut [f32],
) {
    scores[visible..].fill(f32::NEG_INFINITY);
    let mut lanes = [*highest; HALF_LANES];
    for scores in scores.as_chunks_mut::<HALF_LANES>().0 {
        for (lane, score) in lanes.iter_mut().zip(scores) {
            *score *= scale;
            *lane = if *score > *lane { *score } else { *lane };
        }
    }
    let now_highest = lanes.into_iter().fold(f32::NEG_INFINITY, f32::max);
    if now_highest > *highest {
        let correction = exponential(*highest - now_highest);
        *sum *= correction;
        result.iter_mut().for_each(|number| *number *= correction);
        *highest = now_highest;
    }
    let mut sums = [0.0; HALF_LANES];
    for scores in scores.as_chunks_mut::<HALF_LANES>().0 {
        for (sum, score) in sums.iter_mut().zip(scores) {
            let weight = exponential(*score - now_highest);
            *score = if *score == f32::NEG_INFINITY {
                0.0
            } else {
                weight
            };
            *sum += *score;
        }
    }
    *sum += add_lanes(sums);
}
