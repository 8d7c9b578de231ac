//! What happens to a token's vector between two multiplications.
//!
//! Plain loops, for [`Kernels::vectorize`](crate::kernel::Kernels::vectorize) to compile for the processor: sums go in eight
//! lanes, which are the same ones whatever vectors there are.

use crate::activation::ROUND;

/// e to the power of `x`, to about two units in the last place; for `x` from -87 to 88, and constant beyond.
#[inline(always)]
pub(crate) fn exponential(x: f32) -> f32 {
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = if x > 88.0 { 88.0 } else { x };
    let x = if x < -87.0 { -87.0 } else { x };
    // x = n · ln 2 + rest
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let rest = n.mul_add(-LN_2_HIGH, x);
    let rest = n.mul_add(-LN_2_LOW, rest);
    // Cephes' polynomial for e^rest - 1 - rest.
    let power = 1.987_569_1e-4_f32
        .mul_add(rest, 1.398_2e-3)
        .mul_add(rest, 8.333_452e-3)
        .mul_add(rest, 4.166_579_6e-2)
        .mul_add(rest, 0.166_666_65)
        .mul_add(rest, 0.5);
    let power = (power * rest).mul_add(rest, rest) + 1.0;
    // The shifted number's low bits are n: into the exponent with them.
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3F80_0000));
    power * scale
}

/// Eight sums' sum.
#[inline(always)]
pub(crate) fn add_lanes(lanes: [f32; 8]) -> f32 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (b + f)) + ((c + g) + (d + h))
}

/// Scales a vector to a mean square of one, then each number by its weight; the length is a multiple of eight.
#[inline(always)]
pub(crate) fn normalize(vector: &[f32], weights: &[f32], epsilon: f32, result: &mut [f32]) {
    let mut squares = [0.0_f32; 8];
    for numbers in vector.as_chunks::<8>().0 {
        for (square, number) in squares.iter_mut().zip(numbers) {
            *square = number.mul_add(*number, *square);
        }
    }
    let mean = add_lanes(squares) / vector.len() as f32;
    let scale = 1.0 / (mean + epsilon).sqrt();
    for ((result, number), weight) in result.iter_mut().zip(vector).zip(weights) {
        *result = number * scale * weight;
    }
}

/// Adds a vector to another.
#[inline(always)]
pub(crate) fn add(sum: &mut [f32], addend: &[f32]) {
    for (sum, addend) in sum.iter_mut().zip(addend) {
        *sum += addend;
    }
}

/// The gated unit: `gate · sigmoid(gate) · up`.
#[inline(always)]
pub(crate) fn gate(gates: &[f32], ups: &[f32], result: &mut [f32]) {
    for ((result, gate), up) in result.iter_mut().zip(gates).zip(ups) {
        *result = gate / (1.0 + exponential(-gate)) * up;
    }
}

/// Turns pairs of neighbours by the angles whose cosine and sine are given, in each head.
#[inline(always)]
pub(crate) fn rotate(heads: &mut [f32], head_size: usize, angles: &[[f32; 2]]) {
    for head in heads.chunks_exact_mut(head_size) {
        for ([x, y], [cosine, sine]) in head.as_chunks_mut::<2>().0.iter_mut().zip(angles) {
            (*x, *y) = (*x * cosine - *y * sine, *x * sine + *y * cosine);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Kernels;

    #[test]
    fn the_exponential_is_close_to_the_library_s() {
        for step in -8700..8800_i16 {
            let x = f32::from(step) / 100.0;
            let (ours, exact) = (exponential(x), f64::from(x).exp());
            assert!(
                ((f64::from(ours) - exact) / exact).abs() < 3e-7,
                "{x}: {ours} {exact}"
            );
        }
        assert_eq!(exponential(f32::NEG_INFINITY), exponential(-87.0));
        assert_eq!(exponential(0.0), 1.0);
    }

    #[test]
    fn all_instructions_give_the_same_bits() {
        let vector: Vec<f32> = (0_u8..160)
            .map(|step| (f32::from(step) * 0.7).sin() * 9.0)
            .collect();
        let results: Vec<Vec<u32>> = Kernels::all()
            .into_iter()
            .map(|kernels| {
                let mut result = vec![0.0; 160];
                kernels.vectorize(|| {
                    normalize(&vector, &vector, 1e-5, &mut result);
                    let normal = result.clone();
                    gate(&normal, &vector, &mut result);
                    rotate(
                        &mut result,
                        8,
                        &[[0.6, 0.8], [0.8, 0.6], [1.0, 0.0], [0.0, 1.0]],
                    );
                    add(&mut result, &vector);
                });
                result.into_iter().map(f32::to_bits).collect()
            })
            .collect();
        assert!(results.iter().all(|result| *result == results[0]));
    }
}
