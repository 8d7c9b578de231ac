//! Activations in fifteen bits: what the weights are multiplied with.
//!
//! A token's vector is cut into blocks of [`BLOCK`] numbers, each block scaled so that its largest magnitude is [`LARGEST`]. A
//! number lies in two bytes of its own, `128 · high + low`, for which there are vector instructions. llama.cpp makes do with the
//! high byte; for small models its rounding is enough to change answers ("What is the capital of France?" has SmolLM2-135M speak of
//! the Marseillaise), and the second byte costs little, as fetching the weights takes longer than multiplying them.

/// Numbers a block, of weights as of activations: what GGUF's simple formats use.
pub(crate) const BLOCK: usize = 32;

/// Adding and subtracting this rounds a float below 2²² to the nearest integer, ties to even.
pub(crate) const ROUND: f32 = 12_582_912.0;

/// What the largest magnitude of a block becomes: 127 in the high byte.
const LARGEST: f32 = 127.0 * 128.0;

/// [`BLOCK`] numbers of a token's vector.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[repr(C, align(16))]
pub(crate) struct ActivationBlock {
    /// The numbers' high bytes, in units of 128 [`Self::scale`]s.
    pub(crate) high: [i8; BLOCK],
    /// The numbers' low bytes, from -64 to 63, in units of [`Self::scale`].
    pub(crate) low: [i8; BLOCK],
    /// One unit.
    pub(crate) scale: f32,
    /// The block's sum, which a weight's offset is multiplied with.
    pub(crate) sum: f32,
    /// The block's sum in units, 128 times: what a weight stored with an offset of 128 counts too much.
    pub(crate) excess: i32,
}

/// Cuts a vector into blocks; its length is a multiple of [`BLOCK`].
#[inline(always)]
pub(crate) fn quantize(values: &[f32], blocks: &mut [ActivationBlock]) {
    debug_assert_eq!(values.len(), blocks.len() * BLOCK);
    for (values, block) in values.as_chunks::<BLOCK>().0.iter().zip(blocks) {
        let largest = largest_magnitude(values);
        let inverse = if largest == 0.0 {
            0.0
        } else {
            LARGEST / largest
        };
        let mut sum = 0;
        for ((high, low), value) in block.high.iter_mut().zip(&mut block.low).zip(values) {
            // The mantissa's low bits are the integer in two's complement.
            let quant = (value * inverse + ROUND).to_bits() as i32;
            *low = (((quant + 64) & 127) - 64) as i8;
            *high = ((quant + 64) >> 7) as i8;
            sum += 128 * i32::from(*high) + i32::from(*low);
        }
        block.scale = largest / LARGEST;
        block.sum = block.scale * sum as f32;
        block.excess = 128 * sum;
    }
}

#[inline(always)]
fn largest_magnitude(values: &[f32; BLOCK]) -> f32 {
    let mut largest = [0.0_f32; 8];
    for lane in values.as_chunks::<8>().0 {
        for (largest, value) in largest.iter_mut().zip(lane) {
            let magnitude = value.abs();
            *largest = if magnitude > *largest {
                magnitude
            } else {
                *largest
            };
        }
    }
    largest.into_iter().fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_holds_its_numbers_to_half_a_unit() {
        let values: Vec<f32> = (0_u8..32)
            .map(|index| (f32::from(index) - 11.0) * 0.37)
            .collect();
        let mut blocks = [ActivationBlock::default()];
        quantize(&values, &mut blocks);
        let [block] = blocks;
        let quants = || {
            block
                .high
                .iter()
                .zip(block.low)
                .map(|(&high, low)| 128 * i32::from(high) + i32::from(low))
        };
        assert_eq!(quants().max(), Some(127 * 128));
        assert_eq!(block.excess, 128 * quants().sum::<i32>());
        assert!(block.low.iter().all(|low| (-64..64).contains(low)));
        for (quant, value) in quants().zip(&values) {
            assert!((quant as f32 * block.scale - value).abs() <= 0.51 * block.scale);
        }
    }

    #[test]
    fn a_block_of_zeros_is_zeros() {
        let mut blocks = [ActivationBlock::default()];
        quantize(&[0.0; BLOCK], &mut blocks);
        assert_eq!(blocks, [ActivationBlock::default()]);
    }
}
