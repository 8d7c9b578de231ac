//! Streams as upstreams write them, beside the events that they become (`core/tests/fixtures/openai`).
//!
//! Each stream is read whole, byte by byte, and cut in two at every place. After a change that is meant,
//! `INSTA_UPDATE=always cargo test -p llm2api-core golden` writes the events anew.

use std::{fmt::Write, fs, path::Path, sync::Arc};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use llm2api_proto::v1::{
    ChatEvent, ChoiceDelta, RawField, ToolCall, UrlCitation, chat_event::Event, tool_call::Call,
};
use reqwest::Body;

use super::{
    super::{
        super::http_client::{
            HttpClients, ResponseBody,
            tests::{config, upstream_at},
        },
        answer::AnswerStream,
    },
    key,
};

/// Pieces of at least this length are cut in two at every place; larger streams only byte by byte, for the sake of time.
const MAX_CUT_SIZE: usize = 4096;

#[test]
fn streams_become_events_wherever_they_are_cut() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/openai");
    let clients = HttpClients::new(&upstream_at("http://127.0.0.1:1"), &config()).expect("good");
    let clients = Arc::new(clients);
    let mut names: Vec<_> = fs::read_dir(&folder)
        .expect("the fixtures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sse"))
        .collect();
    names.sort();
    assert!(!names.is_empty());
    for path in names {
        let stream = fs::read(&path).expect("a fixture");
        let name = path.file_stem().expect("a name").to_string_lossy();
        let whole = read(&clients, &stream, &[]);
        insta::with_settings!({
            snapshot_path => &folder,
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(&*name, whole);
        });
        let every_place: Vec<usize> = (1..stream.len()).collect();
        assert_eq!(
            read(&clients, &stream, &every_place),
            whole,
            "{name}, byte by byte"
        );
        for cut in 1..stream.len().min(MAX_CUT_SIZE) {
            assert_eq!(
                read(&clients, &stream, &[cut]),
                whole,
                "{name}, cut at {cut}"
            );
        }
    }
}

/// What a stream becomes that arrives cut at these places.
fn read(clients: &Arc<HttpClients>, text: &[u8], cuts: &[usize]) -> String {
    let mut pieces = Vec::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([text.len()]) {
        pieces.push(Ok::<_, std::io::Error>(Bytes::copy_from_slice(
            &text[start..end],
        )));
        start = end;
    }
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    let choice_count = if text.starts_with(b": choices=2") {
        2
    } else {
        1
    };
    let body = ResponseBody::Client(Body::wrap_stream(stream::iter(pieces)));
    let Ok(mut answer) = AnswerStream::new(clients, &key(), &headers, body, choice_count, 1 << 20)
    else {
        panic!("an event stream");
    };
    let mut shown = String::new();
    // All is here, so nothing is waited for.
    while let Some(batch) = answer.next().now_or_never().expect("ready") {
        match batch {
            Ok(batch) => batch
                .events
                .iter()
                .for_each(|event| show(event, &mut shown)),
            Err(failure) => writeln!(shown, "{failure:#?}").expect("a string"),
        }
    }
    // Ids that are made up differ each time.
    shown
        .lines()
        .map(|line| match line.split_once("id=\"call_") {
            Some((head, tail)) if tail.find('"') == Some(24) => {
                format!("{head}id=\"call_<made up>{}\n", &tail[24..])
            }
            _ => format!("{line}\n"),
        })
        .collect()
}

/// An event in one line, with all that it says.
fn show(event: &ChatEvent, out: &mut String) {
    let mut line = match &event.event {
        None => "nothing".to_owned(),
        Some(Event::Start(start)) => format!(
            "start id={:?} created={:?} model={:?} tier={:?} fingerprint={:?}",
            start.id,
            start.create_time.as_ref().map(|time| time.seconds),
            start.upstream_model,
            start.service_tier,
            start.system_fingerprint,
        ),
        Some(Event::Delta(delta)) => show_delta(delta),
        Some(Event::Finish(finish)) => {
            let reason = finish.reason().as_str_name();
            let reason = reason.trim_start_matches("FINISH_REASON_");
            let mut line = format!("finish {} {reason}", finish.index);
            show_fields(" choice:", &finish.choice_extra_fields, &mut line);
            line
        }
        Some(Event::Usage(usage)) => format!("{usage:?}"),
    };
    show_fields(" chunk:", &event.extra_fields, &mut line);
    out.push_str(&line);
    out.push('\n');
}

fn show_delta(delta: &ChoiceDelta) -> String {
    let mut line = format!("delta {}", delta.index);
    let mut add = |name: &str, text: &str| {
        if !text.is_empty() {
            write!(line, " {name}={text:?}").expect("a string");
        }
    };
    let absent_or = |text: &Option<String>| {
        assert_ne!(text.as_deref(), Some(""), "absent rather than empty");
        text.clone().unwrap_or_default()
    };
    add("role", &delta.role);
    add("reasoning", &absent_or(&delta.reasoning_content));
    add("content", &absent_or(&delta.content));
    add("refusal", &absent_or(&delta.refusal));
    delta
        .tool_calls
        .iter()
        .for_each(|call| show_call(call, &mut line));
    if let Some(call) = &delta.function_call {
        write!(line, " {call:?}").expect("a string");
    }
    if let Some(logprobs) = &delta.logprobs {
        write!(line, " {logprobs:?}").expect("a string");
    }
    if let Some(audio) = &delta.audio {
        write!(line, " {audio:?}").expect("a string");
    }
    for citation in &delta.annotations {
        let UrlCitation {
            start_index,
            end_index,
            url,
            title,
            other_json,
        } = citation;
        write!(
            line,
            " citation={start_index}..{end_index} {url:?} {title:?} {other_json}"
        )
        .expect("a string");
    }
    show_fields(" ", &delta.extra_fields, &mut line);
    show_fields(" choice:", &delta.choice_extra_fields, &mut line);
    line
}

fn show_call(call: &ToolCall, line: &mut String) {
    write!(line, " call[{}]", call.index).expect("a string");
    if !call.id.is_empty() {
        write!(line, " id={:?}", call.id).expect("a string");
    }
    match &call.call {
        Some(Call::Function(function)) => {
            write!(line, " function={:?} {}", function.name, function.arguments).expect("a string");
            show_fields(" function:", &function.extra_fields, line);
        }
        Some(Call::Custom(custom)) => {
            write!(line, " custom={:?} {}", custom.name, custom.input).expect("a string");
            show_fields(" custom:", &custom.extra_fields, line);
        }
        None => line.push_str(" of no kind"),
    }
    show_fields(" call:", &call.extra_fields, line);
}

fn show_fields(mark: &str, fields: &[RawField], line: &mut String) {
    for field in fields {
        write!(line, "{mark}{}={}", field.name, field.value_json).expect("a string");
    }
}
