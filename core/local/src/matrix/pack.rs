//! From a tensor's format to blocks of [`LANES`] rows.
//!
//! Q4_0, Q4_1 and Q8_0 are only put in another order. All other formats are rounded to eight bits, in blocks of their own scale: at
//! most 1/254 of a block's largest number, which is less than what the formats' own rounding cost.

use std::io;

use super::{EightBitBlock, FourBitBlock, LANES, Matrix, Weights};
use crate::{
    activation::BLOCK,
    gguf::{Tensor, TensorType},
    half,
    pages::Pages,
};

/// Why a tensor can't be a matrix.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PackError {
    /// It has another shape.
    #[error(
        "has shape {shape:?}, where {rows} rows of {columns} numbers, a multiple of {BLOCK}, are needed"
    )]
    Shape {
        /// Its own.
        shape: Vec<u64>,
        /// Rows that are needed.
        rows: usize,
        /// Numbers a row.
        columns: usize,
    },
    /// There is no memory for it.
    #[error("finds no memory")]
    Memory(#[from] io::Error),
}

/// Makes a matrix of a tensor.
///
/// # Errors
///
/// [`PackError`] where the tensor has another shape, or rows that are no whole blocks; or there is no memory.
pub(crate) fn pack(tensor: &Tensor, rows: usize, columns: usize) -> Result<Matrix, PackError> {
    if tensor.shape != [columns as u64, rows as u64]
        || columns == 0
        || !columns.is_multiple_of(BLOCK)
    {
        return Err(PackError::Shape {
            shape: tensor.shape.clone(),
            rows,
            columns,
        });
    }
    let depth = columns / BLOCK;
    let kind = tensor.kind;
    let row_bytes = columns / kind.block() * kind.block_bytes();
    let groups = tensor.bytes.chunks(LANES * row_bytes);
    let weights = match kind {
        TensorType::Q4_0 | TensorType::Q4_1 => {
            let mut blocks = Pages::zeroed(groups.len() * depth)?;
            for (group, blocks) in groups.zip(blocks.chunks_mut(depth)) {
                for (lane, row) in group.chunks(row_bytes).enumerate() {
                    for (source, block) in row.chunks(kind.block_bytes()).zip(&mut *blocks) {
                        place_four_bit(kind, source, lane, block);
                    }
                }
            }
            Weights::Four(blocks)
        }
        TensorType::Q8_0 => {
            let mut blocks = Pages::zeroed(groups.len() * depth)?;
            for (group, blocks) in groups.zip(blocks.chunks_mut(depth)) {
                for (lane, row) in group.chunks(row_bytes).enumerate() {
                    for (source, block) in row.chunks(kind.block_bytes()).zip(&mut *blocks) {
                        let (scale, quants) = source.split_at(2);
                        let scale = half::to_f32(u16::from_le_bytes([scale[0], scale[1]]));
                        place_eight_bit(
                            scale,
                            quants.iter().map(|quant| quant ^ 0x80),
                            lane,
                            block,
                        );
                    }
                }
            }
            Weights::Eight(blocks)
        }
        TensorType::F32
        | TensorType::F16
        | TensorType::Bf16
        | TensorType::Q5_0
        | TensorType::Q5_1
        | TensorType::Q4K
        | TensorType::Q5K
        | TensorType::Q6K => {
            let mut blocks = Pages::zeroed(groups.len() * depth)?;
            let mut numbers = Vec::with_capacity(columns);
            for (group, blocks) in groups.zip(blocks.chunks_mut(depth)) {
                for (lane, row) in group.chunks(row_bytes).enumerate() {
                    numbers.clear();
                    for source in row.chunks(kind.block_bytes()) {
                        kind.decode(source, &mut numbers);
                    }
                    for (numbers, block) in numbers.chunks(BLOCK).zip(&mut *blocks) {
                        round_to_eight_bit(numbers, lane, block);
                    }
                }
            }
            Weights::Eight(blocks)
        }
    };
    Ok(Matrix {
        rows,
        depth,
        weights,
    })
}

fn place_four_bit(kind: TensorType, source: &[u8], lane: usize, block: &mut FourBitBlock) {
    let scale = u16::from_le_bytes([source[0], source[1]]);
    let (offset, quants) = if kind == TensorType::Q4_0 {
        // `scale · (quant - 8)`: a power of two times the scale is exact.
        (half::from_f32(-8.0 * half::to_f32(scale)), &source[2..])
    } else {
        (u16::from_le_bytes([source[2], source[3]]), &source[4..])
    };
    block.scales[lane] = scale;
    block.offsets[lane] = offset;
    for (vector, quants) in block.quants.iter_mut().zip(quants.as_chunks::<4>().0) {
        vector.as_chunks_mut::<4>().0[lane] = *quants;
    }
}

fn place_eight_bit(
    scale: f32,
    quants: impl Iterator<Item = u8>,
    lane: usize,
    block: &mut EightBitBlock,
) {
    block.scales[lane] = scale;
    for (index, quant) in quants.enumerate() {
        block.quants[index / 4][4 * lane + index % 4] = quant;
    }
}

fn round_to_eight_bit(numbers: &[f32], lane: usize, block: &mut EightBitBlock) {
    let largest = numbers
        .iter()
        .fold(0.0_f32, |largest, number| largest.max(number.abs()));
    let inverse = if largest == 0.0 { 0.0 } else { 127.0 / largest };
    let quants = numbers
        .iter()
        .map(|number| (number * inverse + 128.0).round_ties_even() as u8);
    place_eight_bit(largest / 127.0, quants, lane, block);
}

#[cfg(test)]
mod tests;
