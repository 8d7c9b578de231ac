//! An answer held back to its end: its events folded into one delta a choice.

use std::collections::BTreeMap;

use llm2api_proto::v1::{
    AudioDelta, ChatEvent, ChatResponse, ChatStart, ChoiceDelta, ChoiceFinish, FunctionCall,
    Logprobs, RawField, TokenLogprobs, ToolCall, Usage, chat_event::Event, tool_call::Call,
};
use prost::Message;
use serde_json::value::RawValue;

use crate::upstream::{Failure, FailureKind};

/// Folds an answer's events.
pub(super) struct Collector {
    start: Option<ChatStart>,
    deltas: BTreeMap<i32, ChoiceDelta>,
    finishes: BTreeMap<i32, ChoiceFinish>,
    usage: Option<Usage>,
    extra_fields: Vec<RawField>,
    bytes_left: usize,
}

impl Collector {
    /// Begins an answer of at most so many bytes.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            start: None,
            deltas: BTreeMap::new(),
            finishes: BTreeMap::new(),
            usage: None,
            extra_fields: Vec::new(),
            bytes_left: max_bytes,
        }
    }

    /// Adds events.
    ///
    /// # Errors
    ///
    /// Where the answer grows too large to be held back.
    pub(super) fn add(&mut self, events: Vec<ChatEvent>) -> Result<(), Failure> {
        for event in events {
            self.bytes_left = self
                .bytes_left
                .checked_sub(event.encoded_len())
                .ok_or_else(|| {
                    Failure::new(
                        FailureKind::Unavailable,
                        "the answer is larger than MAX_BODY; stream it",
                    )
                })?;
            replace_fields(&mut self.extra_fields, event.extra_fields);
            match event.event {
                Some(Event::Start(start)) => self.start = Some(start),
                Some(Event::Delta(delta)) => {
                    let whole = self
                        .deltas
                        .entry(delta.index)
                        .or_insert_with(|| ChoiceDelta {
                            index: delta.index,
                            ..ChoiceDelta::default()
                        });
                    add_delta(whole, delta);
                }
                Some(Event::Finish(finish)) => {
                    self.finishes.insert(finish.index, finish);
                }
                Some(Event::Usage(usage)) => self.usage = Some(usage),
                None => {}
            }
        }
        Ok(())
    }

    /// The whole answer as one response, with an estimate of its usage where the upstream reported none.
    pub(super) fn finish(self, estimate: Option<Usage>) -> ChatResponse {
        let deltas = self.deltas.into_values().map(Event::Delta);
        let finishes = self.finishes.into_values().map(Event::Finish);
        let usage = self.usage.or(estimate).map(Event::Usage);
        let mut events: Vec<_> = self
            .start
            .map(Event::Start)
            .into_iter()
            .chain(deltas)
            .chain(finishes)
            .chain(usage)
            .map(|event| ChatEvent {
                event: Some(event),
                extra_fields: Vec::new(),
            })
            .collect();
        if let Some(first) = events.first_mut() {
            first.extra_fields = self.extra_fields;
        }
        ChatResponse { events }
    }
}

/// Adds a delta to what the choice is so far.
fn add_delta(whole: &mut ChoiceDelta, delta: ChoiceDelta) {
    add_text(&mut whole.content, delta.content);
    add_text(&mut whole.reasoning_content, delta.reasoning_content);
    add_text(&mut whole.refusal, delta.refusal);
    for call in delta.tool_calls {
        match whole
            .tool_calls
            .iter_mut()
            .find(|begun| begun.index == call.index)
        {
            Some(begun) => add_call(begun, call),
            None => whole.tool_calls.push(call),
        }
    }
    if let Some(logprobs) = delta.logprobs {
        add_logprobs(whole.logprobs.get_or_insert_default(), *logprobs);
    }
    if let Some(audio) = delta.audio {
        add_audio(whole.audio.get_or_insert_default(), *audio);
    }
    if let Some(call) = delta.function_call {
        add_function(whole.function_call.get_or_insert_default(), *call);
    }
    whole.annotations.extend(delta.annotations);
    if whole.role.is_empty() {
        whole.role = delta.role;
    }
    join_fields(&mut whole.extra_fields, delta.extra_fields);
    replace_fields(&mut whole.choice_extra_fields, delta.choice_extra_fields);
}

fn add_text(whole: &mut Option<String>, text: Option<String>) {
    match (whole, text) {
        (Some(whole), Some(text)) => whole.push_str(&text),
        (whole @ None, Some(text)) => *whole = Some(text),
        (_, None) => {}
    }
}

fn add_call(whole: &mut ToolCall, piece: ToolCall) {
    if whole.id.is_empty() {
        whole.id = piece.id;
    }
    match (&mut whole.call, piece.call) {
        (Some(Call::Function(whole)), Some(Call::Function(piece))) => add_function(whole, piece),
        (Some(Call::Custom(whole)), Some(Call::Custom(piece))) => {
            whole.name.push_str(&piece.name);
            whole.input.push_str(&piece.input);
            join_fields(&mut whole.extra_fields, piece.extra_fields);
        }
        (whole @ None, call) => *whole = call,
        (Some(_), _) => {}
    }
    join_fields(&mut whole.extra_fields, piece.extra_fields);
}

fn add_function(whole: &mut FunctionCall, piece: FunctionCall) {
    whole.name.push_str(&piece.name);
    whole.arguments.push_str(&piece.arguments);
    join_fields(&mut whole.extra_fields, piece.extra_fields);
}

fn add_logprobs(whole: &mut Logprobs, piece: Logprobs) {
    let add = |whole: &mut Option<TokenLogprobs>, piece: Option<TokenLogprobs>| {
        if let Some(piece) = piece {
            whole.get_or_insert_default().tokens.extend(piece.tokens);
        }
    };
    add(&mut whole.content, piece.content);
    add(&mut whole.refusal, piece.refusal);
    replace_fields(&mut whole.extra_fields, piece.extra_fields);
}

fn add_audio(whole: &mut AudioDelta, piece: AudioDelta) {
    if whole.id.is_empty() {
        whole.id = piece.id;
    }
    whole.data.push_str(&piece.data);
    whole.transcript.push_str(&piece.transcript);
    whole.expire_time = piece.expire_time.or(whole.expire_time);
    replace_fields(&mut whole.extra_fields, piece.extra_fields);
}

/// Adds members that say something of the whole: the last one counts.
fn replace_fields(whole: &mut Vec<RawField>, fields: Vec<RawField>) {
    for field in fields {
        match whole.iter_mut().find(|known| known.name == field.name) {
            Some(known) => known.value_json = field.value_json,
            None => whole.push(field),
        }
    }
}

/// Adds members of deltas: as clients do, strings and lists are joined, and of all else the last one counts.
fn join_fields(whole: &mut Vec<RawField>, fields: Vec<RawField>) {
    for field in fields {
        match whole.iter_mut().find(|known| known.name == field.name) {
            Some(known) => {
                known.value_json =
                    joined(&known.value_json, &field.value_json).unwrap_or(field.value_json);
            }
            None => whole.push(field),
        }
    }
}

/// Two JSON strings or two JSON lists as one.
fn joined(first: &str, second: &str) -> Option<String> {
    if let (Ok(mut first), Ok(second)) = (
        serde_json::from_str::<Vec<&RawValue>>(first),
        serde_json::from_str::<Vec<&RawValue>>(second),
    ) {
        first.extend(second);
        return serde_json::to_string(&first).ok();
    }
    let text = serde_json::from_str::<String>(first).ok()?
        + &serde_json::from_str::<String>(second).ok()?;
    serde_json::to_string(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, value_json: &str) -> RawField {
        RawField {
            name: name.to_owned(),
            value_json: value_json.to_owned(),
        }
    }

    fn delta(delta: ChoiceDelta) -> ChatEvent {
        ChatEvent {
            event: Some(Event::Delta(delta)),
            extra_fields: Vec::new(),
        }
    }

    fn call(index: i32, id: &str, name: &str, arguments: &str) -> ToolCall {
        ToolCall {
            index,
            id: id.to_owned(),
            call: Some(Call::Function(FunctionCall {
                name: name.to_owned(),
                arguments: arguments.to_owned(),
                extra_fields: Vec::new(),
            })),
            extra_fields: Vec::new(),
        }
    }

    #[test]
    fn deltas_become_one_a_choice() {
        let text = |index, content: &str| {
            delta(ChoiceDelta {
                index,
                content: Some(content.to_owned()),
                ..ChoiceDelta::default()
            })
        };
        let calls = |tool_calls| {
            delta(ChoiceDelta {
                index: 1,
                tool_calls,
                ..ChoiceDelta::default()
            })
        };
        let mut collector = Collector::new(usize::MAX);
        collector
            .add(vec![
                text(0, "a"),
                calls(vec![call(0, "c0", "f", "{"), call(1, "c1", "g", "")]),
                text(0, "b"),
                calls(vec![call(1, "", "", "[]"), call(0, "", "", "}")]),
            ])
            .expect("small");
        assert_eq!(
            collector.finish(None).events,
            [
                text(0, "ab"),
                calls(vec![call(0, "c0", "f", "{}"), call(1, "c1", "g", "[]")]),
            ]
        );
    }

    #[test]
    fn foreign_members_are_joined_as_clients_join_them() {
        let mut whole = vec![
            field("list", "[1e-7]"),
            field("text", "\"a\""),
            field("number", "1"),
        ];
        join_fields(
            &mut whole,
            vec![
                field("list", "[ 2.50 ]"),
                field("text", "\"b\""),
                field("number", "2"),
                field("new", "{}"),
            ],
        );
        assert_eq!(
            whole,
            [
                field("list", "[1e-7,2.50]"),
                field("text", "\"ab\""),
                field("number", "2"),
                field("new", "{}")
            ]
        );
    }

    #[test]
    fn an_answer_too_large_to_hold_is_refused() {
        let mut collector = Collector::new(100);
        let event = delta(ChoiceDelta {
            content: Some("x".repeat(101)),
            ..ChoiceDelta::default()
        });
        assert!(collector.add(vec![event]).is_err());
    }
}
