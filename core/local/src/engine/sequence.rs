//! One answer under way: its tokens so far, and what becomes of the next one.

use std::time::{Duration, Instant};

use super::{
    generation::{Done, Event, FinishReason, Usage},
    load::Vocabulary,
    queue::Pending,
};
use crate::{
    kernel::Kernels, memory::Memory, model::Run, sampler::Sampler, stop::Stops,
    tokenizer::Detokenizer,
};

/// One answer under way.
#[derive(Debug)]
pub(super) struct Sequence {
    request: Pending,
    /// The prompt's tokens, then the answer's.
    tokens: Vec<u32>,
    prompt_tokens: usize,
    /// Of the first of these; the others have not been through the model.
    memory: Memory,
    cached_tokens: usize,
    sampler: Sampler,
    detokenizer: Detokenizer,
    stops: Stops,
    begin: Instant,
    is_done: bool,
}

impl Sequence {
    /// Begins an answer to a request, of whose prompt `memory` knows the beginning.
    pub(super) fn new(mut request: Pending, memory: Memory) -> Self {
        let tokens = std::mem::take(&mut request.prompt);
        let mut sequence = Self {
            prompt_tokens: tokens.len(),
            tokens,
            cached_tokens: memory.len(),
            memory,
            sampler: Sampler::new(request.sampling),
            detokenizer: Detokenizer::default(),
            stops: Stops::new(std::mem::take(&mut request.stop)),
            begin: Instant::now(),
            is_done: false,
            request,
        };
        if sequence.request.max_tokens == 0 {
            sequence.end(FinishReason::Length);
        }
        sequence
    }

    /// Whether there is nothing more to do: it has ended, or nobody listens.
    pub(super) fn is_over(&self) -> bool {
        self.is_done || self.request.sender.is_closed()
    }

    /// For how long it has moved.
    pub(super) fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }

    /// Tokens that have not been through the model: one while the answer is written, more while the prompt is read.
    pub(super) fn waiting_tokens(&self) -> usize {
        self.tokens.len() - self.memory.len()
    }

    /// All tokens so far, of which the memory has the first.
    pub(super) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// What it remembers.
    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Gives up its memory.
    pub(super) fn into_parts(self) -> (Vec<u32>, Memory) {
        (self.tokens, self.memory)
    }

    /// The next run: at most so many of the waiting tokens.
    pub(super) fn next_run(&mut self, most: usize) -> Run<'_> {
        let start = self.memory.len();
        let end = self.tokens.len().min(start + most);
        Run {
            tokens: &self.tokens[start..end],
            memory: &mut self.memory,
            wants_scores: end == self.tokens.len(),
        }
    }

    /// Chooses the next token and gives out its text.
    pub(super) fn advance(&mut self, vocabulary: &Vocabulary, kernels: Kernels, scores: &[f32]) {
        let token = self.sampler.choose(kernels, scores);
        self.tokens.push(token);
        let is_end = vocabulary.tokenizer.is_end(token);
        let is_last = self.tokens.len() - self.prompt_tokens >= self.request.max_tokens;
        let mut text = String::new();
        if !is_end {
            text = self.detokenizer.push(&vocabulary.tokenizer, token);
        }
        if is_end || is_last {
            text.push_str(self.detokenizer.finish());
        }
        let (mut text, is_stopped) = self.stops.push(&text);
        if (is_end || is_last) && !is_stopped {
            text.push_str(&self.stops.finish());
        }
        if !text.is_empty() {
            self.send(Event::Text(text));
        }
        if is_end || is_stopped {
            self.end(FinishReason::Stop);
        } else if is_last {
            self.end(FinishReason::Length);
        }
    }

    fn end(&mut self, finish_reason: FinishReason) {
        self.is_done = true;
        self.send(Event::Done(Done {
            finish_reason,
            usage: Usage {
                prompt_tokens: self.prompt_tokens,
                cached_tokens: self.cached_tokens,
                completion_tokens: self.tokens.len() - self.prompt_tokens,
            },
        }));
    }

    fn send(&self, event: Event) {
        // There is room for all that one answer can have. Where nobody listens any more, `is_over` will tell.
        let _ = self.request.sender.try_send(event);
    }
}
