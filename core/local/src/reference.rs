//! Comparison with llama.cpp, on the model that `make run` fetches.
//!
//! What llama.cpp makes of some texts and chats is recorded in tests/fixtures/reference.json, by record.py beside it. The tests
//! need SmolLM2-135M-Instruct Q4_1 at `LLM2API_TEST_MODEL` and say so where it isn't set.

use std::path::PathBuf;

use serde_json::Value;

use crate::{
    engine::{Done, Engine, Event, FinishReason, Options, Request},
    gguf::Gguf,
    model::{Model, Pass, Run},
    pool::Pool,
    priority::Priority,
    sampler::Sampling,
    template::{Message, Role, Template},
    tokenizer::Tokenizer,
};

/// Natural logarithms of a probability within which two tokens are a near tie. Both engines round activations to eight bits, each in
/// its own order of sums; between either and exact arithmetic the scores differ by up to as much.
const NEAR_TIE: f64 = 0.25;

fn model_path() -> Option<PathBuf> {
    let path = std::env::var_os("LLM2API_TEST_MODEL").map(PathBuf::from);
    if path.is_none() {
        eprintln!("NOT TESTED against llama.cpp: LLM2API_TEST_MODEL names no model");
    }
    path
}

fn recorded() -> Value {
    serde_json::from_str(include_str!("../tests/fixtures/reference.json")).unwrap()
}

fn tokens(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

fn messages(chat: &Value) -> Vec<Message> {
    let messages = chat["messages"].as_array().unwrap().iter();
    messages
        .map(|message| Message {
            role: match message["role"].as_str().unwrap() {
                "system" => Role::System,
                "user" => Role::User,
                "assistant" => Role::Assistant,
                other => panic!("{other}"),
            },
            content: message["content"].as_str().unwrap().to_owned(),
        })
        .collect()
}

#[test]
fn texts_become_the_tokens_that_llama_cpp_makes() {
    let Some(path) = model_path() else { return };
    let tokenizer = Tokenizer::load(&Gguf::open(&path).unwrap()).unwrap();
    for entry in recorded()["texts"].as_array().unwrap() {
        let text = entry["text"].as_str().unwrap();
        let guarded = tokenizer.guard(text, '\u{FDD0}');
        assert_eq!(
            tokenizer.encode(&guarded, '\u{FDD0}'),
            tokens(&entry["tokens"]),
            "{text:?}"
        );
    }
}

#[test]
fn chats_become_the_tokens_that_llama_cpp_makes() {
    let Some(path) = model_path() else { return };
    let file = Gguf::open(&path).unwrap();
    let tokenizer = Tokenizer::load(&file).unwrap();
    let template = Template::load(&file).unwrap();
    for chat in recorded()["chats"].as_array().unwrap() {
        let encoded = template.encode(&tokenizer, &messages(chat)).unwrap();
        assert_eq!(
            encoded,
            tokens(&chat["prompt_tokens"]),
            "{}",
            chat["messages"]
        );
    }
}

/// Follows llama.cpp's answers: at each token ours is the same, or theirs and ours were a near tie for llama.cpp too.
#[test]
fn the_likeliest_tokens_are_llama_cpp_s_but_for_near_ties() {
    let Some(path) = model_path() else { return };
    let model = Model::load(&Gguf::open(&path).unwrap()).unwrap();
    let mut pass = Pass::new(Pool::new(2, Priority::Usual).unwrap());
    let (mut steps, mut ties) = (0, 0);
    for chat in recorded()["chats"].as_array().unwrap() {
        let mut memory = model.new_memory();
        let mut next = tokens(&chat["prompt_tokens"]);
        let answer = tokens(&chat["answer_tokens"]);
        let candidates = chat["candidates"].as_array().unwrap();
        assert_eq!(answer.len(), candidates.len());
        for (theirs, candidates) in answer.into_iter().zip(candidates) {
            let run = Run {
                tokens: &next,
                memory: &mut memory,
                wants_scores: true,
            };
            let scores = pass.run(&model, &mut [run]);
            let ours = (0..scores.len())
                .max_by(|&a, &b| scores[a].total_cmp(&scores[b]))
                .unwrap();
            steps += 1;
            if ours as u32 != theirs {
                ties += 1;
                let recorded = |token: u64| {
                    let mut candidates = candidates.as_array().unwrap().iter();
                    let found = candidates.find(|candidate| candidate[0].as_u64() == Some(token));
                    found.map_or(f64::NEG_INFINITY, |candidate| {
                        candidate[1].as_f64().unwrap()
                    })
                };
                let distance = recorded(theirs.into()) - recorded(ours as u64);
                assert!(
                    distance < NEAR_TIE,
                    "{}: {candidates}, ours {ours}",
                    chat["messages"]
                );
            }
            next = vec![theirs];
        }
    }
    assert!(
        ties * 20 < steps,
        "{ties} of {steps} tokens are not llama.cpp's"
    );
}

#[test]
fn the_capital_of_france_is_paris() {
    let Some(path) = model_path() else { return };
    let engine = Engine::open(path, Options::default()).unwrap();
    let mut generation = engine
        .start(Request {
            messages: vec![Message {
                role: Role::User,
                content: "What is the capital of France?".to_owned(),
            }],
            sampling: Sampling {
                temperature: 0.0,
                ..Sampling::default()
            },
            max_tokens: Some(64),
            ..Request::default()
        })
        .unwrap();
    let mut text = String::new();
    while let Some(event) = generation.blocking_next() {
        match event.unwrap() {
            Event::Text(piece) => text.push_str(&piece),
            Event::Done(Done { finish_reason, .. }) => {
                assert!(text.contains("Paris"), "{text}");
                assert_eq!(finish_reason, FinishReason::Stop);
            }
        }
    }
}
