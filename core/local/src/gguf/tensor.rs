//! Tensors in the formats of ggml, and their numbers.
//!
//! The formats are those of ggml/src/ggml-common.h; how their bits become numbers is after ggml/src/ggml-quants.c.

use crate::{half, pages::Pages};

/// The formats that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TensorType {
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// The upper half of single precision.
    Bf16,
    /// 32 numbers: a scale and four bits each, less 8.
    Q4_0,
    /// 32 numbers: a scale, an offset and four bits each.
    Q4_1,
    /// 32 numbers: a scale and five bits each, less 16.
    Q5_0,
    /// 32 numbers: a scale, an offset and five bits each.
    Q5_1,
    /// 32 numbers: a scale and eight bits each.
    Q8_0,
    /// 256 numbers in eight parts, each with a scale and an offset of six bits; four bits each.
    Q4K,
    /// The same with five bits each.
    Q5K,
    /// 256 numbers in 16 parts, each with a scale of eight bits; six bits each, less 32.
    Q6K,
}

/// A tensor as the file has it.
#[derive(Debug)]
pub(crate) struct Tensor {
    /// Its format.
    pub(crate) kind: TensorType,
    /// Its dimensions, that of the row first.
    pub(crate) shape: Vec<u64>,
    /// Its data.
    pub(crate) bytes: Pages<u8>,
}

impl Tensor {
    /// All numbers.
    pub(crate) fn numbers(&self) -> Vec<f32> {
        let mut numbers =
            Vec::with_capacity(self.bytes.len() / self.kind.block_bytes() * self.kind.block());
        for block in self.bytes.chunks_exact(self.kind.block_bytes()) {
            self.kind.decode(block, &mut numbers);
        }
        numbers
    }
}

impl TensorType {
    /// The format of a number in the file; where it is none of ours, how it is called.
    pub(super) fn from_number(number: u32) -> Result<Self, String> {
        Ok(match number {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            12 => Self::Q4K,
            13 => Self::Q5K,
            14 => Self::Q6K,
            30 => Self::Bf16,
            9 => return Err("Q8_1".to_owned()),
            10 => return Err("Q2_K".to_owned()),
            11 => return Err("Q3_K".to_owned()),
            15 => return Err("Q8_K".to_owned()),
            16..=19 | 21..=23 | 29 => return Err(format!("IQ (number {number})")),
            20 => return Err("IQ4_NL".to_owned()),
            34 | 35 => return Err(format!("TQ (number {number})")),
            39 => return Err("MXFP4".to_owned()),
            other => return Err(format!("number {other}")),
        })
    }

    /// Numbers a block.
    pub(crate) fn block(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => 32,
            Self::Q4K | Self::Q5K | Self::Q6K => 256,
        }
    }

    /// Bytes a block.
    pub(crate) fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
        }
    }

    /// Bytes of a tensor. `None`: more than can be counted, or its rows are no whole blocks.
    pub(super) fn size(self, shape: &[u64]) -> Option<u64> {
        let row = shape.first().copied().unwrap_or(1);
        if !row.is_multiple_of(self.block() as u64) {
            return None;
        }
        let numbers = shape
            .iter()
            .try_fold(1_u64, |product, &size| product.checked_mul(size))?;
        (numbers / self.block() as u64).checked_mul(self.block_bytes() as u64)
    }

    /// Appends the numbers of one block.
    pub(crate) fn decode(self, bytes: &[u8], numbers: &mut Vec<f32>) {
        debug_assert_eq!(bytes.len(), self.block_bytes());
        match self {
            Self::F32 => numbers.push(f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
            Self::F16 => numbers.push(half_at(bytes, 0)),
            Self::Bf16 => numbers.push(f32::from_bits(u32::from_le_bytes([
                0, 0, bytes[0], bytes[1],
            ]))),
            Self::Q4_0 => {
                let scale = half_at(bytes, 0);
                numbers.extend(nibbles(&bytes[2..]).map(|quant| scale * (f32::from(quant) - 8.0)));
            }
            Self::Q4_1 => {
                let (scale, offset) = (half_at(bytes, 0), half_at(bytes, 2));
                numbers.extend(nibbles(&bytes[4..]).map(|quant| scale * f32::from(quant) + offset));
            }
            Self::Q5_0 => {
                let scale = half_at(bytes, 0);
                numbers.extend(
                    five_bits(&bytes[2..6], &bytes[6..])
                        .map(|quant| scale * (f32::from(quant) - 16.0)),
                );
            }
            Self::Q5_1 => {
                let (scale, offset) = (half_at(bytes, 0), half_at(bytes, 2));
                numbers.extend(
                    five_bits(&bytes[4..8], &bytes[8..])
                        .map(|quant| scale * f32::from(quant) + offset),
                );
            }
            Self::Q8_0 => {
                let scale = half_at(bytes, 0);
                numbers.extend(
                    bytes[2..]
                        .iter()
                        .map(|&quant| scale * f32::from(quant.cast_signed())),
                );
            }
            Self::Q4K => decode_k(bytes, &[], &bytes[16..], numbers),
            Self::Q5K => decode_k(bytes, &bytes[16..48], &bytes[48..], numbers),
            Self::Q6K => decode_q6_k(bytes, numbers),
        }
    }
}

fn half_at(bytes: &[u8], start: usize) -> f32 {
    half::to_f32(u16::from_le_bytes([bytes[start], bytes[start + 1]]))
}

/// The low halves of all bytes, then the high ones.
fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let low = bytes.iter().map(|byte| byte & 0x0F);
    low.chain(bytes.iter().map(|byte| byte >> 4))
}

/// As [`nibbles`], with a fifth bit for each from `high`.
fn five_bits(high: &[u8], low: &[u8]) -> impl Iterator<Item = u8> {
    let high = u32::from_le_bytes([high[0], high[1], high[2], high[3]]);
    nibbles(low)
        .enumerate()
        .map(move |(index, quant)| quant | ((high >> index) as u8 & 1) << 4)
}

/// Q4_K and Q5_K: eight parts of 32 numbers, two parts in the halves of the same bytes; a fifth bit a number in `high`, if any.
fn decode_k(bytes: &[u8], high: &[u8], low: &[u8], numbers: &mut Vec<f32>) {
    let (scale, offset) = (half_at(bytes, 0), half_at(bytes, 2));
    let packed = &bytes[4..16];
    for part in 0..8 {
        // The first four parts' scales and offsets have six bits in a byte; the others' upper two bits lie in those bytes.
        let (part_scale, part_offset) = if part < 4 {
            (packed[part] & 63, packed[part + 4] & 63)
        } else {
            (
                packed[part + 4] & 0x0F | packed[part - 4] >> 6 << 4,
                packed[part + 4] >> 4 | packed[part] >> 6 << 4,
            )
        };
        let part_scale = scale * f32::from(part_scale);
        let part_offset = offset * f32::from(part_offset);
        for (index, byte) in low[part / 2 * 32..][..32].iter().enumerate() {
            let quant = if part % 2 == 0 {
                byte & 0x0F
            } else {
                byte >> 4
            };
            let fifth = high.get(index).map_or(0, |high| (high >> part & 1) << 4);
            numbers.push(part_scale * f32::from(quant | fifth) - part_offset);
        }
    }
}

/// Q6_K: two halves of 128 numbers, each with four low bits in 64 bytes and two high bits in 32.
fn decode_q6_k(bytes: &[u8], numbers: &mut Vec<f32>) {
    let (low, rest) = bytes.split_at(128);
    let (high, rest) = rest.split_at(64);
    let scale = half_at(rest, 16);
    for part in 0..8 {
        let (half, quarter) = (part / 4, part % 4);
        for index in 0..32 {
            let low = low[64 * half + 32 * (quarter % 2) + index] >> (quarter / 2 * 4) & 0x0F;
            let high = high[32 * half + index] >> (2 * quarter) & 3;
            let part_scale = f32::from(rest[2 * part + index / 16].cast_signed());
            numbers.push(scale * part_scale * (f32::from(low | high << 4) - 32.0));
        }
    }
}
