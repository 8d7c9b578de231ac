//! An upstream's answer, from the bytes of its body to batches of events.

use std::{
    future::Future,
    mem,
    ops::ControlFlow,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::Stream;
use http::{HeaderMap, HeaderValue, header::CONTENT_ENCODING};
use http_body::Body as _;
use llm2api_proto::v1::ChatEvent;
use tokio::time::Sleep;

use super::{
    super::{
        Batch, Credential, Failure, FailureKind,
        http_client::{HttpClients, ResponseBody},
        media_type::{MediaType, sniff},
    },
    answer_failure,
    decoder::{ChunkError, Decoder, NoAnswer},
    sse::{Event, SseReader, TooLarge},
};

/// How OpenAI's streams say that they are complete; some upstreams write more behind it.
const END_MARKER: &[u8] = b"[DONE]";

/// How long the usage and the end marker may take after the last choice's finish. Some upstreams send neither and keep the
/// connection.
const GRACE: Duration = Duration::from_secs(2);

/// Bytes after which a batch is handed out though more may be there, so that a fast upstream is passed on piece by piece.
const MAX_BATCH_SIZE: usize = 64 * 1024;

/// Turns the body of a successful answer into batches; see [`super::super::Answer`] for what it keeps to.
pub(super) struct AnswerStream {
    clients: Arc<HttpClients>,
    /// To be kept out of messages.
    credential: Credential,
    body: ResponseBody,
    framing: Framing,
    decoder: Decoder,
    /// The most bytes that an event, or an answer which is no stream, may have.
    limit: usize,
    state: State,
    /// Runs since every choice has its finish: what may follow is the usage and the end marker.
    grace: Option<Pin<Box<Sleep>>>,
}

/// How the events lie in the body.
enum Framing {
    /// Not known until the first bytes are here, which are kept.
    Unknown(Vec<u8>),
    Events(SseReader),
    /// One JSON document, as far as it has come: the upstream doesn't stream.
    Whole(Vec<u8>),
}

enum State {
    Reading,
    /// Fails once the events before it are handed out.
    Failing(Failure),
    Over,
}

/// What reading on came to.
enum Outcome {
    /// More is to come.
    Open,
    /// The end marker came.
    EndMarker,
    Failed(ChunkError),
}

impl AnswerStream {
    /// The answer in a body whose head said success; `choice_count` were asked for.
    ///
    /// # Errors
    ///
    /// A [`Failure`] where the head says that it is no answer.
    pub(super) fn new(
        clients: &Arc<HttpClients>,
        credential: &Credential,
        headers: &HeaderMap,
        body: ResponseBody,
        choice_count: usize,
        limit: usize,
    ) -> Result<Self, Failure> {
        let is_encoded = |value: &HeaderValue| value != "identity";
        if headers.get(CONTENT_ENCODING).is_some_and(is_encoded) {
            return Err(answer_failure::encoded(clients.address()));
        }
        let framing = match MediaType::of(headers) {
            MediaType::EventStream => Framing::Events(SseReader::new(limit)),
            MediaType::Html => return Err(answer_failure::html(clients.address())),
            MediaType::Json | MediaType::Other => Framing::Unknown(Vec::new()),
        };
        Ok(Self {
            clients: Arc::clone(clients),
            credential: credential.clone(),
            body,
            framing,
            decoder: Decoder::new(choice_count),
            limit,
            state: State::Reading,
            grace: None,
        })
    }

    /// Takes the next piece of the body.
    fn read(&mut self, piece: &[u8], batch: &mut Batch) {
        match &mut self.framing {
            Framing::Events(_) => self.read_events(piece, batch),
            Framing::Whole(text) | Framing::Unknown(text)
                if text.len() + piece.len() > self.limit =>
            {
                self.fail(answer_failure::too_large(
                    self.clients.address(),
                    self.limit,
                ));
            }
            Framing::Whole(text) => text.extend_from_slice(piece),
            Framing::Unknown(text) => {
                text.extend_from_slice(piece);
                let text = mem::take(text);
                match sniff(&text) {
                    // White space need not be kept, however much of it comes.
                    None if text.trim_ascii().is_empty() => {}
                    None => self.framing = Framing::Unknown(text),
                    Some(MediaType::Html) => {
                        self.fail(answer_failure::html(self.clients.address()));
                    }
                    Some(MediaType::Json) => self.framing = Framing::Whole(text),
                    Some(MediaType::EventStream | MediaType::Other) => {
                        self.framing = Framing::Events(SseReader::new(self.limit));
                        self.read_events(&text, batch);
                    }
                }
            }
        }
    }

    fn read_events(&mut self, piece: &[u8], batch: &mut Batch) {
        let Framing::Events(reader) = &mut self.framing else {
            return;
        };
        let mut outcome = Outcome::Open;
        let read = reader.read(piece, |event| {
            outcome = take_event(&mut self.decoder, event, &mut batch.events);
            match outcome {
                Outcome::Open => ControlFlow::Continue(()),
                Outcome::EndMarker | Outcome::Failed(_) => ControlFlow::Break(()),
            }
        });
        batch.size_bytes += reader.take_complete_size();
        match (read, outcome) {
            (Err(TooLarge), _) => {
                self.fail(answer_failure::too_large(
                    self.clients.address(),
                    self.limit,
                ));
            }
            (Ok(_), Outcome::Open) => {}
            (Ok(_), Outcome::EndMarker) => {
                let body = mem::take(&mut self.body);
                self.clients.drain(body);
                self.complete(&mut batch.events);
            }
            (Ok(_), Outcome::Failed(error)) => self.fail_with(error),
        }
    }

    /// Takes the body's end. `broken` tells how, where it was not an orderly one.
    fn end(&mut self, broken: Option<Failure>, batch: &mut Batch) {
        if broken.is_none() {
            match &mut self.framing {
                Framing::Events(_) => self.end_events(batch),
                Framing::Whole(text) => {
                    let text = mem::take(text);
                    return self.end_whole(&text, batch);
                }
                Framing::Unknown(_) => {}
            }
        }
        if matches!(self.state, State::Reading) {
            if self.decoder.is_complete() {
                self.complete(&mut batch.events);
            } else {
                let cut_off = || answer_failure::cut_off(self.clients.address());
                self.fail(broken.unwrap_or_else(cut_off));
            }
        }
    }

    /// Reads an event that the end of the stream completes, if there is one. One that is not understood was cut off.
    fn end_events(&mut self, batch: &mut Batch) {
        let Framing::Events(reader) = &mut self.framing else {
            return;
        };
        let mut outcome = Outcome::Open;
        let _ = reader.finish(|event| {
            outcome = take_event(&mut self.decoder, event, &mut batch.events);
            ControlFlow::Break(())
        });
        batch.size_bytes += reader.take_complete_size();
        match outcome {
            Outcome::Open | Outcome::Failed(ChunkError::NotUnderstood) => {}
            Outcome::EndMarker => self.complete(&mut batch.events),
            Outcome::Failed(error) => self.fail_with(error),
        }
    }

    fn end_whole(&mut self, text: &[u8], batch: &mut Batch) {
        let decoded = match self.decoder.decode(text, &mut batch.events) {
            Ok(()) if self.decoder.has_choice() => Ok(()),
            // Some put an error into a document of its own shape.
            Ok(()) | Err(ChunkError::NotUnderstood) => Err(ChunkError::Upstream(
                String::from_utf8_lossy(text).into_owned(),
            )),
            Err(error) => Err(error),
        };
        match decoded {
            Ok(()) => self.complete(&mut batch.events),
            Err(error) => self.fail_with(error),
        }
        batch.size_bytes += text.len();
    }

    /// Waits for what may follow the last finish, but not for long: the answer is complete without it.
    fn poll_grace(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.decoder.is_complete() {
            return Poll::Pending;
        }
        let grace = self
            .grace
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(GRACE)));
        grace.as_mut().poll(context)
    }

    fn complete(&mut self, events: &mut Vec<ChatEvent>) {
        match self.decoder.finish(events) {
            Ok(()) => self.state = State::Over,
            Err(NoAnswer) => self.fail(Failure::new(
                FailureKind::Unavailable,
                format!(
                    "{} sent an answer that says nothing",
                    self.clients.address()
                ),
            )),
        }
    }

    fn fail_with(&mut self, error: ChunkError) {
        self.fail(answer_failure::of_chunk(
            error,
            self.clients.address(),
            &self.credential,
        ));
    }

    fn fail(&mut self, failure: Failure) {
        self.state = State::Failing(failure);
    }
}

fn take_event(decoder: &mut Decoder, event: Event<'_>, events: &mut Vec<ChatEvent>) -> Outcome {
    let data = event.data.trim_ascii();
    if data.starts_with(END_MARKER) {
        return Outcome::EndMarker;
    }
    if data.is_empty() {
        return Outcome::Open;
    }
    if event.is_error {
        return Outcome::Failed(ChunkError::Upstream(
            String::from_utf8_lossy(data).into_owned(),
        ));
    }
    match decoder.decode(data, events) {
        Ok(()) => Outcome::Open,
        Err(error) => Outcome::Failed(error),
    }
}

impl Stream for AnswerStream {
    type Item = Result<Batch, Failure>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if !matches!(this.state, State::Reading) {
            return Poll::Ready(match mem::replace(&mut this.state, State::Over) {
                State::Failing(failure) => Some(Err(failure)),
                State::Reading | State::Over => None,
            });
        }
        let mut batch = Batch::default();
        let mut has_read = false;
        let mut size = 0;
        // All that has come by now becomes one batch; nothing is waited for once there is something.
        while matches!(this.state, State::Reading) && size < MAX_BATCH_SIZE {
            match Pin::new(&mut this.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers say nothing that we'd know.
                    let Ok(piece) = frame.into_data() else {
                        continue;
                    };
                    size += piece.len();
                    this.read(&piece, &mut batch);
                }
                Poll::Ready(Some(Err(error))) => {
                    let failure = this.clients.failure(&error);
                    this.end(Some(failure), &mut batch);
                }
                Poll::Ready(None) => this.end(None, &mut batch),
                Poll::Pending if has_read => break,
                Poll::Pending => {
                    ready!(this.poll_grace(context));
                    this.end(None, &mut batch);
                }
            }
            has_read = true;
        }
        Poll::Ready(Some(Ok(batch)))
    }
}
