use super::{
    naive,
    tiny::{Kind, TINY, Tiny, VOCABULARY, tiny},
    *,
};
use crate::{pool::Pool, priority::Priority};

/// A text of so many tokens.
fn tokens(count: usize, seed: u64) -> Vec<u32> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..count)
        .map(|_| random.u32(..VOCABULARY as u32))
        .collect()
}

fn pass(threads: usize) -> Pass {
    Pass::new(Pool::new(threads, Priority::Usual).unwrap())
}

/// The scores after a text, which goes through the model in pieces of so many tokens.
fn scores(model: &Model, pass: &mut Pass, tokens: &[u32], piece: usize) -> Vec<f32> {
    let mut memory = model.new_memory();
    let mut scores = Vec::new();
    for tokens in tokens.chunks(piece) {
        let run = Run {
            tokens,
            memory: &mut memory,
            wants_scores: true,
        };
        scores = pass.run(model, &mut [run]).to_vec();
    }
    scores
}

#[test]
fn scores_are_those_of_the_naive_model_but_for_rounding() {
    for kind in [Kind::Q4_1, Kind::F16] {
        let file = tiny(&Tiny { kind, ..TINY });
        let exact = naive::scores(&file, &tokens(100, 3));
        let length =
            |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|x| x * x).sum::<f64>().sqrt();
        for kernels in Kernels::all() {
            let model = Model::load_for(&file, kernels).unwrap();
            let scores = scores(&model, &mut pass(1), &tokens(100, 3), 100);
            let errors = scores
                .iter()
                .zip(&exact)
                .map(|(score, exact)| f64::from(*score) - exact);
            let error = length(&mut errors.into_iter()) / length(&mut exact.iter().copied());
            assert!(error < 0.03, "{kind:?} {kernels:?}: {error}");
        }
    }
}

#[test]
fn all_instructions_and_numbers_of_threads_give_the_same_bits() {
    let file = tiny(&TINY);
    let text = tokens(150, 4);
    let bits = |kernels, threads| {
        let model = Model::load_for(&file, kernels).unwrap();
        let scores = scores(&model, &mut pass(threads), &text, 150);
        scores.into_iter().map(f32::to_bits).collect::<Vec<u32>>()
    };
    let expected = bits(Kernels::all()[0], 1);
    for kernels in Kernels::all() {
        for threads in [1, 2, 3] {
            assert!(bits(kernels, threads) == expected, "{kernels:?} {threads}");
        }
    }
}

#[test]
fn a_text_in_pieces_gives_the_same_bits_as_a_whole() {
    let file = tiny(&TINY);
    let model = Model::load(&file).unwrap();
    let text = tokens(150, 5);
    let whole = scores(&model, &mut pass(2), &text, 150);
    for piece in [1, 7, 64, 100] {
        assert_eq!(scores(&model, &mut pass(2), &text, piece), whole, "{piece}");
    }
}

#[test]
fn texts_together_give_the_same_bits_as_each_alone() {
    let file = tiny(&TINY);
    let model = Model::load(&file).unwrap();
    let mut pass = pass(2);
    let texts: Vec<Vec<u32>> = [90, 1, 40, 65, 3]
        .into_iter()
        .zip(10..)
        .map(|(count, seed)| tokens(count, seed))
        .collect();
    let alone: Vec<f32> = texts
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != 2)
        .flat_map(|(_, text)| scores(&model, &mut pass, text, 1000))
        .collect();
    let mut memories: Vec<Memory> = texts.iter().map(|_| model.new_memory()).collect();
    let mut runs: Vec<Run<'_>> = texts
        .iter()
        .zip(&mut memories)
        .enumerate()
        .map(|(index, (tokens, memory))| Run {
            tokens,
            memory,
            wants_scores: index != 2,
        })
        .collect();
    assert_eq!(pass.run(&model, &mut runs), alone);
}

#[test]
fn a_text_that_shares_the_memory_of_its_beginning_gives_the_same_bits() {
    let file = tiny(&TINY);
    let model = Model::load(&file).unwrap();
    let mut pass = pass(2);
    let text = tokens(150, 6);
    let whole = scores(&model, &mut pass, &text, 1000);
    let mut other = text[..100].to_vec();
    other.extend(tokens(50, 7));
    let mut memory = model.new_memory();
    let mut run = |memory: &mut Memory, tokens: &[u32]| {
        let run = Run {
            tokens,
            memory,
            wants_scores: true,
        };
        pass.run(&model, &mut [run]).to_vec()
    };
    run(&mut memory, &other);
    for known in [1, 64, 99, 100] {
        assert_eq!(
            run(&mut memory.prefix(known), &text[known..]),
            whole,
            "{known}"
        );
    }
}

#[test]
fn what_a_model_lacks_or_needs_is_said() {
    use crate::gguf::write::Writer;
    let message = |writer: Writer| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), writer.finish()).unwrap();
        Model::load(&Gguf::open(file.path()).unwrap())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        message(Writer::default()),
        "has no usable general.architecture"
    );
    assert_eq!(
        message(Writer::default().text("general.architecture", "mamba")),
        "needs architecture mamba, which is not supported"
    );
    assert_eq!(
        message(Writer::default().text("general.architecture", "llama")),
        "has no usable llama.embedding_length"
    );
}
