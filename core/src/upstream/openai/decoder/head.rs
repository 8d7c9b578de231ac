//! What all chunks of an answer begin with.
//!
//! Ids, model and date come first in nearly every upstream's chunks, and are the same in each. Once they are read, a chunk that begins
//! with the same bytes need only be read from there on, which is half of the work.

use memchr::memmem;

use super::super::wire::Chunk;

/// The key that ends a head.
const CHOICES_KEY: &str = "\"choices\":";

/// The first bytes of an answer's chunks.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// A chunk up to its choices: whole members, none of which may have to be noted with each chunk.
    text: Option<String>,
    /// Whether a head was learnt, be it that it didn't hold.
    is_decided: bool,
}

impl Head {
    /// The rest of a chunk that begins with the head, as a chunk of its own.
    pub(super) fn rest_of(&self, chunk: &str) -> Option<String> {
        let rest = chunk.strip_prefix(self.text.as_deref()?)?;
        let mut object = String::with_capacity(1 + rest.len());
        object.push('{');
        object.push_str(rest);
        Some(object)
    }

    /// Learns from the first chunk that was read whole. One that comes after it begins otherwise, and tells that heads differ here.
    pub(super) fn learn(&mut self, text: &str, chunk: &Chunk<'_>) {
        let is_first = !std::mem::replace(&mut self.is_decided, true);
        self.text = is_first.then(|| head(text, chunk)).flatten();
    }
}

/// The head of a chunk, where it is plain where it ends.
fn head(text: &str, chunk: &Chunk<'_>) -> Option<String> {
    // In a string the key's quotes would be escaped; in an object inside it would be there twice, or the object would be an
    // extra member.
    if chunk.choices.is_none() || chunk.usage.is_some() || !chunk.extra_fields.is_empty() {
        return None;
    }
    let mut places = memmem::find_iter(text.as_bytes(), CHOICES_KEY);
    let (Some(place), None) = (places.next(), places.next()) else {
        return None;
    };
    let head = &text[..place];
    head.trim_end().ends_with(',').then(|| head.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(chunk: &str) -> Head {
        let mut head = Head::default();
        learn(&mut head, chunk);
        head
    }

    fn learn(head: &mut Head, chunk: &str) {
        let read = serde_json::from_str(chunk).expect("a chunk");
        head.learn(chunk, &read);
    }

    #[test]
    fn a_chunk_that_begins_like_the_first_is_read_from_there_on() {
        let head = learnt(r#"{"id":"c","model":"m", "choices": [{"index":0}]}"#);
        assert_eq!(
            head.rest_of(r#"{"id":"c","model":"m", "choices": [],"usage":{}}"#),
            Some(r#"{"choices": [],"usage":{}}"#.to_owned())
        );
        assert_eq!(
            head.rest_of(r#"{"id":"d","model":"m", "choices": []}"#),
            None
        );
    }

    #[test]
    fn chunks_whose_heads_may_differ_are_read_whole() {
        for chunk in [
            r#"{"choices":[]}"#,
            r#"{"id":"c"}"#,
            r#"{"id":"c","x":1,"choices":[]}"#,
            r#"{"id":"c","usage":{"prompt_tokens":1},"choices":[]}"#,
            r#"{"id":"c","choices":[{"delta":{"x":{"choices":[]}}}]}"#,
        ] {
            assert_eq!(learnt(chunk).text, None, "{chunk}");
        }
        let mut head = learnt(r#"{"id":"c","choices":[]}"#);
        learn(&mut head, r#"{"id":"d","choices":[]}"#);
        assert_eq!(head.rest_of(r#"{"id":"c","choices":[]}"#), None);
    }
}
