//! What a model leaves behind. Alone in its process, whose memory it measures.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::{Duration, Instant};

use llm2api_local::{Engine, Event, Message, Options, Request, Role};

/// Memory of this process that is in use, in MiB.
fn resident_mib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim()
        .trim_end_matches(" kB")
        .parse::<usize>()
        .unwrap()
        / 1024
}

/// What may stay, in MiB: the ends of the heaps that glibc made for threads. 15 were seen.
const LEFT_BEHIND: usize = 32;

#[test]
fn a_model_that_was_let_go_leaves_little_behind() {
    let Some(path) = std::env::var_os("LLM2API_TEST_MODEL") else {
        eprintln!("NOT TESTED: LLM2API_TEST_MODEL names no model");
        return;
    };
    let options = Options {
        idle_unload: Duration::from_millis(50),
        ..Options::default()
    };
    let engine = Engine::open(std::path::PathBuf::from(path), options).unwrap();
    let before = resident_mib();
    for _ in 0..2 {
        let request = Request {
            messages: vec![Message {
                role: Role::User,
                content: "word ".repeat(500),
            }],
            max_tokens: Some(3),
            ..Request::default()
        };
        let mut generation = engine.start(request).unwrap();
        while !matches!(generation.blocking_next(), Some(Ok(Event::Done(_)))) {}
        assert!(resident_mib() > before + 80);
        let begin = Instant::now();
        while engine.is_loaded() || resident_mib() > before + LEFT_BEHIND {
            assert!(
                begin.elapsed() < Duration::from_secs(20),
                "{} MiB",
                resident_mib()
            );
            std::thread::yield_now();
        }
    }
}
