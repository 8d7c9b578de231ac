//! One choice of an answer: what has been said of it, and what its next piece adds.

use llm2api_proto::v1::{
    AudioDelta, ChatEvent, ChoiceDelta, ChoiceFinish, FinishReason, FunctionCall, UrlCitation,
    chat_event::Event,
};
use prost_types::Timestamp;
use serde_json::value::RawValue;

use super::{
    super::{
        finish_reason::{BrokenOff, finish_reason},
        json_value::TextOrJson,
        logprobs::logprobs,
        tool_calls::ToolCalls,
        wire,
    },
    ChunkError, says_something,
};

/// Turns the pieces of one choice into events.
#[derive(Debug)]
pub(super) struct ChoiceDecoder {
    index: i32,
    has_role: bool,
    has_function_name: bool,
    has_function_call: bool,
    is_finished: bool,
    /// Whether a delta said more than who speaks.
    has_said_something: bool,
    tool_calls: ToolCalls,
}

impl ChoiceDecoder {
    pub(super) fn new(index: i32) -> Self {
        Self {
            index,
            has_role: false,
            has_function_name: false,
            has_function_call: false,
            is_finished: false,
            has_said_something: false,
            tool_calls: ToolCalls::default(),
        }
    }

    pub(super) fn index(&self) -> i32 {
        self.index
    }

    pub(super) fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Whether there is an answer in it: more than who speaks, or why it ended.
    pub(super) fn has_answer(&self) -> bool {
        self.is_finished || self.has_said_something || !self.tool_calls.is_empty()
    }

    /// Adds the events of a piece: a delta where it says something, and a finish where there is one and was none yet.
    pub(super) fn decode(
        &mut self,
        choice: wire::Choice<'_>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), ChunkError> {
        let reason = choice
            .finish_reason
            .filter(|reason| !reason.0.is_empty() && !self.is_finished)
            .map(|reason| finish_reason(&reason.0))
            .transpose()
            .map_err(|BrokenOff| ChunkError::BrokenOff)?;
        let mut delta = match (choice.message, choice.delta) {
            (Some(message), _) => self.delta(*message, true)?,
            (None, Some(delta)) => self.delta(delta, false)?,
            (None, None) => ChoiceDelta::default(),
        };
        delta.index = self.index;
        delta.logprobs = choice
            .logprobs
            .and_then(|given| logprobs(*given))
            .map(Box::new);
        let mut extra_fields = choice.extra_fields;
        if reason.is_some() {
            delta.tool_calls.extend(self.tool_calls.close());
        } else {
            delta.choice_extra_fields = std::mem::take(&mut extra_fields);
        }
        if !is_empty(&delta) {
            self.has_said_something = self.has_said_something || says_more_than_role(&delta);
            events.push(event(Event::Delta(delta)));
        }
        if let Some(reason) = reason {
            self.is_finished = true;
            events.push(event(Event::Finish(ChoiceFinish {
                index: self.index,
                reason: reason.into(),
                choice_extra_fields: extra_fields,
            })));
        }
        Ok(())
    }

    /// Adds the finish, where the upstream said that the answer is complete and not why.
    pub(super) fn finish(&mut self, events: &mut Vec<ChatEvent>) {
        if std::mem::replace(&mut self.is_finished, true) {
            return;
        }
        let tool_calls = self.tool_calls.close();
        if !tool_calls.is_empty() {
            events.push(event(Event::Delta(ChoiceDelta {
                index: self.index,
                tool_calls,
                ..ChoiceDelta::default()
            })));
        }
        let reason = if !self.tool_calls.is_empty() {
            FinishReason::ToolCalls
        } else if self.has_function_call {
            FinishReason::FunctionCall
        } else {
            FinishReason::Stop
        };
        events.push(event(Event::Finish(ChoiceFinish {
            index: self.index,
            reason: reason.into(),
            choice_extra_fields: Vec::new(),
        })));
    }

    fn delta(&mut self, piece: wire::Delta<'_>, is_whole: bool) -> Result<ChoiceDelta, ChunkError> {
        let mut delta = ChoiceDelta {
            extra_fields: piece.extra_fields,
            ..ChoiceDelta::default()
        };
        let role = piece.role.unwrap_or_default();
        if !role.0.is_empty() && !std::mem::replace(&mut self.has_role, true) {
            delta.role = role.into_string();
        }
        let content = piece.content.unwrap_or_default();
        delta.content = non_empty(content.text);
        // An upstream that writes both writes the same in both.
        let reasoning = [piece.reasoning_content, piece.reasoning]
            .into_iter()
            .flatten()
            .filter_map(|value| match value {
                TextOrJson::Text(text) => non_empty(text),
                TextOrJson::Json(_) => None,
            })
            .next();
        delta.reasoning_content = reasoning.or_else(|| non_empty(content.reasoning));
        delta.refusal = piece
            .refusal
            .and_then(non_empty)
            .or_else(|| non_empty(content.refusal));
        let tool_calls = piece.tool_calls.unwrap_or_default();
        delta.tool_calls = if is_whole {
            self.tool_calls.add_whole(tool_calls)?
        } else {
            self.tool_calls.add(tool_calls)?
        };
        delta.function_call = piece
            .function_call
            .and_then(|piece| self.function_call(*piece))
            .map(Box::new);
        delta.audio = piece
            .audio
            .map(|piece| audio(*piece))
            .filter(|audio| *audio != AudioDelta::default())
            .map(Box::new);
        delta.annotations = piece
            .annotations
            .unwrap_or_default()
            .iter()
            .map(|json| annotation(json))
            .collect();
        Ok(delta)
    }

    fn function_call(&mut self, piece: wire::FunctionPiece) -> Option<FunctionCall> {
        self.has_function_call = true;
        let name = piece
            .name
            .and_then(non_empty)
            .filter(|_| !std::mem::replace(&mut self.has_function_name, true));
        let call = FunctionCall {
            name: name.unwrap_or_default(),
            arguments: piece
                .arguments
                .map(TextOrJson::into_text)
                .unwrap_or_default(),
            extra_fields: piece.extra_fields,
        };
        (call != FunctionCall::default()).then_some(call)
    }
}

fn event(event: Event) -> ChatEvent {
    ChatEvent {
        event: Some(event),
        extra_fields: Vec::new(),
    }
}

fn non_empty(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Whether a delta says nothing, nulls that stand for nothing included.
fn is_empty(delta: &ChoiceDelta) -> bool {
    let ChoiceDelta {
        index: _,
        content: None,
        reasoning_content: None,
        tool_calls,
        refusal: None,
        logprobs: None,
        audio: None,
        function_call: None,
        annotations,
        role,
        extra_fields,
        choice_extra_fields,
    } = delta
    else {
        return false;
    };
    tool_calls.is_empty()
        && annotations.is_empty()
        && role.is_empty()
        && !says_something(extra_fields)
        && !says_something(choice_extra_fields)
}

/// Whether a delta that says something says more than who speaks.
fn says_more_than_role(delta: &ChoiceDelta) -> bool {
    let has_text = delta.content.is_some() || delta.reasoning_content.is_some();
    let without_role = || ChoiceDelta {
        role: String::new(),
        ..delta.clone()
    };
    delta.role.is_empty() || has_text || !is_empty(&without_role())
}

fn audio(piece: wire::Audio) -> AudioDelta {
    AudioDelta {
        id: piece.id.unwrap_or_default(),
        data: piece.data.unwrap_or_default(),
        transcript: piece.transcript.unwrap_or_default(),
        expire_time: piece.expires_at.map(|seconds| Timestamp {
            seconds: seconds.0,
            nanos: 0,
        }),
        extra_fields: piece.extra_fields,
    }
}

fn annotation(json: &RawValue) -> UrlCitation {
    let known = serde_json::from_str::<wire::Annotation>(json.get())
        .ok()
        .filter(|annotation| {
            annotation.kind.as_deref() == Some("url_citation") && annotation.extra_fields.is_empty()
        })
        .and_then(|annotation| annotation.url_citation)
        .filter(|citation| citation.extra_fields.is_empty());
    match known {
        Some(citation) => UrlCitation {
            start_index: citation.start_index.map_or(0, |index| index.0),
            end_index: citation.end_index.map_or(0, |index| index.0),
            url: citation.url.unwrap_or_default(),
            title: citation.title.unwrap_or_default(),
            other_json: String::new(),
        },
        None => UrlCitation {
            other_json: json.get().to_owned(),
            ..UrlCitation::default()
        },
    }
}
