//! Requests that wait for the model's thread.

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::mpsc::Sender;

use super::generation::Event;
use crate::sampler::Sampling;

/// How long an answer is thought to take before one has been seen.
const FIRST_GUESS: Duration = Duration::from_secs(5);
/// How much one answer's time moves the guess.
const GUESS_WEIGHT: f64 = 0.2;
/// The shortest and longest advice about when to come again.
const ADVICE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(120));

/// A request in tokens.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) prompt: Vec<u32>,
    pub(super) sampling: Sampling,
    pub(super) stop: Vec<String>,
    pub(super) max_tokens: usize,
    pub(super) sender: Sender<Event>,
}

/// There is no room for another request.
#[derive(Debug)]
pub(super) struct QueueFull {
    pub(super) waiting: usize,
    pub(super) retry_after: Duration,
}

/// The bounded queue between those who ask and the model's thread.
#[derive(Debug)]
pub(super) struct Queue {
    max_sequences: NonZeroUsize,
    length: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Whether a thread takes requests.
    is_open: bool,
    pending: VecDeque<Pending>,
    /// Answers that move.
    active: usize,
    /// How long an answer takes.
    guess: Duration,
}

/// What the model's thread holds of an open queue. Dropping it closes the queue and ends what waits in it.
#[derive(Debug)]
pub(super) struct OpenQueue(Arc<Queue>);

/// What the model's thread gets to do next.
#[derive(Debug)]
pub(super) enum Next {
    /// Go on, with these new requests.
    Work(Vec<Pending>),
    /// End: the queue is closed.
    End,
}

impl Queue {
    pub(super) fn new(max_sequences: NonZeroUsize, length: usize) -> Self {
        Self {
            max_sequences,
            length,
            state: Mutex::new(State {
                is_open: false,
                pending: VecDeque::new(),
                active: 0,
                guess: FIRST_GUESS,
            }),
            changed: Condvar::new(),
        }
    }

    /// Opens it for a thread that takes requests.
    pub(super) fn open(self: &Arc<Self>) -> OpenQueue {
        self.lock().is_open = true;
        OpenQueue(Arc::clone(self))
    }

    pub(super) fn is_open(&self) -> bool {
        self.lock().is_open
    }

    /// Takes no more requests and ends those that wait.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_open = false;
        state.active = 0;
        state.pending.clear();
        self.changed.notify_all();
    }

    /// Fails where a request would find no room now.
    pub(super) fn check_room(&self) -> Result<(), QueueFull> {
        self.check(&mut self.lock())
    }

    /// Queues a request. Gives it back where no thread takes requests.
    pub(super) fn push(&self, request: Pending) -> Result<Option<Pending>, QueueFull> {
        let mut state = self.lock();
        if !state.is_open {
            return Ok(Some(request));
        }
        self.check(&mut state)?;
        state.pending.push_back(request);
        self.changed.notify_all();
        Ok(None)
    }

    fn check(&self, state: &mut State) -> Result<(), QueueFull> {
        if state.pending.len() + state.active < self.max_sequences.get() + self.length {
            return Ok(());
        }
        // Those whose clients have gone away hold no place.
        state.pending.retain(|request| !request.sender.is_closed());
        let waiting = state.pending.len();
        if waiting + state.active < self.max_sequences.get() + self.length {
            return Ok(());
        }
        let turns = (waiting + 1).div_ceil(self.max_sequences.get());
        let retry_after = state.guess * u32::try_from(turns).unwrap_or(u32::MAX).min(1000);
        Err(QueueFull {
            waiting,
            retry_after: retry_after.clamp(ADVICE.0, ADVICE.1),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No section can panic halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenQueue {
    /// Says how many answers move, and takes as many new requests as there is room for. With none of both, waits for one until
    /// `idle` is over, then closes the queue.
    pub(super) fn next(&self, active: usize, idle: Duration) -> Next {
        let queue = &*self.0;
        let idle_since = Instant::now();
        let mut state = queue.lock();
        state.active = active;
        loop {
            if !state.is_open {
                return Next::End;
            }
            state.pending.retain(|request| !request.sender.is_closed());
            if active > 0 || !state.pending.is_empty() {
                let room = queue
                    .max_sequences
                    .get()
                    .saturating_sub(active)
                    .min(state.pending.len());
                let requests: Vec<Pending> = state.pending.drain(..room).collect();
                state.active += requests.len();
                return Next::Work(requests);
            }
            let left = idle.saturating_sub(idle_since.elapsed());
            if left.is_zero() {
                state.is_open = false;
                return Next::End;
            }
            state = queue
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Tells how long an answer took.
    pub(super) fn note_duration(&self, duration: Duration) {
        let mut state = self.0.lock();
        state.guess = state.guess.mul_f64(1.0 - GUESS_WEIGHT) + duration.mul_f64(GUESS_WEIGHT);
    }
}

impl Drop for OpenQueue {
    fn drop(&mut self) {
        self.0.close();
    }
}
