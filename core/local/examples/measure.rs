//! Measures a model's speed: `measure MODEL.gguf [THREADS]` prints one JSON object.
//!
//! Prompts are read alone (`prefill`), an answer is written alone (`decode`), and four at once (`decode_four`, their sum); each is the
//! best of several rounds, in tokens a second. The comparison with llama.cpp is in docs/performance.md.

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use llm2api_local::{Done, Engine, Event, Message, Options, Priority, Request, Role, Sampling};

/// Rounds of each measurement.
const ROUNDS: usize = 5;
/// Tokens of an answer.
const ANSWER: usize = 128;
/// Words of a prompt, about as many tokens.
const PROMPT: usize = 480;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments
        .next()
        .ok_or("usage: measure MODEL.gguf [THREADS]")?;
    let threads: NonZeroUsize = match arguments.next() {
        Some(threads) => threads.parse()?,
        None => std::thread::available_parallelism()?,
    };
    let options = Options {
        threads,
        priority: Priority::Usual,
        ..Options::default()
    };
    let engine = Engine::open(path, options)?;
    let begin = Instant::now();
    answer(&engine, "Hello.".to_owned(), 1)?;
    let load = begin.elapsed();

    let (mut prefill, mut decode, mut decode_four) = (0.0_f64, 0.0_f64, 0.0_f64);
    for round in 0..ROUNDS {
        let words = format!("number{round} ") + &"word ".repeat(PROMPT);
        let begin = Instant::now();
        let (done, _) = answer(&engine, words, 1)?;
        let read = done.usage.prompt_tokens - done.usage.cached_tokens;
        prefill = prefill.max(read as f64 / begin.elapsed().as_secs_f64());

        let (done, duration) = answer(&engine, story(round), ANSWER)?;
        decode = decode.max(rate(&done, duration));

        let rates = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|index| {
                    let engine = &engine;
                    scope.spawn(move || {
                        let answered = answer(engine, story(10 * round + index), ANSWER);
                        answered.map_err(|failure| failure.to_string())
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().map_err(|_| "a thread panicked".to_owned())?)
                .collect::<Result<Vec<_>, String>>()
        })?;
        decode_four = decode_four.max(
            rates
                .iter()
                .map(|(done, duration)| rate(done, *duration))
                .sum(),
        );
    }
    println!(
        "{{\"threads\":{threads},\"load_ms\":{},\"prefill\":{prefill:.1},\"decode\":{decode:.1},\"decode_four\":{decode_four:.1}}}",
        load.as_millis()
    );
    Ok(())
}

fn story(index: usize) -> String {
    format!("Write a very long story about {index} dragons and a princess.")
}

/// Tokens a second after the first.
fn rate(done: &Done, duration: Duration) -> f64 {
    (done.usage.completion_tokens - 1) as f64 / duration.as_secs_f64()
}

/// Asks for an answer; returns its end, and the time from its first text to that.
fn answer(
    engine: &Engine,
    content: String,
    max_tokens: usize,
) -> Result<(Done, Duration), Failure> {
    let mut generation = engine.start(Request {
        messages: vec![Message {
            role: Role::User,
            content,
        }],
        sampling: Sampling {
            temperature: 0.0,
            ..Sampling::default()
        },
        max_tokens: Some(max_tokens),
        ..Request::default()
    })?;
    let mut first = None;
    while let Some(event) = generation.blocking_next() {
        let first = *first.get_or_insert_with(Instant::now);
        if let Event::Done(done) = event? {
            return Ok((done, first.elapsed()));
        }
    }
    Err("the answer has no end".into())
}
