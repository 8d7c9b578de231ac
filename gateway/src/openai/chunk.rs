//! Streamed answers: `chat.completion.chunk` objects, each an event of its own.

use bytes::{Bytes, BytesMut};
use llm2api_proto::v1::{
    ChatEvent, ChatResponse, ChatStart, ChoiceDelta, ChoiceFinish, RawField, Usage,
    chat_event::Event,
};

use super::{extension, finish_reason, json, logprobs, tool_call, usage, write_annotations};

/// Names of a chunk's own members. `obfuscation` pads the size of an upstream's chunk, which is not ours.
const OWN_NAMES: &[&str] = &[
    "id",
    "object",
    "created",
    "model",
    "service_tier",
    "system_fingerprint",
    "choices",
    "usage",
    "x_llm2api",
    "obfuscation",
];
const OWN_CHOICE_NAMES: &[&str] = &["index", "delta", "logprobs", "finish_reason"];
const OWN_DELTA_NAMES: &[&str] = &[
    "role",
    "content",
    "reasoning_content",
    "reasoning",
    "refusal",
    "tool_calls",
    "function_call",
    "audio",
    "annotations",
];

/// Turns the contract's events into chunks of one answer.
#[derive(Debug)]
pub(crate) struct ChunkWriter {
    /// What every chunk begins with, up to the bracket of `choices`; made once, from the answer's start.
    head: Bytes,
    start: ChatStart,
    with_usage: bool,
    /// How many choices were asked for.
    choice_count: u32,
    finished_count: u32,
    /// The choices whose first chunk has been written, a bit each; there are at most 128.
    begun: u128,
    /// Members for the top of the next chunk, which came with an event that makes no chunk.
    carried: Vec<RawField>,
}

impl ChunkWriter {
    /// Begins an answer with so many choices; `with_usage` where the client asked for the chunk with usage.
    pub(crate) fn new(choice_count: u32, with_usage: bool) -> Self {
        Self {
            head: Bytes::new(),
            start: ChatStart::default(),
            with_usage,
            choice_count,
            finished_count: 0,
            begun: 0,
            carried: Vec::new(),
        }
    }

    /// Writes the chunks of events that arrived together.
    pub(crate) fn write(&mut self, out: &mut BytesMut, response: ChatResponse) {
        for ChatEvent {
            event,
            mut extra_fields,
        } in response.events
        {
            self.carried.append(&mut extra_fields);
            match event {
                Some(Event::Start(start)) => {
                    self.head = head(&start);
                    self.start = start;
                }
                Some(Event::Delta(delta)) => self.write_delta(out, &delta),
                Some(Event::Finish(finish)) => self.write_finish(out, &finish),
                Some(Event::Usage(usage)) if self.with_usage => self.write_usage(out, &usage),
                Some(Event::Usage(_)) | None => {}
            }
        }
    }

    /// Writes the end of a complete answer.
    pub(crate) fn write_done(out: &mut BytesMut) {
        json::text(out, "data: [DONE]\n\n");
    }

    fn write_delta(&mut self, out: &mut BytesMut, delta: &ChoiceDelta) {
        // How a choice's first chunk looks depends on what it says first, which core has in hand before it lets an answer begin.
        if !is_meaningful(delta) {
            return;
        }
        self.begin(out, delta);
        self.begin_choice(out, delta.index);
        write_members(out, delta);
        json::text(out, r#","logprobs":"#);
        logprobs::write(out, delta.logprobs.as_deref());
        json::text(out, r#","finish_reason":null"#);
        json::extra_fields(out, &delta.choice_extra_fields, OWN_CHOICE_NAMES);
        json::text(out, "}]");
        self.end_chunk(out);
    }

    /// Writes the first chunk of a delta's choice, unless it has been written. Those of the choices before it come first: clients,
    /// OpenAI's SDK for Python among them, count choices in the order in which they hear of them.
    fn begin(&mut self, out: &mut BytesMut, delta: &ChoiceDelta) {
        let Some(index) = u32::try_from(delta.index)
            .ok()
            .filter(|&index| index < u128::BITS)
        else {
            return;
        };
        if self.begun & (1 << index) != 0 {
            return;
        }
        if index < self.choice_count {
            for earlier in 0..delta.index {
                if self.begun & (1 << earlier) == 0 {
                    self.begun |= 1 << earlier;
                    self.write_first(out, &silent(earlier));
                }
            }
        }
        self.begun |= 1 << index;
        self.write_first(out, delta);
    }

    /// Writes a choice's first chunk, which says who speaks.
    fn write_first(&mut self, out: &mut BytesMut, delta: &ChoiceDelta) {
        self.begin_choice(out, delta.index);
        json::text(out, r#"{"role":"#);
        let role = if delta.role.is_empty() {
            "assistant"
        } else {
            &delta.role
        };
        json::string(out, role);
        let calls = !delta.tool_calls.is_empty() || delta.function_call.is_some();
        json::text(
            out,
            if calls && delta.content.as_ref().is_none_or(String::is_empty) {
                r#","content":null,"refusal":null}"#
            } else {
                r#","content":""}"#
            },
        );
        json::text(out, r#","logprobs":null,"finish_reason":null}]"#);
        self.end_chunk(out);
    }

    fn write_finish(&mut self, out: &mut BytesMut, finish: &ChoiceFinish) {
        self.begin(out, &silent(finish.index));
        self.begin_choice(out, finish.index);
        json::text(out, r#"{},"logprobs":null,"finish_reason":""#);
        json::text(out, finish_reason(finish.reason()));
        json::text(out, "\"");
        json::extra_fields(out, &finish.choice_extra_fields, OWN_CHOICE_NAMES);
        json::text(out, "}]");
        self.finished_count += 1;
        if self.finished_count == self.choice_count {
            extension::write(out, Some(&self.start), false);
        }
        self.end_chunk(out);
    }

    fn write_usage(&mut self, out: &mut BytesMut, usage: &Usage) {
        out.extend_from_slice(&self.head);
        json::text(out, r#"],"usage":"#);
        usage::write(out, usage);
        extension::write(out, None, usage.estimated);
        self.write_carried(out);
        json::text(out, "}\n\n");
    }

    /// Writes a chunk up to where a choice's delta follows.
    fn begin_choice(&self, out: &mut BytesMut, index: i32) {
        out.extend_from_slice(&self.head);
        json::text(out, r#"{"index":"#);
        json::integer(out, i64::from(index));
        json::text(out, r#","delta":"#);
    }

    /// Writes what follows `choices`.
    fn end_chunk(&mut self, out: &mut BytesMut) {
        if self.with_usage {
            json::text(out, r#","usage":null"#);
        }
        self.write_carried(out);
        json::text(out, "}\n\n");
    }

    fn write_carried(&mut self, out: &mut BytesMut) {
        if !self.carried.is_empty() {
            json::extra_fields(out, &self.carried, OWN_NAMES);
            self.carried.clear();
        }
    }
}

/// A delta of a choice that has said nothing yet.
fn silent(index: i32) -> ChoiceDelta {
    ChoiceDelta {
        index,
        ..ChoiceDelta::default()
    }
}

/// What every chunk of an answer begins with.
fn head(start: &ChatStart) -> Bytes {
    let mut out = BytesMut::with_capacity(256);
    json::text(&mut out, r#"data: {"id":"#);
    json::string(&mut out, &start.id);
    json::text(&mut out, r#","object":"chat.completion.chunk","created":"#);
    json::integer(
        &mut out,
        start.create_time.as_ref().map_or(0, |time| time.seconds),
    );
    json::text(&mut out, r#","model":"#);
    json::string(&mut out, &start.model);
    if !start.service_tier.is_empty() {
        json::text(&mut out, r#","service_tier":"#);
        json::string(&mut out, &start.service_tier);
    }
    json::text(&mut out, r#","system_fingerprint":"#);
    if start.system_fingerprint.is_empty() {
        json::text(&mut out, "null");
    } else {
        json::string(&mut out, &start.system_fingerprint);
    }
    json::text(&mut out, r#","choices":["#);
    out.freeze()
}

/// Whether a delta says more than who speaks.
fn is_meaningful(delta: &ChoiceDelta) -> bool {
    let ChoiceDelta {
        index: _,
        content,
        reasoning_content,
        tool_calls,
        refusal,
        logprobs,
        audio,
        function_call,
        annotations,
        role: _,
        extra_fields,
        choice_extra_fields,
    } = delta;
    let has_text = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    has_text(content)
        || has_text(reasoning_content)
        || has_text(refusal)
        || !tool_calls.is_empty()
        || logprobs.is_some()
        || audio.is_some()
        || function_call.is_some()
        || !annotations.is_empty()
        || !extra_fields.is_empty()
        || !choice_extra_fields.is_empty()
}

/// Writes the object behind `delta`.
fn write_members(out: &mut BytesMut, delta: &ChoiceDelta) {
    let mut separator = "{";
    let mut name = |out: &mut BytesMut, name: &str| {
        json::text(out, separator);
        json::text(out, name);
        separator = ",";
    };
    if let Some(content) = &delta.content {
        name(out, r#""content":"#);
        json::string(out, content);
    }
    if let Some(reasoning) = &delta.reasoning_content {
        name(out, r#""reasoning_content":"#);
        json::string(out, reasoning);
        name(out, r#""reasoning":"#);
        json::string(out, reasoning);
    }
    if let Some(refusal) = &delta.refusal {
        name(out, r#""refusal":"#);
        json::string(out, refusal);
    }
    if !delta.tool_calls.is_empty() {
        name(out, r#""tool_calls":"#);
        tool_call::write_pieces(out, &delta.tool_calls);
    }
    if let Some(function) = &delta.function_call {
        name(out, r#""function_call":"#);
        tool_call::write_function(out, function);
    }
    if let Some(audio) = &delta.audio {
        name(out, r#""audio":"#);
        super::audio::write_piece(out, audio);
    }
    if !delta.annotations.is_empty() {
        name(out, r#""annotations":"#);
        write_annotations(out, &delta.annotations);
    }
    for field in &delta.extra_fields {
        if !OWN_DELTA_NAMES.contains(&field.name.as_str()) {
            name(out, "");
            json::string(out, &field.name);
            json::text(out, ":");
            json::raw(out, &field.value_json);
        }
    }
    json::text(out, if separator == "{" { "{}" } else { "}" });
}

#[cfg(test)]
mod tests;
