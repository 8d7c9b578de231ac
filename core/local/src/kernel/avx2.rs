//! The kernels for x86-64-v3: AVX2, FMA and F16C.

use std::{arch::x86_64::*, ops::Range};

use super::{HALF_LANES, HalfFactors, Operands, Product};
use crate::{
    activation::{ActivationBlock, BLOCK},
    matrix::{EightBitBlock, FourBitBlock, LANES},
};

/// Whether this processor has the instructions.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
}

/// Runs plain code, compiled for these instructions.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn vectorize<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// # Safety
///
/// As [`super::Kernels::multiply_four_bit`].
#[target_feature(enable = "avx2,fma,f16c")]
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
#[target_feature(enable = "avx2,fma,f16c")]
fn four_bit_tile<const TOKENS: usize>(
    weights: &[FourBitBlock],
    activations: [&[ActivationBlock]; TOKENS],
    results: &mut [[f32; LANES]],
) {
    let mask = _mm256_set1_epi8(0x0F);
    let ones = _mm256_set1_epi16(1);
    let mut sums = [_mm256_setzero_ps(); TOKENS];
    for (index, block) in weights.iter().enumerate() {
        let scales = halves(&block.scales);
        let offsets = halves(&block.offsets);
        for (activations, sum) in activations.iter().zip(&mut sums) {
            let activation = &activations[index];
            // 15 · 127 · 2 at most in 16 bits, eight times: 30,480, no overflow.
            let mut high = _mm256_setzero_si256();
            let mut low = _mm256_setzero_si256();
            for (vector, packed) in block.quants.iter().enumerate() {
                let packed = bytes(packed);
                let first = _mm256_and_si256(packed, mask);
                let second = _mm256_and_si256(_mm256_srli_epi16::<4>(packed), mask);
                for (quants, index) in [(first, vector), (second, 4 + vector)] {
                    let product = _mm256_maddubs_epi16(quants, four(&activation.high, index));
                    high = _mm256_add_epi16(high, product);
                    let product = _mm256_maddubs_epi16(quants, four(&activation.low, index));
                    low = _mm256_add_epi16(low, product);
                }
            }
            let dot = join(_mm256_madd_epi16(high, ones), _mm256_madd_epi16(low, ones));
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
#[target_feature(enable = "avx2,fma,f16c")]
#[expect(unsafe_code, reason = "tasks write to parts of one slice")]
pub(super) unsafe fn multiply_eight_bit(
    operands: Operands<'_, EightBitBlock>,
    groups: Range<usize>,
    tokens: Range<usize>,
    product: Product<'_>,
) {
    let compute = |group, token, results: &mut [[f32; LANES]]| {
        for (token, results) in (token..).zip(results) {
            *results = lanes(eight_bit_sums(operands.group(group), operands.token(token)));
        }
    };
    // SAFETY: the caller keeps everybody else from the elements.
    unsafe { product.fill(groups, tokens, compute) };
}

/// One group of rows times one token.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn eight_bit_sums(weights: &[EightBitBlock], activations: &[ActivationBlock]) -> __m256 {
    let offset = _mm256_set1_epi8(i8::MIN);
    let ones = _mm256_set1_epi16(1);
    let mut sums = _mm256_setzero_ps();
    for (block, activation) in weights.iter().zip(activations) {
        let mut high = _mm256_setzero_si256();
        let mut low = _mm256_setzero_si256();
        for (vector, quants) in block.quants.iter().enumerate() {
            // The instruction wants its first operand unsigned: the sign moves to the second. 128 · 127 · 2 fits into 16 bits.
            let quants = _mm256_xor_si256(bytes(quants), offset);
            let magnitudes = _mm256_abs_epi8(quants);
            let signed = _mm256_sign_epi8(four(&activation.high, vector), quants);
            let pairs = _mm256_maddubs_epi16(magnitudes, signed);
            high = _mm256_add_epi32(high, _mm256_madd_epi16(pairs, ones));
            let signed = _mm256_sign_epi8(four(&activation.low, vector), quants);
            let pairs = _mm256_maddubs_epi16(magnitudes, signed);
            low = _mm256_add_epi32(low, _mm256_madd_epi16(pairs, ones));
        }
        let dot = join(high, low);
        let scales = _mm256_mul_ps(floats(&block.scales), _mm256_set1_ps(activation.scale));
        sums = _mm256_fmadd_ps(dot, scales, sums);
    }
    sums
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn multiply_halves(factors: HalfFactors<'_>, sums: &mut [f32], sums_stride: usize) {
    let mut row = 0;
    while row < factors.rows {
        match factors.rows - row {
            1 => half_rows::<1>(&factors, row, sums, sums_stride),
            2 => half_rows::<2>(&factors, row, sums, sums_stride),
            3 => half_rows::<3>(&factors, row, sums, sums_stride),
            _ => half_rows::<4>(&factors, row, sums, sums_stride),
        }
        row += 4;
    }
}

/// `ROWS` rows of the product.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn half_rows<const ROWS: usize>(
    factors: &HalfFactors<'_>,
    row: usize,
    sums: &mut [f32],
    sums_stride: usize,
) {
    let mut column = 0;
    while column + 2 * HALF_LANES <= factors.columns {
        half_tile::<ROWS, 2>(factors, row, column, sums, sums_stride);
        column += 2 * HALF_LANES;
    }
    if column < factors.columns {
        half_tile::<ROWS, 1>(factors, row, column, sums, sums_stride);
    }
}

/// `ROWS` rows and `VECTORS` times eight columns of the product.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn half_tile<const ROWS: usize, const VECTORS: usize>(
    factors: &HalfFactors<'_>,
    row: usize,
    column: usize,
    sums: &mut [f32],
    sums_stride: usize,
) {
    let mut tile = [[_mm256_setzero_ps(); VECTORS]; ROWS];
    for (index, tile) in tile.iter_mut().enumerate() {
        let sums = &sums[(row + index) * sums_stride + column..];
        for (tile, sums) in tile.iter_mut().zip(sums.as_chunks().0) {
            *tile = floats(sums);
        }
    }
    let left: [&[f32]; ROWS] = std::array::from_fn(|index| {
        &factors.left[(row + index) * factors.left_stride..][..factors.depth]
    });
    for depth in 0..factors.depth {
        let right = &factors.right[depth * factors.right_stride + column..];
        let mut vectors = [_mm256_setzero_ps(); VECTORS];
        for (vector, right) in vectors.iter_mut().zip(right.as_chunks().0) {
            *vector = halves(right);
        }
        for (tile, left) in tile.iter_mut().zip(left) {
            let left = _mm256_set1_ps(left[depth]);
            for (tile, right) in tile.iter_mut().zip(vectors) {
                *tile = _mm256_fmadd_ps(left, right, *tile);
            }
        }
    }
    for (index, tile) in tile.into_iter().enumerate() {
        let sums = &mut sums[(row + index) * sums_stride + column..];
        for (sums, tile) in sums.as_chunks_mut().0.iter_mut().zip(tile) {
            *sums = lanes(tile);
        }
    }
}

/// Four bytes of an activation, in each of the lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn four(quants: &[i8; BLOCK], index: usize) -> __m256i {
    let quants = quants.as_chunks::<4>().0[index];
    _mm256_set1_epi32(i32::from_le_bytes(quants.map(i8::cast_unsigned)))
}

/// The products with the high and the low bytes as one.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn join(high: __m256i, low: __m256i) -> __m256 {
    _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_slli_epi32::<7>(high), low))
}

#[inline]
#[target_feature(enable = "avx2")]
#[expect(unsafe_code, reason = "a load")]
pub(super) fn bytes(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: there are 32 bytes, and this load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
#[expect(unsafe_code, reason = "a load")]
pub(super) fn floats(floats: &[f32; LANES]) -> __m256 {
    // SAFETY: there are eight floats, and this load needs no alignment.
    unsafe { _mm256_loadu_ps(floats.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
#[expect(unsafe_code, reason = "a load")]
pub(super) fn halves(halves: &[u16; LANES]) -> __m256 {
    // SAFETY: there are 16 bytes, and this load needs no alignment.
    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(halves.as_ptr().cast()) })
}

#[inline]
#[target_feature(enable = "avx2")]
#[expect(unsafe_code, reason = "a store")]
pub(super) fn lanes(vector: __m256) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    // SAFETY: there is room for eight floats, and this store needs no alignment.
    unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), vector) };
    lanes
}
