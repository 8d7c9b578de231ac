//! Half-precision numbers, as GGUF files and the attention cache hold them: 16 bits of IEEE 754.
//!
//! Written without branches, so that loops over them become vector code (after Marat Dukhan's FP16 library).

/// The number that 16 bits stand for.
#[inline(always)]
pub(crate) fn to_f32(half: u16) -> f32 {
    let word = u32::from(half) << 16;
    let sign = word & 0x8000_0000;
    let magnitude = word.wrapping_add(word);
    let normal =
        f32::from_bits((magnitude >> 4).wrapping_add(0xE0 << 23)) * f32::from_bits(15 << 23);
    let subnormal = f32::from_bits((magnitude >> 17) | (126 << 23)) - 0.5;
    let bits = if magnitude < 1 << 27 {
        subnormal.to_bits()
    } else {
        normal.to_bits()
    };
    f32::from_bits(sign | bits)
}

/// The nearest half-precision number, ties to even; infinity beyond the largest.
#[inline(always)]
pub(crate) fn from_f32(value: f32) -> u16 {
    let to_infinity = f32::from_bits(0x7780_0000);
    let to_zero = f32::from_bits(0x0880_0000);
    let base = (value.abs() * to_infinity) * to_zero;
    let word = value.to_bits();
    let magnitude = word.wrapping_add(word);
    let bias = (magnitude & 0xFF00_0000).max(0x7100_0000);
    let bits = (f32::from_bits((bias >> 1) + 0x0780_0000) + base).to_bits();
    let rounded = ((bits >> 13) & 0x7C00) + (bits & 0x0FFF);
    let result = if magnitude > 0xFF00_0000 {
        0x7E00
    } else {
        rounded
    };
    ((word >> 16) & 0x8000 | result) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_survives_the_way_there_and_back() {
        for half in 0..=u16::MAX {
            let value = to_f32(half);
            if value.is_nan() {
                assert_eq!(half & 0x7C00, 0x7C00);
            } else {
                assert_eq!(from_f32(value), half, "{value}");
            }
        }
    }

    #[test]
    fn known_numbers_have_their_known_bits() {
        for (value, bits) in [
            (0.0, 0),
            (1.0, 0x3C00),
            (-2.0, 0xC000),
            (65504.0, 0x7BFF),
            (65520.0, 0x7C00),
            (5.960_464_5e-8, 1),
            (1.0 + 1.0 / 2048.0, 0x3C00),
            (1.0 + 3.0 / 2048.0, 0x3C02),
        ] {
            assert_eq!(from_f32(value), bits, "{value}");
        }
    }
}
