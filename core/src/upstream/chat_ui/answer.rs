//! A message's answer, from the bytes of its body to batches of events.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::Stream;
use tokio::time::{Instant, Sleep};

use super::{
    super::{Batch, Failure, FailureKind},
    conversation::Conversation,
    decoder::{Broken, Decoder, Progress},
    line::{self, Line},
    line_reader::LineReader,
    refusal::not_understood,
    session::Session,
    site::Site,
};
use crate::pool::InvalidReason;

/// For how long an instance may be silent. It says every 100 ms that it is alive, also between tokens and while its model is silent;
/// proxies on the way hold some of that back, but never for so long.
const MAX_SILENCE: Duration = Duration::from_secs(15);

/// Bytes after which a batch is handed out though more may be there.
const MAX_BATCH_SIZE: usize = 64 * 1024;

/// Turns the body of an answer into batches; see [`super::super::Answer`] for what it keeps to.
pub(super) struct AnswerStream {
    site: Arc<Site>,
    session: Arc<Session>,
    /// `None` once the answer is over: by then it is left to the clean-up.
    conversation: Option<Conversation>,
    reader: LineReader,
    decoder: Decoder,
    state: State,
    silence: Pin<Box<Sleep>>,
    last_byte: Instant,
}

enum State {
    Reading,
    /// Fails once the events before it are handed out.
    Failing(Failure),
    Over,
}

impl AnswerStream {
    /// The answer that comes in a conversation; a line of it may have so many bytes.
    pub(super) fn new(
        site: &Arc<Site>,
        session: Arc<Session>,
        conversation: Conversation,
        decoder: Decoder,
        max_line_bytes: usize,
    ) -> Self {
        Self {
            site: Arc::clone(site),
            session,
            conversation: Some(conversation),
            reader: LineReader::new(max_line_bytes),
            decoder,
            state: State::Reading,
            silence: Box::pin(tokio::time::sleep(MAX_SILENCE)),
            last_byte: Instant::now(),
        }
    }

    /// Takes the next piece of the body.
    fn read(&mut self, piece: &[u8], batch: &mut Batch) {
        let mut progress = Some(Progress::Open);
        let decoder = &mut self.decoder;
        let read = self.reader.read(piece, |line| {
            progress = take_line(decoder, line, batch);
            progress == Some(Progress::Open)
        });
        match (read, progress) {
            (Err(_), _) => self.fail(Broken::TooLarge),
            (Ok(()), Some(progress)) => self.go_on(progress),
            (Ok(()), None) => self.fail_with(not_understood(self.site.address())),
        }
    }

    /// Takes the body's end; `broken` tells how, where it was not an orderly one.
    fn end(&mut self, broken: Option<Failure>, batch: &mut Batch) {
        let mut progress = Some(Progress::Open);
        if broken.is_none() {
            let decoder = &mut self.decoder;
            self.reader.finish(|line| {
                progress = take_line(decoder, line, batch);
                true
            });
        }
        match (progress, broken) {
            (_, Some(failure)) => self.fail_with(failure),
            // What is not understood was cut off.
            (Some(Progress::Open) | None, None) => {
                let progress = self.decoder.end(&mut batch.events);
                self.go_on(progress);
            }
            (Some(progress), None) => self.go_on(progress),
        }
    }

    fn go_on(&mut self, progress: Progress) {
        match progress {
            Progress::Open => {}
            Progress::Complete => {
                if let Some(conversation) = &mut self.conversation {
                    conversation.is_done();
                }
                self.be_over(State::Over);
            }
            Progress::CutShort => self.be_over(State::Over),
            Progress::Failed(broken) => self.fail(broken),
        }
    }

    fn fail(&mut self, broken: Broken) {
        if let (Broken::Run(_) | Broken::LoggedOut | Broken::Interrupted, Some(conversation)) =
            (&broken, &mut self.conversation)
        {
            conversation.is_done();
        }
        let failure = self.failure(broken);
        self.fail_with(failure);
    }

    fn fail_with(&mut self, failure: Failure) {
        self.be_over(State::Failing(failure));
    }

    /// Nothing more is read: the conversation is left.
    fn be_over(&mut self, state: State) {
        self.state = state;
        self.conversation = None;
    }

    fn failure(&self, broken: Broken) -> Failure {
        let address = self.site.address();
        let unavailable =
            |what: &str| Failure::new(FailureKind::Unavailable, format!("{address} {what}"));
        match broken {
            Broken::Run(error) => error.into_failure(address, &self.session.texts_to_hide()),
            Broken::LoggedOut => Failure::unauthorized(
                InvalidReason::Expired,
                format!("{address} wants a new login"),
            ),
            Broken::Interrupted => unavailable("was interrupted in the middle of the answer"),
            Broken::Restarted => {
                unavailable("began the answer anew after a part of it was passed on")
            }
            Broken::CutOff => unavailable("ended the answer before it was complete"),
            Broken::TooLarge => unavailable("sent more than an answer may have (MAX_BODY)"),
        }
    }

    /// Whether nothing has come for too long. The timer is not reset at every piece: when it fires, it is set anew by the last one.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.silence.as_mut().poll(context));
            let deadline = self.last_byte + MAX_SILENCE;
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            self.silence.as_mut().reset(deadline);
        }
    }
}

/// Takes a line; `None` where it is none.
fn take_line(decoder: &mut Decoder, text: &[u8], batch: &mut Batch) -> Option<Progress> {
    let line = line::parse(text)?;
    // It only says that the upstream is alive: a model may think for as long as the clocks allow.
    if line != Line::KeepAlive {
        batch.size_bytes += text.len();
    }
    Some(decoder.take(line, &mut batch.events))
}

impl Stream for AnswerStream {
    type Item = Result<Batch, Failure>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        match mem::replace(&mut this.state, State::Over) {
            State::Over => return Poll::Ready(None),
            State::Failing(failure) => return Poll::Ready(Some(Err(failure))),
            State::Reading => this.state = State::Reading,
        }
        let mut batch = Batch::default();
        let mut has_read = false;
        let mut size = 0;
        // All that has come by now becomes one batch; nothing is waited for once there is something.
        while size < MAX_BATCH_SIZE
            && let (State::Reading, Some(conversation)) = (&this.state, &mut this.conversation)
        {
            match conversation.poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers say nothing that we'd know.
                    let Ok(piece) = frame.into_data() else {
                        continue;
                    };
                    this.last_byte = Instant::now();
                    size += piece.len();
                    this.read(&piece, &mut batch);
                }
                Poll::Ready(Some(Err(error))) => {
                    let failure = this.site.clients().failure(&error);
                    this.end(Some(failure), &mut batch);
                }
                Poll::Ready(None) => this.end(None, &mut batch),
                Poll::Pending if has_read => break,
                Poll::Pending => {
                    ready!(this.poll_silence(context));
                    this.fail_with(Failure::new(
                        FailureKind::Unavailable,
                        format!(
                            "{} gave no sign of life for {} s",
                            this.site.address(),
                            MAX_SILENCE.as_secs()
                        ),
                    ));
                }
            }
            has_read = true;
        }
        batch.has_begun = this.decoder.keeps_text_back();
        Poll::Ready(Some(Ok(batch)))
    }
}

#[cfg(test)]
mod tests;
