//! Puts what was found into an answer: the block before it, and with its end what the text cites.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use llm2api_proto::v1::{ChatEvent, ChoiceDelta, RawField, UrlCitation, chat_event::Event};

use super::{super::attempt::is_meaningful, block::Block, markers::Markers};
use crate::search::SearchResult;

/// The member at the top of an answer, or of the chunk with its annotations, that lists the results' addresses. Perplexity's word.
const CITATIONS: &str = "citations";

/// Weaves what was found into one answer's events. It is there only where something was found.
#[derive(Debug)]
pub(in crate::chat) struct Weaver {
    results: Arc<[SearchResult]>,
    /// `None`: none is to be shown.
    block: Option<Block>,
    /// The choices that have begun.
    choices: BTreeMap<i32, Choice>,
}

/// A choice that has begun.
#[derive(Debug)]
struct Choice {
    /// Code points of the block before its text.
    offset: i64,
    markers: Markers,
    citations: Vec<UrlCitation>,
}

impl Weaver {
    /// Begins an answer that was made with these results.
    pub(super) fn new(results: Arc<[SearchResult]>, shows_block: bool) -> Self {
        Self {
            block: shows_block.then(|| Block::new(&results)),
            results,
            choices: BTreeMap::new(),
        }
    }

    /// Weaves into events that arrived together.
    pub(in crate::chat) fn weave(&mut self, events: &mut Vec<ChatEvent>) {
        let mut at = 0;
        while let Some(event) = events.get_mut(at) {
            let before = self.before(event);
            let count = before.len();
            if count > 0 {
                events.splice(at..at, before);
            }
            at += count + 1;
        }
    }

    /// Reads an event, and tells what goes before it.
    fn before(&mut self, event: &mut ChatEvent) -> Vec<ChatEvent> {
        let mut before = Vec::new();
        let Some(index) = index(event) else {
            return before;
        };
        if !self.choices.contains_key(&index) {
            if !is_meaningful(event) {
                return before;
            }
            let block = self.block.as_ref().filter(|_| !begins_with_call(event));
            let (choice, delta) = self.begin(index, block);
            self.choices.insert(index, choice);
            before.extend(delta);
        }
        let Some(choice) = self.choices.get_mut(&index) else {
            return before;
        };
        match &mut event.event {
            Some(Event::Delta(delta)) => choice.read(delta, &self.results),
            Some(Event::Finish(_)) => {
                let citations = std::mem::take(&mut choice.citations);
                before.push(self.sources(index, citations));
            }
            Some(Event::Start(_) | Event::Usage(_)) | None => {}
        }
        before
    }

    /// Begins a choice, with the block before it where it gets one.
    fn begin(&self, index: i32, block: Option<&Block>) -> (Choice, Option<ChatEvent>) {
        let offset = block.map_or(0, |block| block.length);
        let choice = Choice {
            offset,
            markers: Markers::behind(offset),
            citations: block.map_or_else(Vec::new, |block| {
                let lines = self.results.iter().zip(&block.lines);
                lines
                    .map(|(result, line)| citation(result, line.clone()))
                    .collect()
            }),
        };
        let delta = block.map(|block| {
            delta(ChoiceDelta {
                index,
                content: Some(block.text.clone()),
                ..ChoiceDelta::default()
            })
        });
        (choice, delta)
    }

    /// What tells the sources of a choice. Results that stand nowhere in the text are told too, at its beginning.
    fn sources(&self, index: i32, mut annotations: Vec<UrlCitation>) -> ChatEvent {
        for result in self.results.iter() {
            if !annotations.iter().any(|known| known.url == result.url) {
                annotations.push(citation(result, 0..0));
            }
        }
        let urls: Vec<&str> = self
            .results
            .iter()
            .map(|result| result.url.as_str())
            .collect();
        ChatEvent {
            extra_fields: vec![RawField {
                name: CITATIONS.to_owned(),
                value_json: serde_json::json!(urls).to_string(),
            }],
            ..delta(ChoiceDelta {
                index,
                annotations,
                ..ChoiceDelta::default()
            })
        }
    }
}

impl Choice {
    /// Reads what the model says, and moves what the upstream says of the text behind the block.
    fn read(&mut self, delta: &mut ChoiceDelta, results: &[SearchResult]) {
        for annotation in &mut delta.annotations {
            if annotation.other_json.is_empty() {
                annotation.start_index += self.offset;
                annotation.end_index += self.offset;
            }
        }
        let Self {
            markers, citations, ..
        } = self;
        if let Some(content) = &delta.content {
            markers.read(content, |number, place| {
                let cited = number.checked_sub(1).and_then(|at| results.get(at));
                citations.extend(cited.map(|result| citation(result, place)));
            });
        }
    }
}

/// The choice that an event is of.
fn index(event: &ChatEvent) -> Option<i32> {
    match event.event.as_ref()? {
        Event::Delta(delta) => Some(delta.index),
        Event::Finish(finish) => Some(finish.index),
        Event::Start(_) | Event::Usage(_) => None,
    }
}

/// Whether an event begins an answer with a tool call, before which clients expect no text.
fn begins_with_call(event: &ChatEvent) -> bool {
    matches!(&event.event, Some(Event::Delta(delta))
        if delta.content.as_ref().is_none_or(String::is_empty)
            && (!delta.tool_calls.is_empty() || delta.function_call.is_some()))
}

fn citation(result: &SearchResult, place: Range<i64>) -> UrlCitation {
    UrlCitation {
        start_index: place.start,
        end_index: place.end,
        url: result.url.clone(),
        title: result.title.clone(),
        other_json: String::new(),
    }
}

fn delta(delta: ChoiceDelta) -> ChatEvent {
    ChatEvent {
        event: Some(Event::Delta(delta)),
        extra_fields: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
