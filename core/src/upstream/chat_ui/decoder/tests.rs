use llm2api_proto::v1::{ChatRequest, chat_event::Event};

use super::{super::line, *};

const STARTED: &str = r#"{"type":"status","status":"started"}"#;
const FINISHED: &str = r#"{"type":"status","status":"finished"}"#;
const TITLE: &str = r#"{"type":"title","title":"Greeting"}"#;

fn token(text: &str) -> String {
    serde_json::json!({"type": "stream", "token": format!("{text:\0<16}")}).to_string()
}

fn final_answer(text: &str) -> String {
    serde_json::json!({"type": "finalAnswer", "text": text, "interrupted": false}).to_string()
}

/// What an answer comes to: the model told at its start, reasoning, text, finish, and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    model: String,
    reasoning: String,
    content: String,
    finish: Option<FinishReason>,
    progress: Progress,
}

fn decode(request: &ChatRequest, lines: &[&str]) -> Outcome {
    let mut decoder = Decoder::new(request, 1000);
    let mut events = Vec::new();
    let mut progress = Progress::Open;
    for text in lines {
        let line = line::parse(text.as_bytes()).expect("a line");
        progress = decoder.take(line, &mut events);
        if progress != Progress::Open {
            break;
        }
    }
    if progress == Progress::Open {
        progress = decoder.end(&mut events);
    }
    let mut outcome = Outcome {
        model: String::new(),
        reasoning: String::new(),
        content: String::new(),
        finish: None,
        progress,
    };
    for (at, event) in events.into_iter().enumerate() {
        match event.event.expect("set") {
            Event::Start(start) => {
                assert_eq!(at, 0);
                outcome.model = start.upstream_model;
            }
            Event::Delta(delta) => {
                assert_eq!(delta.role == "assistant", at == 1, "{delta:?}");
                outcome.content += delta.content.as_deref().unwrap_or_default();
                outcome.reasoning += delta.reasoning_content.as_deref().unwrap_or_default();
            }
            Event::Finish(finish) => outcome.finish = Some(finish.reason()),
            Event::Usage(_) => unreachable!("a chat-ui reports none"),
        }
    }
    outcome
}

fn streamed(lines: &[&str]) -> Outcome {
    decode(&ChatRequest::default(), lines)
}

fn whole(lines: &[&str]) -> Outcome {
    let request = ChatRequest {
        stream: Some(false),
        ..ChatRequest::default()
    };
    decode(&request, lines)
}

fn complete(content: &str) -> Outcome {
    Outcome {
        model: String::new(),
        reasoning: String::new(),
        content: content.to_owned(),
        finish: Some(FinishReason::Stop),
        progress: Progress::Complete,
    }
}

fn broken(content: &str, broken: Broken) -> Outcome {
    Outcome {
        finish: None,
        progress: Progress::Failed(broken),
        ..complete(content)
    }
}

#[test]
fn an_answer_is_its_tokens() {
    let lines = [
        STARTED,
        TITLE,
        &token("Hello"),
        &token(", world"),
        &final_answer("Hello, world"),
        FINISHED,
    ];
    assert_eq!(streamed(&lines), complete("Hello, world"));
    assert_eq!(whole(&lines), complete("Hello, world"));
}

#[test]
fn a_final_answer_alone_is_one() {
    let lines = [STARTED, &final_answer("Hello")];
    assert_eq!(streamed(&lines), complete("Hello"));
    assert_eq!(whole(&lines), complete("Hello"));
    assert_eq!(streamed(&[&final_answer("")]), complete(""));
}

#[test]
fn a_generation_begun_anew_is_no_answer_unless_nothing_was_passed_on() {
    let lines = [
        &token("one "),
        &token("two "),
        &token("one "),
        &token("two"),
        &*final_answer("one two"),
    ];
    assert_eq!(
        streamed(&lines),
        broken("one two one two", Broken::Restarted)
    );
    assert_eq!(whole(&lines), complete("one two"));
}

#[test]
fn an_end_without_a_final_answer_needs_the_runs_own() {
    let tokens = [STARTED, &token("Hello")];
    let with_end = [STARTED, &token("Hello"), FINISHED];
    for answer in [streamed, whole] {
        assert_eq!(answer(&with_end), complete("Hello"));
        assert_eq!(answer(&tokens).progress, Progress::Failed(Broken::CutOff));
        assert_eq!(
            answer(&[STARTED, FINISHED]).progress,
            Progress::Failed(Broken::CutOff)
        );
    }
}

#[test]
fn an_error_line_ends_it_whatever_follows() {
    let error = r#"{"type":"status","status":"error","message":"429 slow down","statusCode":429}"#;
    assert_eq!(
        streamed(&[&token("Hel"), error, FINISHED]),
        broken(
            "Hel",
            Broken::Run(RunError {
                message: "429 slow down".to_owned(),
                status: Some(429)
            })
        )
    );
}

#[test]
fn an_interrupted_answer_never_looks_complete() {
    let interrupted = r#"{"type":"finalAnswer","text":"Hel","interrupted":true}"#;
    assert_eq!(
        streamed(&[&token("Hel"), interrupted]),
        broken("Hel", Broken::Interrupted)
    );
}

#[test]
fn a_lost_session_is_told() {
    let redirect = r#"{"type":"redirect","status":302,"location":"https://idp.example.org"}"#;
    assert_eq!(streamed(&[redirect]), broken("", Broken::LoggedOut));
}

#[test]
fn reasoning_is_told_apart_from_text_in_both_forms() {
    let expected = Outcome {
        reasoning: "Hm".to_owned(),
        ..complete("Yes")
    };
    let tagged = [
        &token("<think>H"),
        &token("m"),
        &token("</think>Yes"),
        &*final_answer("<think>Hm</think>Yes"),
    ];
    assert_eq!(streamed(&tagged), expected);
    assert_eq!(whole(&tagged), expected);
    let lines = [
        r#"{"type":"reasoning","subtype":"stream","token":"Hm"}"#,
        &token("Yes"),
        &final_answer("Yes"),
    ];
    assert_eq!(streamed(&lines), expected);
    assert_eq!(whole(&lines), expected);
}

#[test]
fn the_model_that_a_router_chose_is_told() {
    let routed = r#"{"type":"routerMetadata","route":"code","model":"org/coder"}"#;
    let outcome = streamed(&[STARTED, routed, &token("x"), &final_answer("x")]);
    assert_eq!(
        outcome,
        Outcome {
            model: "org/coder".to_owned(),
            ..complete("x")
        }
    );
}

#[test]
fn a_stop_text_ends_the_answer_and_is_no_part_of_it() {
    for stream in [None, Some(false)] {
        let request = ChatRequest {
            stop: vec!["END".to_owned()],
            stream,
            ..ChatRequest::default()
        };
        let outcome = decode(
            &request,
            &[
                &token("one E"),
                &token("ND two"),
                &final_answer("one END two"),
            ],
        );
        assert_eq!(
            outcome,
            Outcome {
                progress: Progress::CutShort,
                ..complete("one ")
            }
        );
        // What only looked like one comes out at the end.
        let outcome = decode(&request, &[&token("one EN"), &final_answer("one EN")]);
        assert_eq!(outcome, complete("one EN"));
    }
}

#[test]
fn the_bound_of_tokens_ends_the_answer() {
    let request = ChatRequest {
        max_tokens: Some(2),
        ..ChatRequest::default()
    };
    let cut = Outcome {
        finish: Some(FinishReason::Length),
        progress: Progress::CutShort,
        ..complete("one two")
    };
    let pieces = [&token("one"), &token(" two"), &*token(" three")];
    assert_eq!(decode(&request, &pieces), cut);
    let at_once = Outcome {
        progress: Progress::Complete,
        ..cut
    };
    assert_eq!(decode(&request, &[&final_answer("one two three")]), at_once);
}

#[test]
fn an_answer_too_large_to_hold_is_refused() {
    let long = token(&"x".repeat(1001));
    assert_eq!(streamed(&[&long]), broken("", Broken::TooLarge));
}
