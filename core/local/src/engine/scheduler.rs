//! The model's thread: step by step it moves all answers by a token, and reads prompts in between.
//!
//! A step is one pass through the model. Answers under way contribute their last token each; prompts that are still read share what
//! the step has room for, so that no answer waits long for another's prompt, and no prompt for another.

use std::{sync::Arc, time::Duration};

use super::{
    Options,
    kept::{Kept, common_length},
    load::Vocabulary,
    queue::{Next, OpenQueue, Pending},
    sequence::Sequence,
};
use crate::{
    memory::Memory,
    model::{Model, Pass},
    priority::Priority,
};

/// Prompt tokens a step: as many as make the most of the weights' way through the caches.
const PROMPT_TOKENS: usize = 256;
/// Prompt tokens a step while answers move, which wait for it: some tens of milliseconds.
const PROMPT_TOKENS_BESIDE_ANSWERS: usize = 32;

/// What the model's thread works with.
#[derive(Debug)]
pub(super) struct Scheduler {
    model: Model,
    pass: Pass,
    vocabulary: Arc<Vocabulary>,
    queue: OpenQueue,
    idle: Duration,
    priority: Priority,
    sequences: Vec<Sequence>,
    kept: Kept,
}

impl Scheduler {
    pub(super) fn new(
        model: Model,
        pass: Pass,
        vocabulary: Arc<Vocabulary>,
        queue: OpenQueue,
        options: &Options,
    ) -> Self {
        Self {
            model,
            pass,
            idle: options.idle_unload,
            priority: options.priority,
            sequences: Vec::new(),
            // One conversation of full length, or several shorter ones.
            kept: Kept::new(vocabulary.context_length),
            vocabulary,
            queue,
        }
    }

    /// Serves requests until none has come for a while.
    pub(super) fn run(mut self) {
        self.priority.take();
        while let Next::Work(requests) = self.queue.next(self.sequences.len(), self.idle) {
            for request in requests {
                let memory = self.remembered(&request);
                self.sequences.push(Sequence::new(request, memory));
            }
            self.step();
            self.put_aside();
        }
        tracing::info!("local model let go");
    }

    /// What is known of a request's prompt from other conversations.
    fn remembered(&mut self, request: &Pending) -> Memory {
        let most = request.prompt.len() - 1;
        let running = self
            .sequences
            .iter()
            .map(|sequence| {
                let length = common_length(sequence.tokens(), &request.prompt);
                (
                    length.min(sequence.memory().len()).min(most),
                    sequence.memory(),
                )
            })
            .max_by_key(|&(length, _)| length)
            .filter(|&(length, _)| length > 0)
            .map(|(length, memory)| memory.prefix(length));
        running
            .into_iter()
            .chain(self.kept.longest_prefix(&request.prompt))
            .max_by_key(Memory::len)
            .unwrap_or_else(|| self.model.new_memory())
    }

    /// One pass through the model.
    fn step(&mut self) {
        let moving = |sequence: &Sequence| !sequence.is_over();
        let reading = self
            .sequences
            .iter()
            .filter(|sequence| moving(sequence) && sequence.waiting_tokens() > 1)
            .count();
        let is_alone = reading
            == self
                .sequences
                .iter()
                .filter(|sequence| moving(sequence))
                .count();
        let prompt_tokens = if is_alone {
            PROMPT_TOKENS
        } else {
            PROMPT_TOKENS_BESIDE_ANSWERS
        };
        let share = prompt_tokens.div_ceil(reading.max(1));
        let (mut moved, mut runs) = (Vec::new(), Vec::new());
        for (index, sequence) in self.sequences.iter_mut().enumerate() {
            if moving(sequence) {
                let run = sequence.next_run(share);
                if run.wants_scores {
                    moved.push(index);
                }
                runs.push(run);
            }
        }
        if runs.is_empty() {
            return;
        }
        let scores = self.pass.run(&self.model, &mut runs);
        let vocabulary_size = self.model.dimensions().vocabulary;
        for (index, scores) in moved.into_iter().zip(scores.chunks_exact(vocabulary_size)) {
            self.sequences[index].advance(&self.vocabulary, self.model.kernels(), scores);
        }
    }

    /// Keeps the memory of answers that are over.
    fn put_aside(&mut self) {
        for index in (0..self.sequences.len()).rev() {
            if self.sequences[index].is_over() {
                let sequence = self.sequences.swap_remove(index);
                self.queue.note_duration(sequence.elapsed());
                let (tokens, memory) = sequence.into_parts();
                self.kept.keep(&tokens, memory);
            }
        }
    }
}
