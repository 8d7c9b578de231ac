//! A list of messages as one prompt: a conversation here only grows by real generations, so its history can't be uploaded.

use std::fmt::Write as _;

use llm2api_proto::v1::{ChatRequest, Message, content_part::Part, tool_call::Call};

use super::attachment::{self, Attachment};

/// What a chat-ui is sent of a request's messages.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Prompt<'a> {
    /// The system text. `None`: there is none, and the model's own holds.
    pub(super) preprompt: Option<String>,
    /// The user's text. Empty: there is none.
    pub(super) inputs: String,
    /// Images and files of all messages, in order.
    pub(super) attachments: Vec<Attachment<'a>>,
}

impl<'a> Prompt<'a> {
    /// The prompt of a request's messages.
    ///
    /// A single message goes as it is. Several become a transcript with marks that none of the texts has at the beginning of a line,
    /// so that nobody can speak for another.
    pub(super) fn new(request: &'a ChatRequest) -> Self {
        let is_system = |message: &&Message| matches!(&*message.role, "system" | "developer");
        let (system, others): (Vec<_>, Vec<_>) = request.messages.iter().partition(is_system);
        let mut attachments = Attachments::of(&others);
        let preprompt = system
            .iter()
            .map(|message| attachments.text_of(message))
            .collect::<Vec<_>>()
            .join("\n\n");
        let (preprompt, inputs) = match others.as_slice() {
            // A prompt needs a message: the system's is all there is.
            [] => (String::new(), preprompt),
            [only] if only.role == "user" => (preprompt, attachments.text_of(only)),
            several => (preprompt, transcript(several, &mut attachments)),
        };
        Self {
            preprompt: (!preprompt.is_empty()).then_some(preprompt),
            inputs,
            attachments: attachments.found,
        }
    }
}

/// The attachments, as they are found on the way through the messages.
struct Attachments<'a> {
    found: Vec<Attachment<'a>>,
    /// Whether each image is named where it stood: with one image and its text there is nothing to tell apart.
    names_images: bool,
    image_count: usize,
}

impl<'a> Attachments<'a> {
    fn of(messages: &[&Message]) -> Self {
        let parts = || messages.iter().flat_map(|message| &message.content_parts);
        let image_count = parts()
            .filter_map(attachment::of_part)
            .filter(|attachment| attachment.is_image)
            .count();
        let has_text = parts()
            .any(|part| matches!(&part.part, Some(Part::Text(text)) if !text.trim().is_empty()));
        Self {
            found: Vec::new(),
            names_images: messages.len() > 1 || image_count > 1 || !has_text,
            image_count: 0,
        }
    }

    /// A message's text, its parts on lines of their own; takes its attachments.
    fn text_of(&mut self, message: &'a Message) -> String {
        if let Some(content) = &message.content {
            return content.clone();
        }
        let mut lines: Vec<String> = Vec::new();
        for part in &message.content_parts {
            match &part.part {
                Some(Part::Text(text) | Part::Refusal(text)) => lines.push(text.clone()),
                _ => lines.extend(self.take(attachment::of_part(part))),
            }
        }
        lines.join("\n")
    }

    /// Takes an attachment; the name to put where it stood.
    fn take(&mut self, attachment: Option<Attachment<'a>>) -> Option<String> {
        let attachment = attachment?;
        let is_image = attachment.is_image;
        self.found.push(attachment);
        self.image_count += usize::from(is_image);
        (is_image && self.names_images).then(|| format!("[image {}]", self.image_count))
    }
}

/// Several messages as one text.
fn transcript<'a>(messages: &[&'a Message], attachments: &mut Attachments<'a>) -> String {
    let turns: Vec<(&str, String)> = messages
        .iter()
        .enumerate()
        .map(|(at, message)| {
            let text = match message.role.as_str() {
                "tool" | "function" => {
                    let name = tool_name(message, &messages[..at]);
                    format!("{name} returned:\n{}", attachments.text_of(message))
                }
                _ => with_calls(attachments.text_of(message), message),
            };
            (shown_role(&message.role), text)
        })
        .collect();
    let suffix = free_suffix(&turns);
    let mut transcript = String::from(
        "Below is the conversation so far. Continue it with the assistant's next reply only.\n",
    );
    for (role, text) in &turns {
        // Writing to a string can't fail.
        let _ = write!(transcript, "\n[{role}{suffix}]\n{text}\n");
    }
    transcript
}

fn shown_role(role: &str) -> &str {
    match role {
        "function" => "tool",
        role => role,
    }
}

/// An assistant's text with the calls that it made and what it refused.
fn with_calls(mut text: String, message: &Message) -> String {
    let calls = message
        .tool_calls
        .iter()
        .filter_map(|call| match call.call.as_ref()? {
            Call::Function(function) => Some((&function.name, &function.arguments)),
            Call::Custom(custom) => Some((&custom.name, &custom.input)),
        })
        .chain(
            message
                .function_call
                .iter()
                .map(|function| (&function.name, &function.arguments)),
        );
    let calls = calls.map(|(name, arguments)| format!("(calls the tool {name} with {arguments})"));
    for line in message.refusal.clone().into_iter().chain(calls) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&line);
    }
    text
}

/// The name of the tool that a message answers for.
fn tool_name<'m>(message: &'m Message, before: &[&'m Message]) -> &'m str {
    let called = before
        .iter()
        .rev()
        .flat_map(|message| &message.tool_calls)
        .find(|call| call.id == message.tool_call_id)
        .and_then(|call| match call.call.as_ref()? {
            Call::Function(function) => Some(function.name.as_str()),
            Call::Custom(custom) => Some(custom.name.as_str()),
        });
    match message.name.as_str() {
        "" => called.unwrap_or("the tool"),
        name => name,
    }
}

/// What makes the marks such that no text has one: nothing in most cases, else the first number that does.
fn free_suffix(turns: &[(&str, String)]) -> String {
    let is_taken = |suffix: &str| {
        let marks = ["user", "assistant", "tool"].map(|role| format!("[{role}{suffix}]"));
        turns.iter().any(|(_, text)| {
            text.lines()
                .any(|line| marks.iter().any(|mark| line.trim_start().starts_with(mark)))
        })
    };
    std::iter::once(String::new())
        .chain((2_u32..).map(|number| format!(" {number}")))
        .find(|suffix| !is_taken(suffix))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
