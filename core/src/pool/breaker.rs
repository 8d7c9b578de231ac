//! The circuit breaker of one upstream: a state machine that is told what time it is.
//!
//! While it is closed, attempts pass. An upstream that keeps failing opens it; then none passes, and nobody waits for an upstream
//! that is down. After a while it is half open: one attempt passes, and what becomes of it decides.

use std::time::Duration;

use tokio::time::Instant;

use super::{failure_window::Window, outcome::Outcome};

/// Failures in a row that open it.
const ROW: u32 = 5;
/// For how long it is open at first; each time that the half-open attempt fails for twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// The longest that it is open.
const MAX_PAUSE: Duration = Duration::from_secs(120);

/// A circuit breaker.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    /// What ended while it was closed.
    window: Window,
    /// What the window's seconds count from.
    origin: Instant,
}

#[derive(Debug)]
enum State {
    Closed {
        failures_in_a_row: u32,
    },
    Open {
        until: Instant,
        pause: Duration,
    },
    /// An attempt is under way, or the next one may be.
    HalfOpen {
        pause: Duration,
        is_probed: bool,
    },
}

/// What an attempt may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Pass.
    Pass,
    /// Pass, and decide.
    Probe,
    /// It has passed, and its success was counted when the upstream began to answer.
    Counted,
}

impl Breaker {
    /// A closed one.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            state: State::CLOSED,
            window: Window::default(),
            origin: now,
        }
    }

    /// Whether an attempt passes.
    ///
    /// # Errors
    ///
    /// When to ask again, where that is known: not while another attempt is to tell.
    pub(super) fn admits(&self, now: Instant) -> Result<Admission, Option<Instant>> {
        match self.state {
            State::Closed { .. } => Ok(Admission::Pass),
            State::Open { until, .. } if now < until => Err(Some(until)),
            State::Open { .. }
            | State::HalfOpen {
                is_probed: false, ..
            } => Ok(Admission::Probe),
            State::HalfOpen {
                is_probed: true, ..
            } => Err(None),
        }
    }

    /// Whether attempts are held off.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed { .. })
    }

    /// Whether the next failures would open it: those who know of a success should say so at once.
    pub(super) fn is_shaky(&self) -> bool {
        !matches!(
            self.state,
            State::Closed {
                failures_in_a_row: 0
            }
        )
    }

    /// Takes note that an attempt begins which was admitted as a probe.
    pub(super) fn begin_probe(&mut self) {
        match self.state {
            State::Open { pause, .. } | State::HalfOpen { pause, .. } => {
                self.state = State::HalfOpen {
                    pause,
                    is_probed: true,
                };
            }
            State::Closed { .. } => {}
        }
    }

    /// Takes note of how an attempt ended.
    pub(super) fn note(&mut self, admission: Admission, outcome: &Outcome, now: Instant) {
        let second = now.saturating_duration_since(self.origin).as_secs();
        match &mut self.state {
            State::Closed { failures_in_a_row } => {
                match outcome {
                    Outcome::Succeeded if admission == Admission::Counted => return,
                    Outcome::Succeeded => *failures_in_a_row = 0,
                    Outcome::Unavailable => *failures_in_a_row += 1,
                    // The upstream lives, or it says nothing of the upstream.
                    Outcome::Limited(..)
                    | Outcome::QuotaSpent
                    | Outcome::Refused(_)
                    | Outcome::Late
                    | Outcome::SaysNothing => return,
                }
                let is_failure = *outcome == Outcome::Unavailable;
                self.window.count(second, is_failure);
                if is_failure && (*failures_in_a_row >= ROW || self.window.is_bad()) {
                    self.open(FIRST_PAUSE, now);
                }
            }
            State::HalfOpen { pause, .. } if admission == Admission::Probe => {
                let pause = *pause;
                match outcome {
                    Outcome::Unavailable | Outcome::Late => {
                        self.open((pause * 2).min(MAX_PAUSE), now);
                    }
                    Outcome::Succeeded
                    | Outcome::Limited(..)
                    | Outcome::QuotaSpent
                    | Outcome::Refused(_) => {
                        self.state = State::CLOSED;
                        self.window = Window::default();
                    }
                    // The next one decides.
                    Outcome::SaysNothing => {
                        self.state = State::HalfOpen {
                            pause,
                            is_probed: false,
                        };
                    }
                }
            }
            // What was begun before the upstream failed.
            State::Open { .. } | State::HalfOpen { .. } => {}
        }
    }

    fn open(&mut self, pause: Duration, now: Instant) {
        self.state = State::Open {
            until: now + pause,
            pause,
        };
    }
}

impl State {
    const CLOSED: Self = Self::Closed {
        failures_in_a_row: 0,
    };
}

#[cfg(test)]
mod tests;
