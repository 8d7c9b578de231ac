//! From what an upstream writes to the contract's events, one chunk at a time.

mod choice;
mod head;
mod repetition;

use llm2api_proto::v1::{ChatEvent, ChatStart, ChoiceDelta, RawField, Usage, chat_event::Event};
use prost_types::Timestamp;
use serde_json::value::RawValue;

use self::{choice::ChoiceDecoder, head::Head, repetition::Repetition};
use super::{
    super::json_repair::repair,
    json_value::{Borrowed, is_empty},
    tool_calls::TooManyCalls,
    usage::usage,
    wire::{self, Chunk},
};

/// Choices that an answer may have; nobody can ask for more.
const MAX_CHOICES: usize = 128;

/// Members that are kept until an event takes them along.
const MAX_EXTRA_FIELDS: usize = 512;

/// Why a chunk could not be turned into events.
#[derive(Debug)]
pub(super) enum ChunkError {
    /// It is no chunk. What the parser says of it is not kept, since it quotes the answer.
    NotUnderstood,
    /// It is an error of the upstream's, of which this is the JSON.
    Upstream(String),
    /// A choice ended because the upstream failed.
    BrokenOff,
    /// It has more choices or tool calls than anyone asks for.
    TooMany,
}

impl From<TooManyCalls> for ChunkError {
    fn from(TooManyCalls: TooManyCalls) -> Self {
        Self::TooMany
    }
}

/// The answer's end came, and no choice had said anything.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoAnswer;

/// Turns the chunks of one answer into events.
#[derive(Debug)]
pub(super) struct Decoder {
    /// Choices that were asked for.
    choice_count: usize,
    has_started: bool,
    service_tier: String,
    system_fingerprint: String,
    choices: Vec<ChoiceDecoder>,
    /// What the answer cost, as last reported.
    usage: Option<Usage>,
    /// Members of chunks that brought nothing else, for the usage event.
    usage_extra_fields: Vec<RawField>,
    /// Members of chunks before the first with choices, for the first event.
    early_extra_fields: Vec<RawField>,
    head: Head,
    repetition: Repetition,
}

impl Decoder {
    /// A decoder for an answer of so many choices.
    pub(super) fn new(choice_count: usize) -> Self {
        Self {
            choice_count: choice_count.max(1),
            has_started: false,
            service_tier: String::new(),
            system_fingerprint: String::new(),
            choices: Vec::new(),
            usage: None,
            usage_extra_fields: Vec::new(),
            early_extra_fields: Vec::new(),
            head: Head::default(),
            repetition: Repetition::default(),
        }
    }

    /// Adds the events of a chunk, or of a whole answer, to `events`.
    ///
    /// # Errors
    ///
    /// [`ChunkError`]; events that were added before it hold.
    pub(super) fn decode(
        &mut self,
        text: &[u8],
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), ChunkError> {
        if let Some(event) = self.repetition.event_of(text) {
            events.push(event);
            return Ok(());
        }
        let first = events.len();
        // As text, checked once: from bytes, each string in it would be checked by itself.
        let Ok(whole) = std::str::from_utf8(text) else {
            return self.decode_repaired(text, events);
        };
        if let Some(rest) = self.head.rest_of(whole)
            && let Ok(chunk) = serde_json::from_str(&rest)
        {
            self.add(chunk, text, events)?;
        } else if let Ok(chunk) = serde_json::from_str(whole) {
            self.head.learn(whole, &chunk);
            self.add(chunk, text, events)?;
        } else {
            return self.decode_repaired(text, events);
        }
        self.repetition.learn(text, &events[first..]);
        Ok(())
    }

    fn decode_repaired(
        &mut self,
        text: &[u8],
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), ChunkError> {
        let text = repair(text);
        let chunk = serde_json::from_str(&text).map_err(|_| ChunkError::NotUnderstood)?;
        self.add(chunk, text.as_bytes(), events)
    }

    /// Whether any choice has come.
    pub(super) fn has_choice(&self) -> bool {
        !self.choices.is_empty()
    }

    /// Whether every choice that was asked for has its finish.
    pub(super) fn is_complete(&self) -> bool {
        self.choices.len() >= self.choice_count
            && self.choices.iter().all(ChoiceDecoder::is_finished)
    }

    /// Adds what the answer's end brings: finishes that the upstream left out, and the usage.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`].
    pub(super) fn finish(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), NoAnswer> {
        if !self.choices.iter().any(ChoiceDecoder::has_answer) {
            return Err(NoAnswer);
        }
        for choice in &mut self.choices {
            choice.finish(events);
        }
        let extra_fields = std::mem::take(&mut self.usage_extra_fields);
        if let Some(usage) = self.usage.take() {
            events.push(ChatEvent {
                event: Some(Event::Usage(usage)),
                extra_fields,
            });
        }
        Ok(())
    }

    fn add(
        &mut self,
        mut chunk: Chunk<'_>,
        text: &[u8],
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), ChunkError> {
        check_error(chunk.error.as_deref())?;
        if chunk
            .object
            .as_ref()
            .is_some_and(|object| object.0 == "error")
        {
            return Err(ChunkError::Upstream(
                String::from_utf8_lossy(text).into_owned(),
            ));
        }
        let choices = chunk.choices.take().unwrap_or_default().0;
        let first_index = choices.first().map(|choice| choice_index(choice, 0));
        let first_event = events.len();
        if first_index.is_some() && !self.has_started {
            events.push(self.start(&mut chunk));
        }
        let has_usage = self.note_usage(&mut chunk);
        for (position, choice) in choices.into_iter().enumerate() {
            self.add_choice(choice, position, events)?;
        }
        let extra_fields = self.extra_fields(chunk);
        if let Some(event) = events.get_mut(first_event) {
            event.extra_fields = std::mem::take(&mut self.early_extra_fields);
            replace_or_add(&mut event.extra_fields, extra_fields);
        } else if !self.has_started {
            replace_or_add(&mut self.early_extra_fields, extra_fields);
        } else if has_usage {
            replace_or_add(&mut self.usage_extra_fields, extra_fields);
        } else if says_something(&extra_fields) {
            events.push(ChatEvent {
                event: first_index.map(|index| {
                    Event::Delta(ChoiceDelta {
                        index,
                        ..ChoiceDelta::default()
                    })
                }),
                extra_fields,
            });
        }
        Ok(())
    }

    fn add_choice(
        &mut self,
        mut choice: wire::Choice<'_>,
        position: usize,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), ChunkError> {
        check_error(choice.error.as_deref())?;
        if let Some(usage) = choice.usage.take().and_then(|given| usage(*given)) {
            self.usage = Some(usage);
        }
        let index = choice_index(&choice, position);
        let known = self
            .choices
            .iter()
            .position(|choice| choice.index() == index);
        let place = match known {
            Some(place) => place,
            None if self.choices.len() == MAX_CHOICES => return Err(ChunkError::TooMany),
            None => {
                self.choices.push(ChoiceDecoder::new(index));
                self.choices.len() - 1
            }
        };
        self.choices[place].decode(choice, events)
    }

    fn start(&mut self, chunk: &mut Chunk<'_>) -> ChatEvent {
        let own = |member: &mut Option<Borrowed<'_>>| {
            member.take().map(Borrowed::into_string).unwrap_or_default()
        };
        self.has_started = true;
        self.service_tier = own(&mut chunk.service_tier);
        self.system_fingerprint = own(&mut chunk.system_fingerprint);
        ChatEvent {
            event: Some(Event::Start(ChatStart {
                id: own(&mut chunk.id),
                create_time: chunk
                    .created
                    .filter(|created| created.0 > 0)
                    .map(|created| Timestamp {
                        seconds: created.0,
                        nanos: 0,
                    }),
                upstream_model: own(&mut chunk.model),
                service_tier: self.service_tier.clone(),
                system_fingerprint: self.system_fingerprint.clone(),
                ..ChatStart::default()
            })),
            extra_fields: Vec::new(),
        }
    }

    /// Keeps the usage, wherever in the chunk it is; the last one holds.
    fn note_usage(&mut self, chunk: &mut Chunk<'_>) -> bool {
        let x_groq = || {
            let field = chunk
                .extra_fields
                .iter()
                .find(|field| field.name == "x_groq")?;
            let x_groq: wire::XGroq = serde_json::from_str(&field.value_json).ok()?;
            x_groq.usage
        };
        let found = match chunk.usage.take() {
            Some(usage) => Some(usage),
            None => x_groq(),
        };
        let Some(usage) = found.and_then(|given| usage(*given)) else {
            return false;
        };
        self.usage = Some(usage);
        true
    }

    /// The chunk's other members, with what differs from the answer's head.
    fn extra_fields(&mut self, chunk: Chunk<'_>) -> Vec<RawField> {
        let mut extra_fields = chunk.extra_fields;
        if !self.has_started {
            return extra_fields;
        }
        let mut note = |name: &str, value: Option<Borrowed<'_>>, known: &mut String| {
            if let Some(Borrowed(value)) = value.filter(|value| value.0 != *known) {
                extra_fields.push(RawField {
                    name: name.to_owned(),
                    value_json: serde_json::Value::from(value.as_ref()).to_string(),
                });
                *known = value.into_owned();
            }
        };
        note("service_tier", chunk.service_tier, &mut self.service_tier);
        note(
            "system_fingerprint",
            chunk.system_fingerprint,
            &mut self.system_fingerprint,
        );
        extra_fields
    }
}

fn choice_index(choice: &wire::Choice<'_>, position: usize) -> i32 {
    let given = choice.index.and_then(|index| index.as_i32());
    given.unwrap_or_else(|| i32::try_from(position).unwrap_or(i32::MAX))
}

fn check_error(error: Option<&RawValue>) -> Result<(), ChunkError> {
    match error {
        Some(error) if !is_empty(error.get()) => Err(ChunkError::Upstream(error.get().to_owned())),
        _ => Ok(()),
    }
}

/// Whether any member is more than a null, which many upstreams write in each chunk.
fn says_something(fields: &[RawField]) -> bool {
    fields.iter().any(|field| field.value_json != "null")
}

/// Adds members, of which a later one replaces an earlier one of the same name.
fn replace_or_add(fields: &mut Vec<RawField>, later: Vec<RawField>) {
    if fields.is_empty() {
        *fields = later;
        return;
    }
    fields.retain(|field| later.iter().all(|other| other.name != field.name));
    fields.extend(later);
    fields.truncate(MAX_EXTRA_FIELDS);
}

#[cfg(test)]
mod tests;
