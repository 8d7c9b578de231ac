//! The kernels in plain code: what the others must equal.

use std::ops::Range;

use super::{HALF_LANES, HalfFactors, Operands, Product};
use crate::{
    activation::ActivationBlock,
    half,
    matrix::{EightBitBlock, FourBitBlock, LANES},
};

/// # Safety
///
/// As [`super::Kernels::multiply_four_bit`].
#[expect(unsafe_code, reason = "tasks write to parts of one slice")]
pub(super) unsafe fn multiply_four_bit(
    operands: Operands<'_, FourBitBlock>,
    groups: Range<usize>,
    tokens: Range<usize>,
    product: Product<'_>,
) {
    let compute = |group, token, results: &mut [[f32; LANES]]| {
        for (token, results) in (token..).zip(results) {
            *results = [0.0; LANES];
            for (weights, activation) in operands.group(group).iter().zip(operands.token(token)) {
                for (lane, result) in results.iter_mut().enumerate() {
                    *result = add_four_bit(weights, lane, activation, *result);
                }
            }
        }
    };
    // SAFETY: the caller keeps everybody else from the elements.
    unsafe { product.fill(groups, tokens, compute) };
}

#[inline(always)]
fn add_four_bit(
    weights: &FourBitBlock,
    lane: usize,
    activation: &ActivationBlock,
    sum: f32,
) -> f32 {
    let dot = dot(activation, |index| i32::from(weights.quant(lane, index)));
    let scale = half::to_f32(weights.scales[lane]) * activation.scale;
    let sum = (dot as f32).mul_add(scale, sum);
    half::to_f32(weights.offsets[lane]).mul_add(activation.sum, sum)
}

/// The exact product of some weights and a token's numbers.
#[inline(always)]
fn dot(activation: &ActivationBlock, weight: impl Fn(usize) -> i32) -> i32 {
    let quants = activation.high.iter().zip(&activation.low);
    quants
        .enumerate()
        .map(|(index, (&high, &low))| weight(index) * (128 * i32::from(high) + i32::from(low)))
        .sum()
}

/// # Safety
///
/// As [`super::Kernels::multiply_four_bit`].
#[expect(unsafe_code, reason = "tasks write to parts of one slice")]
pub(super) unsafe fn multiply_eight_bit(
    operands: Operands<'_, EightBitBlock>,
    groups: Range<usize>,
    tokens: Range<usize>,
    product: Product<'_>,
) {
    let compute = |group, token, results: &mut [[f32; LANES]]| {
        for (token, results) in (token..).zip(results) {
            *results = [0.0; LANES];
            for (weights, activation) in operands.group(group).iter().zip(operands.token(token)) {
                for (lane, result) in results.iter_mut().enumerate() {
                    *result = add_eight_bit(weights, lane, activation, *result);
                }
            }
        }
    };
    // SAFETY: the caller keeps everybody else from the elements.
    unsafe { product.fill(groups, tokens, compute) };
}

#[inline(always)]
fn add_eight_bit(
    weights: &EightBitBlock,
    lane: usize,
    activation: &ActivationBlock,
    sum: f32,
) -> f32 {
    let dot = dot(activation, |index| i32::from(weights.quant(lane, index)));
    (dot as f32).mul_add(weights.scales[lane] * activation.scale, sum)
}

pub(super) fn multiply_halves(factors: HalfFactors<'_>, sums: &mut [f32], sums_stride: usize) {
    for row in 0..factors.rows {
        let left = &factors.left[row * factors.left_stride..][..factors.depth];
        for first in (0..factors.columns).step_by(HALF_LANES) {
            for column in first..first + HALF_LANES {
                let sum = &mut sums[row * sums_stride + column];
                for (index, left) in left.iter().enumerate() {
                    let right = half::to_f32(factors.right[index * factors.right_stride + column]);
                    *sum = left.mul_add(right, *sum);
                }
            }
        }
    }
}
