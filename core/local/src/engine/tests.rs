use tempfile::NamedTempFile;

use super::*;
use crate::{
    model::tiny::{TINY, Tiny, tiny_path},
    template::Role,
};

fn options() -> Options {
    Options {
        threads: NonZeroUsize::new(2).unwrap(),
        max_sequences: NonZeroUsize::new(4).unwrap(),
        ..Options::default()
    }
}

/// An engine with a tiny model, and the model's file.
fn engine(options: Options) -> (Engine, NamedTempFile) {
    let file = tiny_path(&TINY);
    (Engine::open(file.path(), options).unwrap(), file)
}

fn request(content: &str, max_tokens: usize) -> Request {
    Request {
        messages: vec![Message {
            role: Role::User,
            content: content.to_owned(),
        }],
        sampling: Sampling {
            seed: Some(7),
            ..Sampling::default()
        },
        max_tokens: Some(max_tokens),
        ..Request::default()
    }
}

/// Tokens that the tiny model's template makes of a message's text of so many bytes.
fn prompt_tokens(content: usize) -> usize {
    // <|im_start|>user\n…<|im_end|>\n<|im_start|>assistant\n
    1 + 5 + content + 2 + 1 + 10
}

fn finish(mut generation: Generation) -> (String, Done) {
    let mut text = String::new();
    loop {
        match generation.blocking_next().unwrap().unwrap() {
            Event::Text(piece) => text.push_str(&piece),
            Event::Done(done) => {
                assert_eq!(generation.blocking_next(), None);
                return (text, done);
            }
        }
    }
}

fn answer(engine: &Engine, request: Request) -> (String, Done) {
    finish(engine.start(request).unwrap())
}

/// Waits for what another thread is about to do.
fn wait_until(condition: impl Fn() -> bool) {
    let begin = std::time::Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it never came");
        thread::yield_now();
    }
}

#[test]
fn an_answer_has_its_tokens_and_says_how_many() {
    let (engine, _file) = engine(options());
    let (text, done) = answer(&engine, request("abc", 30));
    assert!(!text.is_empty());
    assert_eq!(
        done,
        Done {
            finish_reason: FinishReason::Length,
            usage: Usage {
                prompt_tokens: prompt_tokens(3),
                cached_tokens: 0,
                completion_tokens: 30,
            },
        }
    );
    let (text, done) = answer(&engine, request("abc", 0));
    assert_eq!(
        (
            text.as_str(),
            done.finish_reason,
            done.usage.completion_tokens
        ),
        ("", FinishReason::Length, 0)
    );
}

#[test]
fn equal_seeds_give_equal_answers_whatever_runs_beside() {
    let (engine, _file) = engine(options());
    let alone = answer(&engine, request("abc", 60)).0;
    let other_seed = Request {
        sampling: Sampling {
            seed: Some(8),
            ..Sampling::default()
        },
        ..request("abc", 60)
    };
    assert_ne!(answer(&engine, other_seed).0, alone);
    let generations: Vec<Generation> = ["x", "abc", "something much longer than that", "abc"]
        .into_iter()
        .map(|content| engine.start(request(content, 60)).unwrap())
        .collect();
    let together: Vec<String> = generations
        .into_iter()
        .map(|generation| finish(generation).0)
        .collect();
    assert_eq!((&together[1], &together[3]), (&alone, &alone));
    let (new_engine, _file) = self::engine(options());
    assert_eq!(answer(&new_engine, request("abc", 60)).0, alone);
}

#[test]
fn what_is_known_of_a_prompt_is_not_computed_again_and_changes_nothing() {
    let (engine, _file) = engine(options());
    let content = "a".repeat(150);
    let (text, done) = answer(&engine, request(&content, 40));
    assert_eq!(done.usage.cached_tokens, 0);
    let (again, done) = answer(&engine, request(&content, 40));
    assert_eq!(again, text);
    assert_eq!(done.usage.cached_tokens, prompt_tokens(150) - 1);
    let (_, done) = answer(&engine, request(&"a".repeat(100), 1));
    assert_eq!(done.usage.cached_tokens, 6 + 100);
    // From one that is still moving.
    let running = engine.start(request(&"b".repeat(100), 300)).unwrap();
    let (text, done) = answer(&engine, request(&"b".repeat(100), 40));
    assert!(done.usage.cached_tokens >= 6);
    assert!(
        finish(running)
            .0
            .starts_with(text.trim_end_matches('\u{FFFD}'))
    );
}

#[test]
fn an_answer_ends_before_a_stop_sequence() {
    let (engine, _file) = engine(options());
    let (text, _) = answer(&engine, request("abc", 60));
    let stop: String = text.chars().skip(10).take(2).collect();
    let expected = text.split(&stop).next().unwrap();
    let (stopped, done) = answer(
        &engine,
        Request {
            stop: vec!["never".to_owned(), stop.clone()],
            ..request("abc", 60)
        },
    );
    assert_eq!(
        (stopped.as_str(), done.finish_reason),
        (expected, FinishReason::Stop)
    );
    assert!(done.usage.completion_tokens < 60);
}

#[test]
fn a_conversation_that_fills_the_context_is_refused_with_numbers() {
    let (engine, _file) = engine(options());
    let refused = engine.start(request(&"a".repeat(600), 10)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "the model's context has 512 tokens, and the messages have {}",
            prompt_tokens(600)
        )
    );
    let refused = engine
        .start(request(&"a".repeat(1_000_000), 10))
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the model's context has 512 tokens, and the messages have 200000"
    );
    let content = 500 - prompt_tokens(0);
    let (_, done) = answer(
        &engine,
        Request {
            max_tokens: None,
            ..request(&"a".repeat(content), 0)
        },
    );
    assert_eq!(
        (done.finish_reason, done.usage.completion_tokens),
        (FinishReason::Length, 12)
    );
    let (engine, _file) = self::engine(Options {
        context_length: Some(100),
        ..options()
    });
    assert!(matches!(
        engine.start(request(&"a".repeat(100), 10)),
        Err(StartError::ContextOverflow {
            context_length: 100,
            ..
        })
    ));
}

#[test]
fn a_full_queue_refuses_and_a_dropped_answer_makes_room() {
    let (engine, _file) = engine(Options {
        max_sequences: NonZeroUsize::MIN,
        queue_length: 1,
        ..options()
    });
    // Long enough to still move when the test ends.
    let endless = || engine.start(request("abc", 450));
    let moving = endless().unwrap();
    let waiting = endless().unwrap();
    match endless() {
        Err(StartError::QueueFull {
            waiting: 1 | 2,
            retry_after,
        }) => assert!(retry_after >= Duration::from_secs(1)),
        other => panic!("{other:?}"),
    }
    drop(waiting);
    let waiting = endless().unwrap();
    drop(moving);
    let last = std::cell::RefCell::new(None);
    wait_until(|| {
        *last.borrow_mut() = endless().ok();
        last.borrow().is_some()
    });
    finish(waiting);
    finish(last.into_inner().unwrap());
}

#[test]
fn the_model_is_let_go_when_idle_and_loaded_again_when_asked() {
    let (engine, _file) = engine(Options {
        idle_unload: Duration::from_millis(1),
        ..options()
    });
    assert!(!engine.is_loaded());
    let (text, _) = answer(&engine, request("abc", 20));
    wait_until(|| !engine.is_loaded());
    let (again, done) = answer(&engine, request("abc", 20));
    assert_eq!((again, done.usage.cached_tokens), (text, 0));
}

#[test]
fn dropping_the_engine_interrupts_answers() {
    let (engine, _file) = engine(options());
    let mut generation = engine.start(request("abc", 450)).unwrap();
    assert!(matches!(
        generation.blocking_next(),
        Some(Ok(Event::Text(_)))
    ));
    drop(engine);
    loop {
        match generation.blocking_next() {
            Some(Ok(Event::Text(_))) => {}
            end => break assert_eq!(end, Some(Err(Interrupted))),
        }
    }
    assert_eq!(generation.blocking_next(), None);
}

#[test]
fn why_a_model_cannot_be_loaded_is_said() {
    let engine = Engine::open("/nowhere/model.gguf", options()).unwrap();
    let error = engine.start(request("abc", 10)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the model /nowhere/model.gguf can't be loaded"
    );
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "can't be read");
    assert!(!engine.is_loaded());
}

#[test]
fn a_prompt_longer_than_a_step_is_read_while_others_move() {
    let file = tiny_path(&Tiny {
        context_length: 4096,
        ..TINY
    });
    let engine = Engine::open(file.path(), options()).unwrap();
    let moving = engine.start(request("abc", 300)).unwrap();
    let (text, done) = answer(&engine, request(&"z".repeat(2000), 20));
    assert_eq!(done.usage.prompt_tokens, prompt_tokens(2000));
    finish(moving);
    let engine = Engine::open(file.path(), options()).unwrap();
    assert_eq!(answer(&engine, request(&"z".repeat(2000), 20)).0, text);
}
