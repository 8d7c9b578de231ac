//! The engine: loads the model when it is first asked, and lets it go when nobody asks any more.
//!
//! One thread owns the model and moves all answers at once ([`scheduler`]). Whoever asks turns the conversation into tokens on
//! their own thread, and gets the answer's pieces from a channel.

mod generation;
mod kept;
mod load;
mod queue;
mod scheduler;
mod sequence;

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
    thread::{self, JoinHandle},
    time::Duration,
};

pub use generation::{Done, Event, FinishReason, Generation, Interrupted, Usage};
pub use load::LoadError;

use crate::{
    kernel::{Kernels, UnsupportedProcessor},
    priority::Priority,
    sampler::Sampling,
    template::{Message, TemplateError},
};
use load::{Loaded, Vocabulary};
use queue::{Pending, Queue, QueueFull};
use scheduler::Scheduler;

/// How an engine works.
#[derive(Debug, Clone)]
pub struct Options {
    /// Threads that compute.
    pub threads: NonZeroUsize,
    /// Answers that move at once.
    pub max_sequences: NonZeroUsize,
    /// Requests that wait for their turn, beside those that move.
    pub queue_length: usize,
    /// After how long without a request the model is let go.
    pub idle_unload: Duration,
    /// Tokens that a conversation may have, its answer included; at most as many as the model was trained for. `None`: as many.
    pub context_length: Option<usize>,
    /// The claim of its threads to the processors.
    pub priority: Priority,
}

impl Default for Options {
    /// All processors, in the background; four answers at once and sixteen waiting; five minutes.
    fn default() -> Self {
        Self {
            threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            max_sequences: NonZeroUsize::MIN.saturating_add(3),
            queue_length: 16,
            idle_unload: Duration::from_secs(300),
            context_length: None,
            priority: Priority::default(),
        }
    }
}

/// What is asked of the model.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// The answer ends before the first of these.
    pub stop: Vec<String>,
    /// Tokens that the answer may have. `None`: as many as the context has room for, which is also the most there can be.
    pub max_tokens: Option<usize>,
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The model can't be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The template.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The conversation leaves no room for an answer.
    #[error(
        "the model's context has {context_length} tokens, and the messages have {prompt_tokens}"
    )]
    ContextOverflow {
        /// Tokens that there is room for, the answer's included.
        context_length: usize,
        /// Tokens of the messages; where they are far too long, how many they have at the least.
        prompt_tokens: usize,
    },
    /// Too many requests wait.
    #[error("the local model is busy, and {waiting} requests wait already")]
    QueueFull {
        /// How many wait.
        waiting: usize,
        /// After how long one of them will have begun, as far as one can tell.
        retry_after: Duration,
    },
}

/// A model on this machine's processor.
///
/// Dropping it ends running answers.
#[derive(Debug)]
pub struct Engine {
    path: PathBuf,
    options: Options,
    queue: Arc<Queue>,
    /// The model's thread, as long as it is loaded. Held while the model is loaded, so that it is loaded once.
    running: Mutex<Option<Running>>,
}

/// A model's thread.
#[derive(Debug)]
struct Running {
    /// Owned by the thread, so that it goes with the model.
    vocabulary: Weak<Vocabulary>,
    thread: JoinHandle<()>,
}

impl Engine {
    /// Prepares to answer with the model of a file, without reading it yet.
    ///
    /// # Errors
    ///
    /// [`UnsupportedProcessor`] where this processor can't compute a model.
    pub fn open(path: impl Into<PathBuf>, options: Options) -> Result<Self, UnsupportedProcessor> {
        Kernels::detect()?;
        Ok(Self {
            path: path.into(),
            queue: Arc::new(Queue::new(options.max_sequences, options.queue_length)),
            options,
            running: Mutex::new(None),
        })
    }

    /// The model's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Looks whether the file can be loaded, as far as that shows without its weights: some milliseconds.
    ///
    /// # Errors
    ///
    /// Why it can't.
    pub fn check(&self) -> Result<(), LoadError> {
        load::check(&self.path)
    }

    /// Whether the model is in memory.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.queue.is_open()
    }

    /// Begins an answer.
    ///
    /// Blocks while the model is loaded, for about a second, and while the conversation is made tokens: not for threads that
    /// serve others. Dropping the [`Generation`] ends it before the next token.
    ///
    /// # Errors
    ///
    /// A [`StartError`] that says why there is no answer.
    pub fn start(&self, request: Request) -> Result<Generation, StartError> {
        // Before the work of making tokens, too: there is no use in it where nothing can be queued.
        self.queue.check_room().map_err(queue_full)?;
        let mut running = self.ensure_running()?;
        let context_length = running.context_length;
        let overflow = |prompt_tokens| StartError::ContextOverflow {
            context_length,
            prompt_tokens,
        };
        let size: usize = request
            .messages
            .iter()
            .map(|message| message.content.len())
            .sum();
        let least_tokens = size / running.tokenizer.longest_piece();
        if least_tokens >= context_length {
            return Err(overflow(least_tokens));
        }
        let prompt = running
            .template
            .encode(&running.tokenizer, &request.messages)?;
        if prompt.len() >= context_length {
            return Err(overflow(prompt.len()));
        }
        let room = context_length - prompt.len();
        let max_tokens = request.max_tokens.unwrap_or(room).min(room);
        // One message a token at most, one for what was held back, and the end.
        let (sender, receiver) = tokio::sync::mpsc::channel(max_tokens + 2);
        let mut pending = Pending {
            prompt,
            sampling: request.sampling,
            stop: request.stop,
            max_tokens,
            sender,
        };
        loop {
            match self.queue.push(pending).map_err(queue_full)? {
                None => return Ok(Generation::new(receiver)),
                // The model was let go between the two.
                Some(rejected) => pending = rejected,
            }
            running = self.ensure_running()?;
            debug_assert_eq!(running.context_length, context_length);
        }
    }

    /// The vocabulary of the running model, which is loaded where it doesn't run.
    fn ensure_running(&self) -> Result<Arc<Vocabulary>, LoadError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &*running
            && self.queue.is_open()
            && let Some(vocabulary) = running.vocabulary.upgrade()
        {
            return Ok(vocabulary);
        }
        if let Some(ended) = running.take() {
            // It has closed the queue with its last act. A panic of its own was reported by the panic hook.
            let _ = ended.thread.join();
        }
        let Loaded {
            model,
            pass,
            vocabulary,
        } = load::load(&self.path, &self.options)?;
        let vocabulary = Arc::new(vocabulary);
        let open = self.queue.open();
        let scheduler = Scheduler::new(model, pass, Arc::clone(&vocabulary), open, &self.options);
        // Who waits for it: the next load, or this engine's drop.
        let thread = thread::Builder::new()
            .name("local-model".to_owned())
            .spawn(move || scheduler.run())
            .map_err(|error| LoadError::new(&self.path, error))?;
        *running = Some(Running {
            vocabulary: Arc::downgrade(&vocabulary),
            thread,
        });
        Ok(vocabulary)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.queue.close();
        let running = self
            .running
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running.take() {
            // Ends after the step that it is at.
            let _ = running.thread.join();
        }
    }
}

fn queue_full(
    QueueFull {
        waiting,
        retry_after,
    }: QueueFull,
) -> StartError {
    StartError::QueueFull {
        waiting,
        retry_after,
    }
}

#[cfg(test)]
mod tests;
