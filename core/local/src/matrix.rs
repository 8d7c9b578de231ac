//! Weight matrices, repacked at load so that one vector instruction works on several rows.
//!
//! Rows go in groups of [`LANES`]; in a group's block each four numbers of a row lie beside the same four of the next row. A
//! vector register then holds four numbers of each row, is multiplied with the same four activations everywhere, and its
//! 32-bit lanes are the rows' sums: nothing is ever added across lanes.

mod pack;

use crate::{
    activation::{ActivationBlock, BLOCK},
    disjoint::Disjoint,
    half,
    kernel::{Kernels, Operands, Product},
    pages::{Pages, Plain},
};

pub(crate) use pack::{PackError, pack};

/// Rows a group: the 32-bit lanes of a 256-bit vector.
pub(crate) const LANES: usize = 8;
/// Bytes of one vector.
const VECTOR: usize = 32;
/// Tokens whose activations stay in the first-level cache while a group's weights pass: 32 of 576 numbers are 27 KiB.
const TOKEN_TILE: usize = 32;

/// A matrix of weights.
#[derive(Debug)]
pub(crate) struct Matrix {
    rows: usize,
    /// Blocks a row.
    depth: usize,
    weights: Weights,
}

/// Blocks, those of one group of rows after those of another.
#[derive(Debug)]
enum Weights {
    Four(Pages<FourBitBlock>),
    Eight(Pages<EightBitBlock>),
}

/// [`BLOCK`] numbers of [`LANES`] rows in four bits each: `scale · quant + offset`.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(32))]
pub(crate) struct FourBitBlock {
    /// The rows' scales, in half precision.
    pub(crate) scales: [u16; LANES],
    /// The rows' offsets, in half precision.
    pub(crate) offsets: [u16; LANES],
    /// Vector `v` has, for each row, numbers `4v..4v + 4` in the low and `16 + 4v..` in the high halves of its bytes.
    pub(crate) quants: [[u8; VECTOR]; 4],
}

/// [`BLOCK`] numbers of [`LANES`] rows in eight bits each: `scale · (quant - 128)`.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(32))]
pub(crate) struct EightBitBlock {
    /// The rows' scales.
    pub(crate) scales: [f32; LANES],
    /// Vector `v` has, for each row, numbers `4v..4v + 4`.
    pub(crate) quants: [[u8; VECTOR]; 8],
}

#[expect(unsafe_code, reason = "a promise about types")]
// SAFETY: arrays of numbers, without padding, on 32 bytes.
unsafe impl Plain for FourBitBlock {}

#[expect(unsafe_code, reason = "a promise about types")]
// SAFETY: as above.
unsafe impl Plain for EightBitBlock {}

impl FourBitBlock {
    /// One number of one row.
    #[inline(always)]
    pub(crate) fn quant(&self, lane: usize, index: usize) -> u8 {
        let byte = self.quants[index % 16 / 4][4 * lane + index % 4];
        if index < 16 { byte & 0x0F } else { byte >> 4 }
    }
}

impl EightBitBlock {
    /// One number of one row, its offset taken off.
    #[inline(always)]
    pub(crate) fn quant(&self, lane: usize, index: usize) -> i16 {
        i16::from(self.quants[index / 4][4 * lane + index % 4]) - 128
    }
}

impl Matrix {
    /// How many columns it has: numbers in a token's vector.
    pub(crate) fn columns(&self) -> usize {
        self.depth * BLOCK
    }

    /// Groups of rows: what tasks are cut into.
    pub(crate) fn groups(&self) -> usize {
        self.rows.div_ceil(LANES)
    }

    /// Writes a row's numbers out: a token's embedding.
    ///
    /// # Panics
    ///
    /// Where there is no such row, or `values` has not [`Self::columns`] elements.
    pub(crate) fn row(&self, row: usize, values: &mut [f32]) {
        assert!(row < self.rows && values.len() == self.columns());
        let (group, lane) = (row / LANES, row % LANES);
        let first = group * self.depth;
        for (block, values) in values.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
            for (index, value) in values.iter_mut().enumerate() {
                *value = match &self.weights {
                    Weights::Four(blocks) => {
                        let block = &blocks[first + block];
                        f32::from(block.quant(lane, index)) * half::to_f32(block.scales[lane])
                            + half::to_f32(block.offsets[lane])
                    }
                    Weights::Eight(blocks) => {
                        let block = &blocks[first + block];
                        f32::from(block.quant(lane, index)) * block.scales[lane]
                    }
                };
            }
        }
    }

    /// Multiplies some groups of rows with all tokens; `offset` and `stride` say where in a token's results they go.
    ///
    /// # Safety
    ///
    /// Until it returns nobody else uses the elements of `elements` that belong to these groups.
    #[expect(unsafe_code, reason = "tasks write to parts of one slice")]
    pub(crate) unsafe fn multiply(
        &self,
        kernels: Kernels,
        groups: std::ops::Range<usize>,
        activations: &[ActivationBlock],
        elements: &Disjoint<'_, f32>,
        (offset, stride): (usize, usize),
    ) {
        let product = Product {
            elements,
            stride,
            offset,
            rows: self.rows,
        };
        let depth = self.depth;
        let token_count = activations.len() / depth;
        for first in (0..token_count).step_by(TOKEN_TILE) {
            let tokens = first..token_count.min(first + TOKEN_TILE);
            let groups = groups.clone();
            match &self.weights {
                Weights::Four(blocks) => {
                    let operands = Operands {
                        blocks,
                        activations,
                        depth,
                    };
                    // SAFETY: the caller keeps everybody else from these groups' elements.
                    unsafe { kernels.multiply_four_bit(operands, groups, tokens, product) };
                }
                Weights::Eight(blocks) => {
                    let operands = Operands {
                        blocks,
                        activations,
                        depth,
                    };
                    // SAFETY: as above.
                    unsafe { kernels.multiply_eight_bit(operands, groups, tokens, product) };
                }
            }
        }
    }
}
