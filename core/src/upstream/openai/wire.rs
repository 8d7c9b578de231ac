//! What upstreams write: chunks, whole completions, and their parts, as loosely as they are found.

use std::fmt;

use llm2api_proto::json_object;
use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::json_value::{Borrowed, Content, Integer, Text, TextOrJson};

// Members that are rare or large are boxed, since a chunk is moved several times while it is read; those that nearly every chunk
// repeats are borrowed.

json_object! {
    /// A chunk (`chat.completion.chunk`), or a whole answer (`chat.completion`).
    pub(super) struct Chunk<'a> {
        id: Borrowed<'a> = "id",
        object: Borrowed<'a> = "object",
        created: Integer = "created",
        model: Borrowed<'a> = "model",
        choices: Choices<'a> = "choices",
        usage: Box<Usage> = "usage",
        service_tier: Borrowed<'a> = "service_tier",
        system_fingerprint: Borrowed<'a> = "system_fingerprint",
        error: Box<RawValue> = "error",
        /// Random padding, of no use behind us.
        obfuscation: IgnoredAny = "obfuscation",
    }
}

/// An answer's choices, of which there is nearly always one: room for more is made when they come.
#[derive(Debug, Default)]
pub(super) struct Choices<'a>(pub(super) Vec<Choice<'a>>);

impl<'de> Deserialize<'de> for Choices<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ChoicesVisitor;

        impl<'de> Visitor<'de> for ChoicesVisitor {
            type Value = Choices<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of choices")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Choices<'de>, A::Error> {
                let mut choices = Vec::new();
                while let Some(choice) = list.next_element()? {
                    if choices.is_empty() {
                        choices.reserve_exact(1);
                    }
                    choices.push(choice);
                }
                Ok(Choices(choices))
            }
        }

        deserializer.deserialize_seq(ChoicesVisitor)
    }
}

json_object! {
    /// One of an answer's choices.
    pub(super) struct Choice<'a> {
        index: Integer = "index",
        delta: Delta<'a> = "delta",
        /// In a whole answer, in place of the delta.
        message: Box<Delta<'a>> = "message",
        finish_reason: Text<'a> = "finish_reason",
        logprobs: Box<Logprobs> = "logprobs",
        /// Moonshot puts it here.
        usage: Box<Usage> = "usage",
        /// OpenRouter puts it here.
        error: Box<RawValue> = "error",
    }
}

json_object! {
    /// What a choice's message grows by, or the message as a whole.
    pub(super) struct Delta<'a> {
        role: Borrowed<'a> = "role",
        content: Content = "content",
        reasoning_content: TextOrJson = "reasoning_content",
        reasoning: TextOrJson = "reasoning",
        refusal: String = "refusal",
        tool_calls: Vec<ToolCallPiece> = "tool_calls",
        function_call: Box<FunctionPiece> = "function_call",
        audio: Box<Audio> = "audio",
        annotations: Vec<Box<RawValue>> = "annotations",
    }
}

json_object! {
    /// A piece of a tool call, or the whole of it.
    pub(super) struct ToolCallPiece {
        index: Integer = "index",
        id: String = "id",
        kind: String = "type",
        function: FunctionPiece = "function",
        custom: CustomPiece = "custom",
    }
}

json_object! {
    /// A piece of a function's call.
    pub(super) struct FunctionPiece {
        name: String = "name",
        /// A text; some write the object itself.
        arguments: TextOrJson = "arguments",
    }
}

json_object! {
    /// A piece of a custom tool's call.
    pub(super) struct CustomPiece {
        name: String = "name",
        input: TextOrJson = "input",
    }
}

json_object! {
    /// A piece of speech.
    pub(super) struct Audio {
        id: String = "id",
        data: String = "data",
        transcript: String = "transcript",
        expires_at: Integer = "expires_at",
    }
}

json_object! {
    /// An annotation, of which only `url_citation` is known.
    pub(super) struct Annotation {
        kind: String = "type",
        url_citation: UrlCitation = "url_citation",
    }
}

json_object! {
    /// A source of the text.
    pub(super) struct UrlCitation {
        start_index: Integer = "start_index",
        end_index: Integer = "end_index",
        url: String = "url",
        title: String = "title",
    }
}

json_object! {
    /// How likely the tokens were.
    pub(super) struct Logprobs {
        content: Vec<TokenLogprob> = "content",
        refusal: Vec<TokenLogprob> = "refusal",
    }
}

json_object! {
    /// How likely one token was.
    pub(super) struct TokenLogprob {
        token: String = "token",
        logprob: f64 = "logprob",
        bytes: Vec<u8> = "bytes",
        top_logprobs: Vec<TokenLogprob> = "top_logprobs",
    }
}

json_object! {
    /// What the answer cost.
    pub(super) struct Usage {
        prompt_tokens: Integer = "prompt_tokens",
        completion_tokens: Integer = "completion_tokens",
        total_tokens: Integer = "total_tokens",
        prompt_tokens_details: PromptTokensDetails = "prompt_tokens_details",
        completion_tokens_details: CompletionTokensDetails = "completion_tokens_details",
    }
}

json_object! {
    /// What the tokens read were.
    pub(super) struct PromptTokensDetails {
        cached_tokens: Integer = "cached_tokens",
        audio_tokens: Integer = "audio_tokens",
    }
}

json_object! {
    /// What the tokens written were.
    pub(super) struct CompletionTokensDetails {
        reasoning_tokens: Integer = "reasoning_tokens",
        audio_tokens: Integer = "audio_tokens",
        accepted_prediction_tokens: Integer = "accepted_prediction_tokens",
        rejected_prediction_tokens: Integer = "rejected_prediction_tokens",
    }
}

json_object! {
    /// Groq's own member of a chunk, as far as it is read.
    pub(super) struct XGroq {
        usage: Box<Usage> = "usage",
    }
}
