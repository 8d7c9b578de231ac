use super::*;
use crate::{
    activation::{ActivationBlock, quantize},
    disjoint::Disjoint,
    kernel::Kernels,
};

const ROWS: usize = 11;
const COLUMNS: usize = 64;

/// A tensor of random blocks.
fn tensor(kind: TensorType, columns: usize) -> Tensor {
    let mut random = fastrand::Rng::with_seed(9);
    let blocks = ROWS * columns / kind.block();
    let mut bytes = Pages::zeroed(blocks * kind.block_bytes()).unwrap();
    bytes.fill_with(|| random.u8(..));
    // Random bits would make scales that are no numbers.
    let halves: &[usize] = match kind {
        TensorType::F32 => &[2],
        TensorType::F16
        | TensorType::Bf16
        | TensorType::Q4_0
        | TensorType::Q5_0
        | TensorType::Q8_0 => &[0],
        TensorType::Q4_1 | TensorType::Q5_1 | TensorType::Q4K | TensorType::Q5K => &[0, 2],
        TensorType::Q6K => &[208],
    };
    for block in bytes.chunks_mut(kind.block_bytes()) {
        for &start in halves {
            let number = half::from_f32(random.f32() - 0.5).to_le_bytes();
            block[start..start + 2].copy_from_slice(&number);
        }
    }
    Tensor {
        kind,
        shape: vec![columns as u64, ROWS as u64],
        bytes,
    }
}

fn rows(matrix: &Matrix, columns: usize) -> Vec<f32> {
    let mut rows = vec![0.0; ROWS * columns];
    for (index, row) in rows.chunks_mut(columns).enumerate() {
        matrix.row(index, row);
    }
    rows
}

#[test]
fn formats_of_our_own_kind_are_kept_exactly() {
    for kind in [TensorType::Q4_0, TensorType::Q4_1, TensorType::Q8_0] {
        let tensor = tensor(kind, COLUMNS);
        let matrix = pack(&tensor, ROWS, COLUMNS).unwrap();
        assert_eq!(rows(&matrix, COLUMNS), tensor.numbers(), "{kind:?}");
    }
}

#[test]
fn other_formats_are_rounded_to_eight_bits() {
    for (kind, columns) in [
        (TensorType::F32, COLUMNS),
        (TensorType::F16, COLUMNS),
        (TensorType::Bf16, COLUMNS),
        (TensorType::Q5_0, COLUMNS),
        (TensorType::Q5_1, COLUMNS),
        (TensorType::Q4K, 256),
        (TensorType::Q5K, 256),
        (TensorType::Q6K, 256),
    ] {
        let tensor = tensor(kind, columns);
        let packed = rows(&pack(&tensor, ROWS, columns).unwrap(), columns);
        for (packed, exact) in packed.chunks(BLOCK).zip(tensor.numbers().chunks(BLOCK)) {
            let largest = exact
                .iter()
                .fold(0.0_f32, |largest, number| largest.max(number.abs()));
            for (packed, exact) in packed.iter().zip(exact) {
                assert!(
                    (packed - exact).abs() <= largest / 250.0,
                    "{kind:?}: {packed} {exact}"
                );
            }
        }
    }
}

#[test]
fn a_product_is_that_of_the_numbers_but_for_rounding() {
    for kind in [TensorType::Q4_0, TensorType::Q4_1, TensorType::Q8_0] {
        let matrix = pack(&tensor(kind, COLUMNS), ROWS, COLUMNS).unwrap();
        let vector: Vec<f32> = (0..COLUMNS)
            .map(|index| (index as f32 * 0.7).sin())
            .collect();
        let mut activations = [ActivationBlock::default(); COLUMNS / BLOCK];
        quantize(&vector, &mut activations);
        let mut results = [0.0; ROWS];
        #[expect(unsafe_code, reason = "what is tested")]
        // SAFETY: nobody else uses the elements.
        unsafe {
            matrix.multiply(
                Kernels::all()[0],
                0..matrix.groups(),
                &activations,
                &Disjoint::new(&mut results),
                (0, ROWS),
            );
        }
        for (row, result) in rows(&matrix, COLUMNS).chunks(COLUMNS).zip(results) {
            let exact: f32 = row
                .iter()
                .zip(&vector)
                .map(|(weight, number)| weight * number)
                .sum();
            let size: f32 = row.iter().map(|weight| weight.abs()).sum();
            assert!(
                (result - exact).abs() < 0.006 * size,
                "{kind:?}: {result} {exact}"
            );
        }
    }
}

#[test]
fn a_tensor_of_another_shape_is_refused() {
    let tensor = tensor(TensorType::F32, COLUMNS);
    assert_eq!(
        pack(&tensor, ROWS + 1, COLUMNS).unwrap_err().to_string(),
        "has shape [64, 11], where 12 rows of 64 numbers, a multiple of 32, are needed"
    );
}
