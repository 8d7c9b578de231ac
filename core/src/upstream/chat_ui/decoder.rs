//! From the lines of a message's answer to the contract's events.

use llm2api_proto::v1::{
    ChatEvent, ChatRequest, ChatStart, ChoiceDelta, ChoiceFinish, FinishReason, chat_event::Event,
};

use super::{
    final_answer,
    line::Line,
    run_error::RunError,
    stop_text::StopText,
    thinking::{Piece, Thinking},
    token_limit::TokenLimit,
};

/// Turns the lines of one answer into events.
#[derive(Debug)]
pub(super) struct Decoder {
    stop_text: StopText,
    limit: Option<TokenLimit>,
    thinking: Thinking,
    /// Whether the text is kept back until the final answer tells which it is: nobody waits for a part of it, and nothing of ours
    /// could end it before.
    is_whole: bool,
    /// The most bytes that the tokens may have.
    max_bytes: usize,
    /// All tokens so far, to be compared with the final answer.
    tokens: String,
    /// The model that a router chose.
    routed_model: String,
    has_started: bool,
    has_reasoning: bool,
    has_tools: bool,
    is_finished: bool,
}

/// Where the answer is after a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// More is to come.
    Open,
    /// It is complete; the generation behind it is over.
    Complete,
    /// It is complete as far as the client wants it; the generation goes on.
    CutShort,
    /// It failed.
    Failed(Broken),
}

/// Why an answer is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The upstream said so.
    Run(RunError),
    /// The session is lost.
    LoggedOut,
    /// The generation was stopped by somebody else, or the model's server ended oddly.
    Interrupted,
    /// What was passed on is not the answer: the generation began anew in the same stream.
    Restarted,
    /// It ended before it was complete.
    CutOff,
    /// It is larger than may be held.
    TooLarge,
}

impl Decoder {
    /// For the answer to a request, of at most so many bytes.
    pub(super) fn new(request: &ChatRequest, max_bytes: usize) -> Self {
        let limit = TokenLimit::of(request);
        Self {
            is_whole: request.stream == Some(false) && limit.is_none() && request.stop.is_empty(),
            stop_text: StopText::new(&request.stop),
            limit,
            max_bytes,
            thinking: Thinking::default(),
            tokens: String::new(),
            routed_model: String::new(),
            has_started: false,
            has_reasoning: false,
            has_tools: false,
            is_finished: false,
        }
    }

    /// Whether text has come that is kept back. The answer's start is passed on by then.
    pub(super) fn keeps_text_back(&self) -> bool {
        self.is_whole && !self.tokens.is_empty()
    }

    /// Takes a line.
    pub(super) fn take(&mut self, line: Line, events: &mut Vec<ChatEvent>) -> Progress {
        match line {
            Line::Token(token) => {
                self.tokens.push_str(&token);
                if self.tokens.len() > self.max_bytes {
                    return Progress::Failed(Broken::TooLarge);
                }
                if self.is_whole {
                    self.start(events);
                    return Progress::Open;
                }
                self.pass_on(&token, events)
            }
            Line::Reasoning(token) => {
                self.has_reasoning = true;
                self.reason(token, events)
            }
            Line::FinalAnswer {
                is_interrupted: true,
                ..
            } => Progress::Failed(Broken::Interrupted),
            Line::FinalAnswer { text, .. } => self.end_with(&text, events),
            Line::Finished => {
                self.is_finished = true;
                self.end(events)
            }
            Line::Error { message, status } => {
                Progress::Failed(Broken::Run(RunError { message, status }))
            }
            Line::Redirect => Progress::Failed(Broken::LoggedOut),
            Line::Routed(model) => {
                self.routed_model = model;
                Progress::Open
            }
            Line::Tool => {
                self.has_tools = true;
                Progress::Open
            }
            Line::KeepAlive | Line::Other => Progress::Open,
        }
    }

    /// Takes the end of the stream, or of the run, without a final answer: some model servers give no reason for theirs, and then it
    /// is complete all the same if the run said that it is over.
    pub(super) fn end(&mut self, events: &mut Vec<ChatEvent>) -> Progress {
        let has_begun = !self.tokens.is_empty() || self.has_reasoning;
        if !self.is_finished || !has_begun {
            return Progress::Failed(Broken::CutOff);
        }
        let text = std::mem::take(&mut self.tokens);
        self.complete(if self.is_whole { &text } else { "" }, events)
    }

    fn end_with(&mut self, text: &str, events: &mut Vec<ChatEvent>) -> Progress {
        if self.is_whole {
            return self.complete(text, events);
        }
        match final_answer::missing(&self.tokens, text, self.has_tools) {
            Some(missing) => self.complete(missing, events),
            None => Progress::Failed(Broken::Restarted),
        }
    }

    /// Passes on what is missing, what was held back, and the end.
    fn complete(&mut self, missing: &str, events: &mut Vec<ChatEvent>) -> Progress {
        match self.pass_on(missing, events) {
            Progress::Open => {}
            // The text is whole, whatever we leave out of it.
            _ => return Progress::Complete,
        }
        if let Some(piece) = self.thinking.finish()
            && self.pass_on_piece(piece, events) != Progress::Open
        {
            return Progress::Complete;
        }
        let held = self.stop_text.finish();
        if self.say(held, events) != Progress::Open {
            return Progress::Complete;
        }
        self.finish(FinishReason::Stop, events);
        Progress::Complete
    }

    fn pass_on(&mut self, text: &str, events: &mut Vec<ChatEvent>) -> Progress {
        for piece in self.thinking.push(text) {
            let progress = self.pass_on_piece(piece, events);
            if progress != Progress::Open {
                return progress;
            }
        }
        Progress::Open
    }

    fn pass_on_piece(&mut self, piece: Piece, events: &mut Vec<ChatEvent>) -> Progress {
        match piece {
            Piece::Reasoning(text) => self.reason(text, events),
            Piece::Content(text) => {
                let (text, is_stopped) = self.stop_text.push(text);
                let progress = self.say(text, events);
                if is_stopped && progress == Progress::Open {
                    self.finish(FinishReason::Stop, events);
                    return Progress::CutShort;
                }
                progress
            }
        }
    }

    fn reason(&mut self, text: String, events: &mut Vec<ChatEvent>) -> Progress {
        self.grow(text, events, |delta, text| {
            delta.reasoning_content = Some(text);
        })
    }

    fn say(&mut self, text: String, events: &mut Vec<ChatEvent>) -> Progress {
        self.grow(text, events, |delta, text| delta.content = Some(text))
    }

    /// Adds text to the message, up to the bound.
    fn grow(
        &mut self,
        text: String,
        events: &mut Vec<ChatEvent>,
        set: impl FnOnce(&mut ChoiceDelta, String),
    ) -> Progress {
        let (text, is_reached) = match &mut self.limit {
            Some(limit) => limit.take(text),
            None => (text, false),
        };
        if !text.is_empty() {
            self.start(events);
            let mut delta = ChoiceDelta::default();
            set(&mut delta, text);
            events.push(event(Event::Delta(delta)));
        }
        if is_reached {
            self.finish(FinishReason::Length, events);
            return Progress::CutShort;
        }
        Progress::Open
    }

    fn finish(&mut self, reason: FinishReason, events: &mut Vec<ChatEvent>) {
        self.start(events);
        events.push(event(Event::Finish(ChoiceFinish {
            reason: reason.into(),
            ..ChoiceFinish::default()
        })));
    }

    /// Begins the answer, as late as can be: by then the router, if there is one, has chosen.
    fn start(&mut self, events: &mut Vec<ChatEvent>) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        events.push(event(Event::Start(ChatStart {
            upstream_model: std::mem::take(&mut self.routed_model),
            ..ChatStart::default()
        })));
        events.push(event(Event::Delta(ChoiceDelta {
            role: "assistant".to_owned(),
            ..ChoiceDelta::default()
        })));
    }
}

fn event(event: Event) -> ChatEvent {
    ChatEvent {
        event: Some(event),
        extra_fields: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
