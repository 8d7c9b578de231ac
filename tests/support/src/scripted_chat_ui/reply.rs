//! What an instance answers a message with.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::Signal;

/// An answer, step by step; it begins with the line that says so.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(super) head: Option<Refusal>,
    pub(super) steps: Vec<Step>,
}

/// An answer that is none.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) body: Bytes,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Write(Bytes),
    /// Writes each byte on its own.
    WriteBytewise(Bytes),
    /// Writes the last line, which only the new family has.
    Finished,
    Wait(Signal),
    /// Says every 100 ms that it is alive, until it is stopped or the peer goes.
    Think,
    /// Says nothing more.
    Hang,
    Close,
    Reset,
}

impl Reply {
    /// An answer that has begun.
    #[must_use]
    pub fn started() -> Self {
        let reply = Self {
            head: None,
            steps: Vec::new(),
        };
        reply.line(&json!({"type": "status", "status": "started"}))
    }

    /// A whole answer of these tokens.
    #[must_use]
    pub fn text(tokens: &[&str]) -> Self {
        let reply = tokens
            .iter()
            .fold(Self::started().keep_alive(), |reply, token| {
                reply.token(token)
            });
        reply.final_answer(tokens.concat().trim_end()).finished()
    }

    /// An answer that is none.
    #[must_use]
    pub fn refusal(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            head: Some(Refusal {
                status,
                content_type: content_type.to_owned(),
                body: body.into(),
            }),
            steps: Vec::new(),
        }
    }

    /// Goes on with a line.
    #[must_use]
    pub fn line(self, line: &Value) -> Self {
        self.step(Step::Write(format!("{line}\n").into()))
    }

    /// Goes on with a token, filled up with NULs to 16 code units.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        let missing = 16_usize.saturating_sub(token.encode_utf16().count());
        let padded = token.to_owned() + &"\0".repeat(missing);
        self.line(&json!({"type": "stream", "token": padded}))
    }

    /// Goes on with a sign of life.
    #[must_use]
    pub fn keep_alive(self) -> Self {
        self.line(&json!({"type": "status", "status": "keepAlive"}))
    }

    /// Goes on with the final answer and the spaces behind it.
    #[must_use]
    pub fn final_answer(self, text: &str) -> Self {
        self.line(&json!({"type": "finalAnswer", "text": text, "interrupted": false}))
            .step(Step::Write(" ".repeat(4096).into()))
    }

    /// Goes on with the end of the run; before the rewrite there was no line for it.
    #[must_use]
    pub fn finished(self) -> Self {
        self.step(Step::Finished)
    }

    /// Goes on with an error.
    #[must_use]
    pub fn error(self, message: &str, status: Option<u16>) -> Self {
        let mut line = json!({"type": "status", "status": "error", "message": message});
        if let Some(status) = status {
            line["statusCode"] = status.into();
        }
        self.line(&line)
    }

    /// Writes all so far in single bytes.
    #[must_use]
    pub fn byte_by_byte(mut self) -> Self {
        for step in &mut self.steps {
            if let Step::Write(bytes) = step {
                *step = Step::WriteBytewise(bytes.clone());
            }
        }
        self
    }

    /// Waits for the test before it goes on.
    #[must_use]
    pub fn wait_for(self, signal: &Signal) -> Self {
        self.step(Step::Wait(signal.clone()))
    }

    /// Says every 100 ms that it is alive, until it is stopped or the peer goes. What it has said by then is its answer.
    #[must_use]
    pub fn think(self) -> Self {
        self.step(Step::Think)
    }

    /// Says nothing more until the peer goes.
    #[must_use]
    pub fn hang(self) -> Self {
        self.step(Step::Hang)
    }

    /// Closes the connection in the middle.
    #[must_use]
    pub fn close(self) -> Self {
        self.step(Step::Close)
    }

    /// Resets the connection.
    #[must_use]
    pub fn reset(self) -> Self {
        self.step(Step::Reset)
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}
