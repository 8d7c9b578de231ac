use super::*;
use crate::{activation::quantize, half};

const DEPTH: usize = 5;

fn activations(tokens: usize, random: &mut fastrand::Rng) -> Vec<ActivationBlock> {
    let mut blocks = vec![ActivationBlock::default(); tokens * DEPTH];
    let values: Vec<f32> = (0..blocks.len() * BLOCK)
        .map(|_| 8.0 * random.f32() - 4.0)
        .collect();
    quantize(&values, &mut blocks);
    // The extremes, which must not overflow.
    blocks[0].high = [127; BLOCK];
    blocks[0].low = [63; BLOCK];
    blocks[0].excess = 128 * (127 * 128 + 63) * 32;
    blocks[1].high = [-127; BLOCK];
    blocks[1].low = [-64; BLOCK];
    blocks[1].excess = -128 * (127 * 128 + 64) * 32;
    blocks
}

/// The product by each of the kernels.
fn products<B>(
    blocks: &[B],
    rows: usize,
    tokens: usize,
    activations: &[ActivationBlock],
    multiply: impl Fn(Kernels, Operands<'_, B>, Product<'_>),
) -> Vec<Vec<u32>> {
    Kernels::all()
        .into_iter()
        .map(|kernels| {
            let mut results = vec![f32::NAN; tokens * (rows + 3)];
            let elements = Disjoint::new(&mut results);
            let operands = Operands {
                blocks,
                activations,
                depth: DEPTH,
            };
            let product = Product {
                elements: &elements,
                stride: rows + 3,
                offset: 2,
                rows,
            };
            multiply(kernels, operands, product);
            results.into_iter().map(f32::to_bits).collect()
        })
        .collect()
}

#[test]
#[expect(unsafe_code, reason = "what is tested")]
fn four_bit_products_are_equal_bit_for_bit() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut fraction = || half::from_f32(random.f32() - 0.5);
    let mut blocks: Vec<FourBitBlock> = (0..3 * DEPTH)
        .map(|_| FourBitBlock {
            scales: std::array::from_fn(|_| fraction()),
            offsets: std::array::from_fn(|_| fraction()),
            quants: [[0xFF; 32]; 4],
        })
        .collect();
    for byte in blocks[2..]
        .iter_mut()
        .flat_map(|block| block.quants.as_flattened_mut())
    {
        *byte = random.u8(..);
    }
    for tokens in 1..=9 {
        let activations = activations(tokens, &mut random);
        let products = products(
            &blocks,
            21,
            tokens,
            &activations,
            |kernels, operands, product| {
                // SAFETY: nobody else uses the elements.
                unsafe { kernels.multiply_four_bit(operands, 0..3, 0..tokens, product) };
            },
        );
        assert!(
            products.iter().all(|product| *product == products[0]),
            "{tokens}"
        );
        let untouched = products[0]
            .iter()
            .filter(|bits| f32::from_bits(**bits).is_nan())
            .count();
        assert_eq!(untouched, 3 * tokens);
    }
}

#[test]
#[expect(unsafe_code, reason = "what is tested")]
fn eight_bit_products_are_equal_bit_for_bit() {
    let mut random = fastrand::Rng::with_seed(2);
    let mut blocks: Vec<EightBitBlock> = (0..3 * DEPTH)
        .map(|_| EightBitBlock {
            scales: std::array::from_fn(|_| random.f32() - 0.5),
            quants: [[0; 32]; 8],
        })
        .collect();
    blocks[1].quants = [[255; 32]; 8];
    for byte in blocks[2..]
        .iter_mut()
        .flat_map(|block| block.quants.as_flattened_mut())
    {
        *byte = random.u8(..);
    }
    for tokens in 1..=9 {
        let activations = activations(tokens, &mut random);
        let products = products(
            &blocks,
            24,
            tokens,
            &activations,
            |kernels, operands, product| {
                // SAFETY: nobody else uses the elements.
                unsafe { kernels.multiply_eight_bit(operands, 0..3, 0..tokens, product) };
            },
        );
        assert!(
            products.iter().all(|product| *product == products[0]),
            "{tokens}"
        );
    }
}

#[test]
fn products_of_halves_are_equal_bit_for_bit() {
    let mut random = fastrand::Rng::with_seed(3);
    for (rows, depth, columns) in [
        (1, 64, 64),
        (3, 64, 8),
        (7, 5, 40),
        (12, 1, 16),
        (0, 4, 8),
        (5, 0, 8),
    ] {
        let left: Vec<f32> = (0..rows * 70).map(|_| random.f32() - 0.5).collect();
        let right: Vec<u16> = (0..depth * 70)
            .map(|_| half::from_f32(random.f32() - 0.5))
            .collect();
        let sums: Vec<f32> = (0..rows * 80).map(|_| random.f32()).collect();
        let factors = HalfFactors {
            left: &left,
            left_stride: 70,
            rows,
            depth,
            right: &right,
            right_stride: 70,
            columns,
        };
        let results: Vec<Vec<f32>> = Kernels::all()
            .into_iter()
            .map(|kernels| {
                let mut sums = sums.clone();
                kernels.multiply_halves(factors, &mut sums, 80);
                sums
            })
            .collect();
        assert!(
            results.iter().all(|result| *result == results[0]),
            "{rows} {depth} {columns}"
        );
        let changed = results[0]
            .iter()
            .zip(&sums)
            .filter(|(now, before)| now != before)
            .count();
        assert_eq!(changed > 0, rows * depth > 0);
    }
}

#[test]
fn this_processor_s_kernels_are_the_best_it_can_run() {
    assert_eq!(Kernels::detect().ok(), Kernels::all().last().copied());
}
