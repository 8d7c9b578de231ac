use std::io::Write;

use super::{write::Writer, *};
use crate::model::tiny::{TINY, tiny_file};

fn open(bytes: &[u8]) -> Result<Gguf, GgufError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    Gguf::open(file.path())
}

fn message(bytes: &[u8]) -> String {
    open(bytes).unwrap_err().to_string()
}

#[test]
fn what_was_written_is_read() {
    let list = Value::List(vec![
        Value::Text("one".to_owned()),
        Value::Text("zwei".to_owned()),
    ]);
    let bytes = Writer::default()
        .text("name", "a model")
        .count("size", 7)
        .value("list", &list)
        .value("fraction", &Value::Float(0.5))
        .value("flag", &Value::Bool(true))
        .tensor(
            "first",
            &[3],
            0,
            &[1.0_f32, -2.0, 0.5].map(f32::to_le_bytes).concat(),
        )
        .tensor(
            "second",
            &[1, 2],
            1,
            &[0x3C00_u16, 0xC000].map(u16::to_le_bytes).concat(),
        )
        .finish();
    let file = open(&bytes).unwrap();
    assert_eq!(file.text("name").unwrap(), "a model");
    assert_eq!(file.count("size").unwrap(), 7);
    assert_eq!(file.value("list"), Some(&list));
    assert_eq!(file.value("fraction").and_then(Value::as_f32), Some(0.5));
    assert_eq!(file.value("flag").and_then(Value::as_bool), Some(true));
    assert_eq!(file.tensor("first").unwrap().numbers(), [1.0, -2.0, 0.5]);
    assert_eq!(file.tensor("second").unwrap().numbers(), [1.0, -2.0]);
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    assert_eq!(message(b""), "is not a GGUF file");
    assert_eq!(message(b"<html>no model here</html>"), "is not a GGUF file");
    assert_eq!(
        message(b"GGUF\x01\0\0\0"),
        "is GGUF version 1, where 2 and 3 are known"
    );
    assert_eq!(
        message(&Writer::default().count("size", 7).finish()[..40]),
        "is damaged: it ends too early"
    );
    let file = open(&Writer::default().text("name", "a model").finish()).unwrap();
    assert_eq!(
        file.count("name").unwrap_err().to_string(),
        "has no usable name"
    );
    assert_eq!(
        file.tensor("first").unwrap_err().to_string(),
        "has no usable tensor first"
    );
}

#[test]
fn a_tensor_of_an_unknown_format_is_named() {
    let bytes = Writer::default()
        .tensor("first", &[32], 20, &[0; 18])
        .finish();
    assert_eq!(
        open(&bytes)
            .unwrap()
            .tensor("first")
            .unwrap_err()
            .to_string(),
        "has tensor first in format IQ4_NL, which is not supported"
    );
}

#[test]
fn a_tensor_outside_the_file_is_refused() {
    for shape in [&[64][..], &[1 << 62, 1 << 62], &[u64::MAX], &[5, 1 << 40]] {
        let bytes = Writer::default()
            .tensor("first", shape, 0, &[0; 128])
            .finish();
        assert_eq!(
            open(&bytes)
                .unwrap()
                .tensor("first")
                .unwrap_err()
                .to_string(),
            "is damaged: tensor first lies outside the file"
        );
    }
}

#[test]
fn a_length_that_is_a_lie_takes_no_memory() {
    let mut bytes = Writer::default().text("name", "a model").finish();
    let length = bytes.len() - 32 - 7;
    for lie in [u64::MAX, 1 << 40] {
        bytes[24..32].copy_from_slice(&lie.to_le_bytes());
        assert_eq!(message(&bytes), "is damaged: it ends too early", "{length}");
    }
}

#[test]
fn a_file_that_is_cut_or_changed_anywhere_is_an_error_or_another_model() {
    let bytes = tiny_file(&TINY);
    let load = |bytes: &[u8]| {
        open(bytes).is_ok_and(|file| {
            let model = crate::model::Model::load(&file).is_ok();
            let tokenizer = crate::tokenizer::Tokenizer::load(&file).is_ok();
            model && tokenizer
        })
    };
    assert!(load(&bytes));
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..300 {
        assert!(!load(&bytes[..random.usize(..bytes.len() - 32)]));
    }
    let head = bytes.len() / 4;
    for _ in 0..3000 {
        let mut changed = bytes.clone();
        let place = random.usize(..head);
        changed[place] = random.u8(..);
        load(&changed);
    }
}

/// A block of each format, all of whose bits are set by one rule, and its first, second and last numbers as ggml's `dequantize_row_…`
/// give them.
#[test]
fn each_format_s_numbers_are_ggml_s() {
    let half = |value: f32| half_bits(value);
    // Q4_0: scale 0.5; the first byte's halves are numbers 0 and 16.
    let mut block = half(0.5).to_vec();
    block.extend([0x2F; 16]);
    let numbers = decoded(TensorType::Q4_0, &block);
    assert_eq!((numbers[0], numbers[16], numbers.len()), (3.5, -3.0, 32));
    // Q5_1: scale 2, offset 1; the fifth bits are 0 for even numbers, 1 for odd ones.
    let mut block = [half(2.0), half(1.0)].concat();
    block.extend([0xAA; 4]);
    block.extend([0x21; 16]);
    let numbers = decoded(TensorType::Q5_1, &block);
    assert_eq!(
        (numbers[0], numbers[1], numbers[16], numbers[17]),
        (3.0, 35.0, 5.0, 37.0)
    );
    // Q6_K: low 0b0001 and 0b0010, high 0b11 for the first quarter only, scales 1 but for the last, which is -2.
    let mut block = vec![0x21; 128];
    block.extend([0x03; 64]);
    block.extend([1; 15]);
    block.push(0xFE);
    block.extend(half(0.5));
    let numbers = decoded(TensorType::Q6K, &block);
    assert_eq!(numbers.len(), 256);
    assert_eq!(
        (numbers[0], numbers[32], numbers[64], numbers[127]),
        (8.5, -15.5, -15.0, -15.0)
    );
    assert_eq!((numbers[128], numbers[255]), (8.5, 30.0));
    // Q4_K: scale 1, offset 1; part scales 1 and offsets 2 in the first four parts, 0x21 and 0x12 in the last.
    let mut block = [half(1.0), half(1.0)].concat();
    block.extend([0x81, 0x81, 0x81, 0x81]);
    block.extend([0x42, 0x42, 0x42, 0x42]);
    block.extend([0x21; 4]);
    block.extend([0x53; 128]);
    let numbers = decoded(TensorType::Q4K, &block);
    assert_eq!((numbers[0], numbers[32]), (1.0, 3.0));
    let (scale, offset) = (f32::from(0x21_u8), f32::from(0x12_u8));
    assert_eq!(
        (numbers[128], numbers[160]),
        (scale * 3.0 - offset, scale * 5.0 - offset)
    );
    // Q5_K: the same with fifth bits for part 0 alone.
    let mut five = block[..16].to_vec();
    five.extend([0x01; 32]);
    five.extend([0x53; 128]);
    let numbers = decoded(TensorType::Q5K, &five);
    assert_eq!((numbers[0], numbers[32]), (17.0, 3.0));
}

fn half_bits(value: f32) -> [u8; 2] {
    crate::half::from_f32(value).to_le_bytes()
}

fn decoded(kind: TensorType, block: &[u8]) -> Vec<f32> {
    let mut numbers = Vec::new();
    kind.decode(block, &mut numbers);
    numbers
}
