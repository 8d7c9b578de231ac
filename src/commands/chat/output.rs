//! What `llm2api chat` writes.

use std::io::{self, IsTerminal, StderrLock, StdoutLock, Write};

use llm2api_proto::v1::{
    ChatEvent, ChatResponse, ChoiceDelta, FinishReason, ToolCall, UrlCitation, chat_event::Event,
    tool_call::Call,
};
use serde_json::{Value, json};

/// Dim text on terminals: what the model thinks is not its answer.
const DIM: &str = "\u{1b}[2m";
const RESET: &str = "\u{1b}[0m";

/// Writes an answer's events: its text, or all as lines of JSON.
pub(super) struct Output<W: Write> {
    json: bool,
    text: W,
    /// Where reasoning is shown: on a terminal only.
    reasoning: Option<StderrLock<'static>>,
    is_reasoning: bool,
    /// Whether the last character written ended a line.
    at_line_start: bool,
}

impl Output<StdoutLock<'static>> {
    /// Output of this process, as JSON or as text.
    pub(super) fn of_process(json: bool) -> Self {
        let shows_reasoning = !json && io::stdout().is_terminal() && io::stderr().is_terminal();
        let mut output = Self::new(io::stdout().lock(), json);
        output.reasoning = shows_reasoning.then(|| io::stderr().lock());
        output
    }
}

impl<W: Write> Output<W> {
    /// Output to this writer, as JSON or as text, without reasoning.
    pub(super) fn new(text: W, json: bool) -> Self {
        Self {
            json,
            text,
            reasoning: None,
            is_reasoning: false,
            at_line_start: true,
        }
    }

    /// Writes events that arrived together.
    ///
    /// # Errors
    ///
    /// What standard output refuses, a broken pipe included.
    pub(super) fn write(&mut self, response: &ChatResponse) -> io::Result<()> {
        for event in &response.events {
            if self.json {
                if let Some(value) = as_json(event) {
                    writeln!(self.text, "{value}")?;
                }
            } else if let Some(Event::Delta(delta)) = &event.event {
                self.write_delta(delta)?;
            }
        }
        self.text.flush()
    }

    fn write_delta(&mut self, delta: &ChoiceDelta) -> io::Result<()> {
        if let (Some(reasoning), Some(terminal)) = (&delta.reasoning_content, &mut self.reasoning) {
            self.is_reasoning = true;
            write!(terminal, "{DIM}{reasoning}{RESET}")?;
            terminal.flush()?;
        }
        for text in [&delta.content, &delta.refusal].into_iter().flatten() {
            if text.is_empty() {
                continue;
            }
            if let Some(terminal) = &mut self.reasoning
                && std::mem::take(&mut self.is_reasoning)
            {
                terminal.write_all(b"\n\n")?;
            }
            self.text.write_all(text.as_bytes())?;
            self.at_line_start = text.ends_with('\n');
        }
        Ok(())
    }
}

impl<W: Write> Drop for Output<W> {
    /// Ends the line that the text left open, however the answer ended.
    fn drop(&mut self) {
        if !self.at_line_start {
            // The answer itself was written; that this can't be harms nothing.
            let _ = self.text.write_all(b"\n").and_then(|()| self.text.flush());
        }
    }
}

/// An event as one line of JSON; `None` for one that holds nothing we name.
fn as_json(event: &ChatEvent) -> Option<Value> {
    Some(match event.event.as_ref()? {
        Event::Start(start) => {
            let mut value = json!({
                "type": "start",
                "id": start.id,
                "model": start.model,
                "upstream": start.upstream,
                "upstream_model": start.upstream_model,
                "attempts": start.attempt_count,
            });
            if !start.search.is_empty() {
                value["search"] = json!(start.search);
            }
            value
        }
        Event::Delta(delta) => {
            let mut value = json!({ "type": "delta", "index": delta.index });
            let texts = [
                ("content", &delta.content),
                ("reasoning_content", &delta.reasoning_content),
                ("refusal", &delta.refusal),
            ];
            for (name, text) in texts {
                if let Some(text) = text {
                    value[name] = json!(text);
                }
            }
            if !delta.tool_calls.is_empty() {
                value["tool_calls"] = delta.tool_calls.iter().map(tool_call).collect();
            }
            if !delta.annotations.is_empty() {
                value["annotations"] = delta.annotations.iter().map(annotation).collect();
            }
            value
        }
        Event::Finish(finish) => json!({
            "type": "finish",
            "index": finish.index,
            "reason": finish_reason(finish.reason()),
        }),
        Event::Usage(usage) => json!({
            "type": "usage",
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
            "estimated": usage.estimated,
        }),
    })
}

fn tool_call(call: &ToolCall) -> Value {
    let (name, input) = match &call.call {
        Some(Call::Function(function)) => (&function.name, &function.arguments),
        Some(Call::Custom(custom)) => (&custom.name, &custom.input),
        None => return json!({ "index": call.index, "id": call.id }),
    };
    json!({ "index": call.index, "id": call.id, "name": name, "arguments": input })
}

/// A source as OpenAI's API writes it.
fn annotation(citation: &UrlCitation) -> Value {
    if let Ok(other) = serde_json::from_str(&citation.other_json) {
        return other;
    }
    json!({
        "type": "url_citation",
        "url_citation": {
            "start_index": citation.start_index,
            "end_index": citation.end_index,
            "url": citation.url,
            "title": citation.title,
        },
    })
}

/// The reason as OpenAI's API writes it.
fn finish_reason(reason: FinishReason) -> Option<&'static str> {
    match reason {
        FinishReason::Unspecified => None,
        FinishReason::Stop => Some("stop"),
        FinishReason::Length => Some("length"),
        FinishReason::ToolCalls => Some("tool_calls"),
        FinishReason::ContentFilter => Some("content_filter"),
        FinishReason::FunctionCall => Some("function_call"),
    }
}

#[cfg(test)]
mod tests {
    use llm2api_proto::v1::{ChatStart, ChoiceFinish, FunctionCall, Usage};

    use super::*;

    fn event(event: Event) -> ChatEvent {
        ChatEvent {
            event: Some(event),
            ..ChatEvent::default()
        }
    }

    #[test]
    fn each_event_is_one_object() {
        let events = [
            event(Event::Delta(ChoiceDelta {
                content: Some("好".to_owned()),
                tool_calls: vec![ToolCall {
                    id: "call_1".to_owned(),
                    call: Some(Call::Function(FunctionCall {
                        name: "f".to_owned(),
                        arguments: "{".to_owned(),
                        ..FunctionCall::default()
                    })),
                    ..ToolCall::default()
                }],
                ..ChoiceDelta::default()
            })),
            event(Event::Start(ChatStart {
                id: "chatcmpl-1".to_owned(),
                model: "m".to_owned(),
                attempt_count: 2,
                search: "ok".to_owned(),
                ..ChatStart::default()
            })),
            event(Event::Delta(ChoiceDelta {
                annotations: vec![UrlCitation {
                    start_index: 1,
                    end_index: 4,
                    url: "https://a.example/".to_owned(),
                    title: "A".to_owned(),
                    other_json: String::new(),
                }],
                ..ChoiceDelta::default()
            })),
            event(Event::Finish(ChoiceFinish {
                reason: FinishReason::Length.into(),
                ..ChoiceFinish::default()
            })),
            event(Event::Usage(Usage {
                prompt_tokens: 1,
                completion_tokens: 2,
                total_tokens: 3,
                ..Usage::default()
            })),
            ChatEvent::default(),
        ];
        let lines: Vec<_> = events.iter().map(as_json).collect();
        assert_eq!(
            lines,
            [
                Some(json!({
                    "type": "delta",
                    "index": 0,
                    "content": "好",
                    "tool_calls": [{"index": 0, "id": "call_1", "name": "f", "arguments": "{"}],
                })),
                Some(json!({
                    "type": "start",
                    "id": "chatcmpl-1",
                    "model": "m",
                    "upstream": "",
                    "upstream_model": "",
                    "attempts": 2,
                    "search": "ok",
                })),
                Some(json!({
                    "type": "delta",
                    "index": 0,
                    "annotations": [{
                        "type": "url_citation",
                        "url_citation": {"start_index": 1, "end_index": 4, "url": "https://a.example/", "title": "A"},
                    }],
                })),
                Some(json!({"type": "finish", "index": 0, "reason": "length"})),
                Some(json!({
                    "type": "usage",
                    "prompt_tokens": 1,
                    "completion_tokens": 2,
                    "total_tokens": 3,
                    "estimated": false,
                })),
                None,
            ]
        );
    }
}
