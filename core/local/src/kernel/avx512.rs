//! The integer kernels for AVX-512's dot product on bytes (VNNI), in 256-bit vectors: twice the work an instruction.

use std::{arch::x86_64::*, ops::Range};

use super::{
    Operands, Product,
    avx2::{self, bytes, floats, four, halves, join, lanes},
};
use crate::{
    activation::ActivationBlock,
    matrix::{EightBitBlock, FourBitBlock, LANES},
};

/// Whether this processor has the instructions.
pub(super) fn is_available() -> bool {
    avx2::is_available()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
}

/// # Safety
///
/// As [`super::Kernels::multiply_four_bit`].
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512vl,avx512vnni")]
#[expect(unsafe_code, reason = "tasks write to parts of one slice")]
pub(super) unsafe fn multiply_four_bit(
    operands: Operands<'_, FourBitBlock>,
    groups: Range<usize>,
    tokens: Range<usize>,
    product: Product<'_>,
) {
    let compute = |group, token, results: &mut [[f32; LANES]]| {
        let weights = operands.group(group);
        match results.len() {
            4 => four_bit_tile(weights, operands.tokens::<4>(token), results),
            3 => four_bit_tile(weights, operands.tokens::<3>(token), results),
            2 => four_bit_tile(weights, operands.tokens::<2>(token), results),
            _ => four_bit_tile(weights, operands.tokens::<1>(token), results),
        }
    };
    // SAFETY: the caller keeps everybody else from the elements.
    unsafe { product.fill(groups, tokens, compute) };
}

/// One group of rows times some tokens.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512vl,avx512vnni")]
fn four_bit_tile<const TOKENS: usize>(
    weights: &[FourBitBlock],
    activations: [&[ActivationBlock]; TOKENS],
    results: &mut [[f32; LANES]],
) {
    let mask = _mm256_set1_epi8(0x0F);
    let mut sums = [_mm256_setzero_ps(); TOKENS];
    for (index, block) in weights.iter().enumerate() {
        let scales = halves(&block.scales);
        let offsets = halves(&block.offsets);
        let mut quants = [_mm256_setzero_si256(); 8];
        for (vector, packed) in block.quants.iter().enumerate() {
            let packed = bytes(packed);
            quants[vector] = _mm256_and_si256(packed, mask);
            quants[4 + vector] = _mm256_and_si256(_mm256_srli_epi16::<4>(packed), mask);
        }
        for (activations, sum) in activations.iter().zip(&mut sums) {
            let activation = &activations[index];
            let mut high = _mm256_setzero_si256();
            let mut low = _mm256_setzero_si256();
            for (vector, &quants) in quants.iter().enumerate() {
                high = _mm256_dpbusd_epi32(high, quants, four(&activation.high, vector));
                low = _mm256_dpbusd_epi32(low, quants, four(&activation.low, vector));
            }
            let dot = join(high, low);
            let scales = _mm256_mul_ps(scales, _mm256_set1_ps(activation.scale));
            *sum = _mm256_fmadd_ps(dot, scales, *sum);
            *sum = _mm256_fmadd_ps(offsets, _mm256_set1_ps(activation.sum), *sum);
        }
    }
    for (results, sum) in results.iter_mut().zip(sums) {
        *results = lanes(sum);
    }
}

/// # Safety
///
/// As [`super::Kernels::multiply_four_bit`].
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512vl,avx512vnni")]
#[expect(unsafe_code, reason = "tasks write to parts of one slice")]
pub(super) unsafe fn multiply_eight_bit(
    operands: Operands<'_, EightBitBlock>,
    groups: Range<usize>,
    tokens: Range<usize>,
    product: Product<'_>,
) {
    let compute = |group, token, results: &mut [[f32; LANES]]| {
        let weights = operands.group(group);
        match results.len() {
            4 => eight_bit_tile(weights, operands.tokens::<4>(token), results),
            3 => eight_bit_tile(weights, operands.tokens::<3>(token), results),
            2 => eight_bit_tile(weights, operands.tokens::<2>(token), results),
            _ => eight_bit_tile(weights, operands.tokens::<1>(token), results),
        }
    };
    // SAFETY: the caller keeps everybody else from the elements.
    unsafe { product.fill(groups, tokens, compute) };
}

/// One group of rows times some tokens.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512vl,avx512vnni")]
fn eight_bit_tile<const TOKENS: usize>(
    weights: &[EightBitBlock],
    activations: [&[ActivationBlock]; TOKENS],
    results: &mut [[f32; LANES]],
) {
    let mut sums = [_mm256_setzero_ps(); TOKENS];
    for (index, block) in weights.iter().enumerate() {
        let scales = floats(&block.scales);
        let mut quants = [_mm256_setzero_si256(); 8];
        for (quants, stored) in quants.iter_mut().zip(&block.quants) {
            *quants = bytes(stored);
        }
        for (activations, sum) in activations.iter().zip(&mut sums) {
            let activation = &activations[index];
            let mut high = _mm256_setzero_si256();
            // The first operand is unsigned: weights are stored 128 too large, which is taken off here.
            let mut low = _mm256_set1_epi32(-activation.excess);
            for (vector, &quants) in quants.iter().enumerate() {
                high = _mm256_dpbusd_epi32(high, quants, four(&activation.high, vector));
                low = _mm256_dpbusd_epi32(low, quants, four(&activation.low, vector));
            }
            let dot = join(high, low);
            let scales = _mm256_mul_ps(scales, _mm256_set1_ps(activation.scale));
            *sum = _mm256_fmadd_ps(dot, scales, *sum);
        }
    }
    for (results, sum) in results.iter_mut().zip(sums) {
        *results = lanes(sum);
    }
}
