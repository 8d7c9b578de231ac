//! The arithmetic that takes the time, for the processor at hand.
//!
//! Each kernel exists in a portable form, which says what is computed, and in forms that use a processor's vector
//! instructions. All forms do the same operations on each number in the same order, so that their results are equal bit for
//! bit; a result depends neither on the processor nor on what else is computed beside it.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use std::ops::Range;

use crate::{
    activation::{ActivationBlock, BLOCK},
    disjoint::Disjoint,
    matrix::{EightBitBlock, FourBitBlock, LANES},
};

/// Columns of the right-hand matrix that [`Kernels::multiply_halves`] computes at a time; it computes multiples of this.
pub(crate) const HALF_LANES: usize = 8;

/// Tokens that are multiplied with a weight once it is in a register.
const TILE: usize = 4;

/// The kernels for this processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kernels(Instructions);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instructions {
    /// Whatever the compiler makes of plain code.
    #[cfg_attr(
        all(target_arch = "x86_64", not(test)),
        expect(dead_code, reason = "for processors of other families, and for tests")
    )]
    Portable,
    /// AVX2, FMA and F16C: x86-64-v3.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Beside these AVX-512 for 256-bit vectors, with its integer dot product.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// This processor lacks what the local model needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the local model needs a processor with AVX2, FMA and F16C (x86-64-v3), which this one is not"
)]
pub struct UnsupportedProcessor;

/// Where a multiplication's results go: a row a token, each with an element for each row of the matrix.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Product<'a> {
    /// All elements.
    pub(crate) elements: &'a Disjoint<'a, f32>,
    /// Elements from one token's row to the next one's.
    pub(crate) stride: usize,
    /// The element that the matrix's first row has in a token's row.
    pub(crate) offset: usize,
    /// Rows of the matrix; its last group may have fewer than [`LANES`].
    pub(crate) rows: usize,
}

/// Some of a matrix's groups of rows, times some tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operands<'a, B> {
    /// The matrix's blocks, those of one group after those of another.
    pub(crate) blocks: &'a [B],
    /// The tokens' blocks, those of one token after those of another.
    pub(crate) activations: &'a [ActivationBlock],
    /// Blocks a row of the matrix, and a token.
    pub(crate) depth: usize,
}

impl Kernels {
    /// The best kernels for this processor.
    ///
    /// # Errors
    ///
    /// [`UnsupportedProcessor`] on an x86-64 without AVX2, FMA and F16C, which would answer too slowly to be of use. Processors
    /// of other families use the portable form.
    pub(crate) fn detect() -> Result<Self, UnsupportedProcessor> {
        #[cfg(target_arch = "x86_64")]
        {
            if !avx2::is_available() {
                Err(UnsupportedProcessor)
            } else if avx512::is_available() {
                Ok(Self(Instructions::Avx512))
            } else {
                Ok(Self(Instructions::Avx2))
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        Ok(Self(Instructions::Portable))
    }

    /// All kernels that this processor can run, the portable ones first.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self(Instructions::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            if avx2::is_available() {
                all.push(Self(Instructions::Avx2));
            }
            if avx512::is_available() {
                all.push(Self(Instructions::Avx512));
            }
        }
        all
    }

    /// Multiplies groups of a four-bit matrix with tokens.
    ///
    /// # Safety
    ///
    /// Until it returns nobody else uses the elements of `product` that belong to these groups and tokens.
    #[expect(
        unsafe_code,
        reason = "vector instructions, chosen after asking the processor"
    )]
    pub(crate) unsafe fn multiply_four_bit(
        self,
        operands: Operands<'_, FourBitBlock>,
        groups: Range<usize>,
        tokens: Range<usize>,
        product: Product<'_>,
    ) {
        operands.check(&groups, &tokens);
        match self.0 {
            // SAFETY: the caller keeps everybody else from the elements.
            Instructions::Portable => unsafe {
                portable::multiply_four_bit(operands, groups, tokens, product);
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above; the variant is made only where the instructions are available.
            Instructions::Avx2 => unsafe {
                avx2::multiply_four_bit(operands, groups, tokens, product);
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Instructions::Avx512 => unsafe {
                avx512::multiply_four_bit(operands, groups, tokens, product);
            },
        }
    }

    /// Multiplies groups of an eight-bit matrix with tokens.
    ///
    /// # Safety
    ///
    /// As with [`Self::multiply_four_bit`].
    #[expect(
        unsafe_code,
        reason = "vector instructions, chosen after asking the processor"
    )]
    pub(crate) unsafe fn multiply_eight_bit(
        self,
        operands: Operands<'_, EightBitBlock>,
        groups: Range<usize>,
        tokens: Range<usize>,
        product: Product<'_>,
    ) {
        operands.check(&groups, &tokens);
        match self.0 {
            // SAFETY: the caller keeps everybody else from the elements.
            Instructions::Portable => unsafe {
                portable::multiply_eight_bit(operands, groups, tokens, product);
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above; the variant is made only where the instructions are available.
            Instructions::Avx2 => unsafe {
                avx2::multiply_eight_bit(operands, groups, tokens, product);
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Instructions::Avx512 => unsafe {
                avx512::multiply_eight_bit(operands, groups, tokens, product);
            },
        }
    }

    /// Adds to `sums` the product of a matrix of floats and one of halves.
    ///
    /// `columns` is a multiple of [`HALF_LANES`].
    pub(crate) fn multiply_halves(
        self,
        factors: HalfFactors<'_>,
        sums: &mut [f32],
        sums_stride: usize,
    ) {
        factors.check(sums, sums_stride);
        match self.0 {
            Instructions::Portable => portable::multiply_halves(factors, sums, sums_stride),
            #[cfg(target_arch = "x86_64")]
            #[expect(
                unsafe_code,
                reason = "vector instructions, chosen after asking the processor"
            )]
            // SAFETY: the variants are made only where the instructions are available.
            Instructions::Avx2 | Instructions::Avx512 => unsafe {
                avx2::multiply_halves(factors, sums, sums_stride);
            },
        }
    }

    /// Runs plain code, compiled for this processor's vector instructions.
    ///
    /// Only what is inlined into `work` is compiled so: what it calls should be `#[inline(always)]`.
    #[inline(always)]
    pub(crate) fn vectorize<R>(self, work: impl FnOnce() -> R) -> R {
        match self.0 {
            Instructions::Portable => work(),
            #[cfg(target_arch = "x86_64")]
            #[expect(
                unsafe_code,
                reason = "vector instructions, chosen after asking the processor"
            )]
            // SAFETY: the variants are made only where the instructions are available.
            Instructions::Avx2 | Instructions::Avx512 => unsafe { avx2::vectorize(work) },
        }
    }
}

/// The factors of [`Kernels::multiply_halves`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct HalfFactors<'a> {
    /// The left matrix, and elements from one of its rows to the next.
    pub(crate) left: &'a [f32],
    /// See [`Self::left`].
    pub(crate) left_stride: usize,
    /// Rows of the left matrix and of the result.
    pub(crate) rows: usize,
    /// Columns of the left matrix, rows of the right one.
    pub(crate) depth: usize,
    /// The right matrix, and elements from one of its rows to the next.
    pub(crate) right: &'a [u16],
    /// See [`Self::right`].
    pub(crate) right_stride: usize,
    /// Columns of the right matrix and of the result.
    pub(crate) columns: usize,
}

impl HalfFactors<'_> {
    /// The kernels read and write without looking where: this looks once.
    fn check(&self, sums: &[f32], sums_stride: usize) {
        assert!(self.columns.is_multiple_of(HALF_LANES));
        if self.rows > 0 && self.depth > 0 && self.columns > 0 {
            assert!((self.rows - 1) * self.left_stride + self.depth <= self.left.len());
            assert!((self.depth - 1) * self.right_stride + self.columns <= self.right.len());
            assert!((self.rows - 1) * sums_stride + self.columns <= sums.len());
        }
    }
}

impl<B> Operands<'_, B> {
    fn check(&self, groups: &Range<usize>, tokens: &Range<usize>) {
        assert!(groups.end * self.depth <= self.blocks.len());
        assert!(tokens.end * self.depth <= self.activations.len());
    }

    /// The blocks of one group of rows.
    #[inline(always)]
    fn group(&self, group: usize) -> &[B] {
        &self.blocks[group * self.depth..][..self.depth]
    }

    /// The blocks of one token.
    #[inline(always)]
    fn token(&self, token: usize) -> &[ActivationBlock] {
        &self.activations[token * self.depth..][..self.depth]
    }

    /// The blocks of some tokens.
    #[inline(always)]
    fn tokens<const TOKENS: usize>(&self, first: usize) -> [&[ActivationBlock]; TOKENS] {
        std::array::from_fn(|index| self.token(first + index))
    }
}

impl Product<'_> {
    /// Fills in the results of some groups and tokens. `compute` is given a group, a token, and room for the results of that token
    /// and those after it, [`TILE`] at most.
    ///
    /// # Safety
    ///
    /// Until it returns nobody else uses the elements of these groups and tokens.
    #[inline(always)]
    #[expect(unsafe_code, reason = "tasks write to parts of one slice")]
    unsafe fn fill(
        &self,
        groups: Range<usize>,
        tokens: Range<usize>,
        mut compute: impl FnMut(usize, usize, &mut [[f32; LANES]]),
    ) {
        let mut results = [[0.0; LANES]; TILE];
        for group in groups {
            let first = group * LANES;
            let count = LANES.min(self.rows - first);
            for token in tokens.clone().step_by(TILE) {
                let results = &mut results[..TILE.min(tokens.end - token)];
                compute(group, token, results);
                for (token, results) in (token..).zip(results) {
                    let start = token * self.stride + self.offset + first;
                    // SAFETY: the caller keeps everybody else from this group's elements for this token.
                    let elements = unsafe { self.elements.part(start..start + count) };
                    elements.copy_from_slice(&results[..count]);
                }
            }
        }
    }
}

const _: () = assert!(BLOCK == 32, "the vector kernels unroll a block by hand");

#[cfg(test)]
mod tests;
