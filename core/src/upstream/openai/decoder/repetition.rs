//! Chunks that differ from the one before in their text only.
//!
//! Nearly every chunk of an answer is, byte for byte, the one before it with another text. Where that is so, nothing else in it has
//! to be read again: comparing costs a tenth of parsing.

use llm2api_proto::v1::{ChatEvent, ChoiceDelta, chat_event::Event};
use memchr::{memchr2, memmem};

/// Patterns in a row that no chunk followed, after which an answer is taken not to repeat itself: OpenAI pads each chunk by another
/// length, and several choices come in turn.
const MAX_MISSES: u8 = 4;

/// Chunks that are only read before anything is learnt: a short answer is over before learning pays.
const CHUNKS_BEFORE_LEARNING: u8 = 4;

/// What of an answer's chunks repeats itself.
#[derive(Debug, Default)]
pub(super) struct Repetition {
    pattern: Option<Pattern>,
    chunks: u8,
    misses: u8,
}

/// A chunk that brought a text and nothing else, as a pattern for those that follow.
#[derive(Debug)]
struct Pattern {
    /// The chunk up to its text, with the quote that opens it.
    before: Vec<u8>,
    /// The chunk from the quote that closes its text.
    after: Vec<u8>,
    /// What it was read as, without its text.
    event: ChatEvent,
    is_reasoning: bool,
}

impl Repetition {
    /// The event of a chunk that is the last one learnt but for its text; `None` where the chunk has to be read.
    pub(super) fn event_of(&mut self, chunk: &[u8]) -> Option<ChatEvent> {
        let event = self.pattern.as_ref()?.event_of(chunk);
        if event.is_some() {
            self.misses = 0;
        }
        event
    }

    /// Learns from a chunk that was read, and what it was read as.
    pub(super) fn learn(&mut self, chunk: &[u8], events: &[ChatEvent]) {
        if self.chunks < CHUNKS_BEFORE_LEARNING {
            self.chunks += 1;
        } else if self.misses < MAX_MISSES {
            self.misses += 1;
            self.pattern = match events {
                [event] => Pattern::of(chunk, event),
                _ => None,
            };
        }
    }
}

impl Pattern {
    /// The pattern of a chunk, where it is plain what in it is the text.
    fn of(chunk: &[u8], event: &ChatEvent) -> Option<Self> {
        let Some(Event::Delta(delta)) = &event.event else {
            return None;
        };
        let (text, is_reasoning) = match (&delta.content, &delta.reasoning_content) {
            (Some(text), None) => (text, false),
            (None, Some(text)) => (text, true),
            _ => return None,
        };
        // A role comes once: whoever says it again is not heard.
        if !delta.role.is_empty()
            || !delta.tool_calls.is_empty()
            || delta.function_call.is_some()
            || delta.logprobs.is_some()
        {
            return None;
        }
        plain(text.as_bytes())?;
        let quoted = format!("\"{text}\"");
        let mut places = memmem::find_iter(chunk, &quoted);
        let (Some(quote), None) = (places.next(), places.next()) else {
            return None;
        };
        let begin = quote + 1;
        let event = ChatEvent {
            event: Some(Event::Delta(ChoiceDelta {
                content: None,
                reasoning_content: None,
                ..delta.clone()
            })),
            extra_fields: event.extra_fields.clone(),
        };
        Some(Self {
            before: chunk[..begin].to_vec(),
            after: chunk[begin + text.len()..].to_vec(),
            event,
            is_reasoning,
        })
    }

    fn event_of(&self, chunk: &[u8]) -> Option<ChatEvent> {
        let text = chunk
            .strip_prefix(self.before.as_slice())?
            .strip_suffix(self.after.as_slice())?;
        let text = plain(text).filter(|text| !text.is_empty())?;
        let mut event = self.event.clone();
        if let Some(Event::Delta(delta)) = &mut event.event {
            let said = if self.is_reasoning {
                &mut delta.reasoning_content
            } else {
                &mut delta.content
            };
            *said = Some(text.to_owned());
        }
        Some(event)
    }
}

/// A JSON string's inside, where it is its own value: without an escape, a quote, or what must be escaped (RFC 8259, 7).
fn plain(text: &[u8]) -> Option<&str> {
    let is_special = memchr2(b'"', b'\\', text).is_some() || text.iter().any(|byte| *byte < 0x20);
    if is_special {
        None
    } else {
        std::str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: &str = r#"{"id":"c","choices":[{"index":3,"delta":{"content":"one"},"x":1}]}"#;

    fn event(text: &str) -> ChatEvent {
        let delta = ChoiceDelta {
            index: 3,
            content: Some(text.to_owned()),
            ..ChoiceDelta::default()
        };
        ChatEvent {
            event: Some(Event::Delta(delta)),
            extra_fields: Vec::new(),
        }
    }

    fn learnt() -> Repetition {
        let mut repetition = Repetition {
            chunks: CHUNKS_BEFORE_LEARNING,
            ..Repetition::default()
        };
        repetition.learn(CHUNK.as_bytes(), &[event("one")]);
        repetition
    }

    #[test]
    fn a_chunk_with_another_text_is_recognised() {
        for text in [" two", "好🙂", "one", "a, b: c {d} [e]"] {
            let chunk = CHUNK.replace("one", text);
            assert_eq!(learnt().event_of(chunk.as_bytes()), Some(event(text)));
        }
    }

    #[test]
    fn whatever_else_differs_has_to_be_read() {
        for (from, to) in [
            ("one", ""),
            ("one", r"a\nb"),
            ("one", r#"a","x":"b"#),
            ("one", "a\u{1}b"),
            ("\"index\":3", "\"index\":4"),
            ("\"x\":1", "\"x\":2"),
            ("\"id\":\"c\"", "\"id\":\"d\""),
            ("]}", "]} "),
        ] {
            let chunk = CHUNK.replacen(from, to, 1);
            assert_eq!(learnt().event_of(chunk.as_bytes()), None, "{chunk}");
        }
        let mut not_utf8 = CHUNK.replace("one", "%").into_bytes();
        let at = not_utf8
            .iter()
            .position(|byte| *byte == b'%')
            .expect("there");
        not_utf8[at] = 0xFF;
        assert_eq!(learnt().event_of(&not_utf8), None);
    }

    #[test]
    fn a_chunk_in_which_the_text_is_not_plain_is_no_pattern() {
        let of = |chunk: &str, text: &str| Pattern::of(chunk.as_bytes(), &event(text));
        assert!(of(CHUNK, "one").is_some());
        assert!(of(r#"{"delta":{"content":"a\"b"}}"#, "a\"b").is_none());
        assert!(of(r#"{"x":"a","delta":{"content":"a"}}"#, "a").is_none());
        assert!(of(r#"{"delta":{"content":"\u0061"}}"#, "a").is_none());
        let mut speaking = event("one");
        if let Some(Event::Delta(delta)) = &mut speaking.event {
            delta.role = "assistant".to_owned();
        }
        assert!(Pattern::of(CHUNK.as_bytes(), &speaking).is_none());
    }

    #[test]
    fn an_answer_that_never_repeats_itself_is_learnt_from_no_more() {
        let mut repetition = Repetition::default();
        for pad in 0..20 {
            let chunk = CHUNK.replace(":1}", &format!(":{pad}}}"));
            assert_eq!(repetition.event_of(chunk.as_bytes()), None);
            repetition.learn(chunk.as_bytes(), &[event("one")]);
        }
        assert_eq!(repetition.misses, MAX_MISSES);
    }
}
