//! Answers in one piece: `chat.completion` objects.

use bytes::{Bytes, BytesMut};
use llm2api_proto::v1::{
    ChatEvent, ChatStart, ChoiceDelta, ChoiceFinish, RawField, Usage, chat_event::Event,
};

use super::{audio, extension, finish_reason, json, logprobs, tool_call, usage, write_annotations};

const OWN_NAMES: &[&str] = &[
    "id",
    "object",
    "created",
    "model",
    "choices",
    "usage",
    "service_tier",
    "system_fingerprint",
    "x_llm2api",
    "obfuscation",
];
const OWN_CHOICE_NAMES: &[&str] = &["index", "message", "delta", "logprobs", "finish_reason"];
const OWN_MESSAGE_NAMES: &[&str] = &[
    "role",
    "content",
    "refusal",
    "reasoning_content",
    "reasoning",
    "tool_calls",
    "function_call",
    "audio",
    "annotations",
];

/// The events of an answer that came in one piece, each in its place.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// Who answered.
    pub(crate) start: ChatStart,
    /// What it cost.
    pub(crate) usage: Usage,
    choices: Vec<Choice>,
    extra_fields: Vec<RawField>,
}

#[derive(Debug, Default)]
struct Choice {
    index: i32,
    message: ChoiceDelta,
    finish: ChoiceFinish,
}

impl Answer {
    /// Puts an event in its place. The core sends one delta a choice.
    pub(crate) fn push(&mut self, event: ChatEvent) {
        self.extra_fields.extend(event.extra_fields);
        match event.event {
            Some(Event::Start(start)) => self.start = start,
            Some(Event::Delta(message)) => {
                let choice = self.choice(message.index);
                choice.message = message;
            }
            Some(Event::Finish(finish)) => {
                let choice = self.choice(finish.index);
                choice.finish = finish;
            }
            Some(Event::Usage(usage)) => self.usage = usage,
            None => {}
        }
    }

    fn choice(&mut self, index: i32) -> &mut Choice {
        let place = match self
            .choices
            .binary_search_by_key(&index, |choice| choice.index)
        {
            Ok(place) => place,
            Err(place) => {
                if self.choices.is_empty() {
                    // Nearly always the only one.
                    self.choices.reserve_exact(1);
                }
                self.choices.insert(
                    place,
                    Choice {
                        index,
                        ..Choice::default()
                    },
                );
                place
            }
        };
        &mut self.choices[place]
    }

    /// The answer as JSON.
    pub(crate) fn to_json(&self) -> Bytes {
        let start = &self.start;
        let mut buffer = BytesMut::with_capacity(1024);
        let out = &mut buffer;
        json::text(out, r#"{"id":"#);
        json::string(out, &start.id);
        json::text(out, r#","object":"chat.completion","created":"#);
        json::integer(
            out,
            start.create_time.as_ref().map_or(0, |time| time.seconds),
        );
        json::text(out, r#","model":"#);
        json::string(out, &start.model);
        json::text(out, r#","choices":["#);
        for (place, choice) in self.choices.iter().enumerate() {
            if place > 0 {
                json::text(out, ",");
            }
            choice.write(out);
        }
        json::text(out, r#"],"usage":"#);
        usage::write(out, &self.usage);
        if !start.service_tier.is_empty() {
            json::text(out, r#","service_tier":"#);
            json::string(out, &start.service_tier);
        }
        json::text(out, r#","system_fingerprint":"#);
        if start.system_fingerprint.is_empty() {
            json::text(out, "null");
        } else {
            json::string(out, &start.system_fingerprint);
        }
        json::extra_fields(out, &self.extra_fields, OWN_NAMES);
        extension::write(out, Some(start), self.usage.estimated);
        json::text(out, "}");
        buffer.freeze()
    }
}

impl Choice {
    fn write(&self, out: &mut BytesMut) {
        json::text(out, r#"{"index":"#);
        json::integer(out, i64::from(self.index));
        json::text(out, r#","message":"#);
        write_message(out, &self.message);
        json::text(out, r#","logprobs":"#);
        logprobs::write(out, self.message.logprobs.as_deref());
        json::text(out, r#","finish_reason":""#);
        json::text(out, finish_reason(self.finish.reason()));
        json::text(out, "\"");
        json::extra_fields(out, &self.message.choice_extra_fields, OWN_CHOICE_NAMES);
        json::extra_fields(out, &self.finish.choice_extra_fields, OWN_CHOICE_NAMES);
        json::text(out, "}");
    }
}

fn write_message(out: &mut BytesMut, message: &ChoiceDelta) {
    let nullable = |out: &mut BytesMut, text: Option<&String>| match text {
        Some(text) => json::string(out, text),
        None => json::text(out, "null"),
    };
    json::text(out, r#"{"role":"#);
    let role = if message.role.is_empty() {
        "assistant"
    } else {
        &message.role
    };
    json::string(out, role);
    json::text(out, r#","content":"#);
    // Beside a tool call no text is null, not an empty text.
    let calls = !message.tool_calls.is_empty() || message.function_call.is_some();
    let content = message
        .content
        .as_ref()
        .filter(|text| !(calls && text.is_empty()));
    nullable(out, content);
    json::text(out, r#","refusal":"#);
    nullable(out, message.refusal.as_ref());
    if let Some(reasoning) = &message.reasoning_content {
        json::text(out, r#","reasoning_content":"#);
        json::string(out, reasoning);
        json::text(out, r#","reasoning":"#);
        json::string(out, reasoning);
    }
    if !message.tool_calls.is_empty() {
        json::text(out, r#","tool_calls":"#);
        tool_call::write_whole(out, &message.tool_calls);
    }
    if let Some(function) = &message.function_call {
        json::text(out, r#","function_call":"#);
        tool_call::write_function(out, function);
    }
    if let Some(audio) = &message.audio {
        json::text(out, r#","audio":"#);
        audio::write_whole(out, audio);
    }
    json::text(out, r#","annotations":"#);
    write_annotations(out, &message.annotations);
    json::extra_fields(out, &message.extra_fields, OWN_MESSAGE_NAMES);
    json::text(out, "}");
}

#[cfg(test)]
mod tests;
