//! What an answer cost, where its upstream doesn't say.

use std::sync::Arc;

use llm2api_proto::v1::{
    ChatEvent, ChatRequest, FinishReason, Usage, chat_event::Event, content_part::Part,
    tool_call::Call,
};

use crate::{
    limits::{Account, Cost, Tokens},
    monitor::{
        TokenCount,
        content::{MAX_PART_BYTES, beginning},
    },
    registry::{Entry, UsageReporting},
};

/// Bytes of a text that are tokenized; what lies beyond is estimated by its length.
const MAX_COUNTED_BYTES: usize = 64 * 1024;
/// Bytes a token has where nothing was tokenized.
const BYTES_PER_TOKEN: usize = 4;
/// Tokens around each message, and at the beginning of the answer, in OpenAI's chat format.
const TOKENS_PER_MESSAGE: usize = 3;

/// Counts what goes by, so that usage can be estimated at the end.
///
/// Text is kept only for upstreams that are not known to report usage: a held stream costs memory.
#[derive(Debug)]
pub(super) struct UsageCount {
    prompt: Sample,
    completion: Sample,
    message_count: usize,
    /// What the upstream reported.
    reported: Option<TokenCount>,
    /// Why choices ended.
    pub(super) finish_reasons: Vec<FinishReason>,
    /// The beginning of what the answer says, where that is to be noted.
    pub(super) text: Option<String>,
    /// Told at the end what was used, whichever end that is.
    account: Option<Arc<Account>>,
}

/// The beginning of a text, and the length of all of it.
#[derive(Debug)]
struct Sample {
    text: String,
    max_bytes: usize,
    all_bytes: usize,
}

impl Sample {
    fn new(max_bytes: usize) -> Self {
        Self {
            text: String::new(),
            max_bytes,
            all_bytes: 0,
        }
    }

    fn add(&mut self, text: &str) {
        self.all_bytes += text.len();
        let room = self.max_bytes - self.text.len();
        if room > 0 {
            self.text.push_str(&text[..text.floor_char_boundary(room)]);
        }
    }

    fn tokens(&self) -> usize {
        if self.text.is_empty() {
            return self.all_bytes.div_ceil(BYTES_PER_TOKEN);
        }
        let counted = tiktoken_rs::o200k_base_singleton()
            .encode_ordinary(&self.text)
            .len();
        counted * self.all_bytes / self.text.len()
    }
}

impl UsageCount {
    /// Begins to count for a request.
    pub(super) fn new(
        request: &ChatRequest,
        reporting: UsageReporting,
        account: Option<Arc<Account>>,
    ) -> Self {
        let max_bytes = if reporting == UsageReporting::Reported {
            0
        } else {
            MAX_COUNTED_BYTES
        };
        let mut prompt = Sample::new(max_bytes);
        for_each_text(request, |text| prompt.add(text));
        Self {
            prompt,
            completion: Sample::new(max_bytes),
            message_count: request.messages.len(),
            reported: None,
            finish_reasons: Vec::new(),
            text: None,
            account,
        }
    }

    /// Notes the beginning of what the answer says, too.
    pub(super) fn with_text(mut self) -> Self {
        self.text = Some(String::new());
        self
    }

    /// Takes note of events that go by.
    pub(super) fn read(&mut self, events: &[ChatEvent]) {
        for event in events {
            match &event.event {
                Some(Event::Delta(delta)) => {
                    if let (Some(known), Some(content)) = (&mut self.text, &delta.content) {
                        let room = MAX_PART_BYTES - known.len();
                        known.push_str(beginning(content, room));
                    }
                    for text in [&delta.content, &delta.reasoning_content, &delta.refusal]
                        .into_iter()
                        .flatten()
                    {
                        self.completion.add(text);
                    }
                    for call in &delta.tool_calls {
                        if let Some(Call::Function(function)) = &call.call {
                            self.completion.add(&function.name);
                            self.completion.add(&function.arguments);
                        }
                    }
                }
                Some(Event::Usage(usage)) => self.note(usage),
                Some(Event::Finish(finish)) => self.finish_reasons.push(finish.reason()),
                Some(Event::Start(_)) | None => {}
            }
        }
    }

    /// Ends the count: an estimate where the upstream reported nothing.
    pub(super) async fn finish(mut self, entry: &Arc<Entry>) -> Option<Usage> {
        if self.reported.is_some() {
            entry.note_usage_reporting(UsageReporting::Reported);
            return None;
        }
        entry.note_usage_reporting(UsageReporting::Silent);
        // Tokenizing takes milliseconds, and the first time some hundred to build the vocabulary: not on a worker.
        let estimated = tokio::task::spawn_blocking(move || {
            let usage = self.estimate();
            self.note(&usage);
            usage
        });
        estimated.await.ok()
    }

    fn note(&mut self, usage: &Usage) {
        self.reported = Some(usage.into());
    }

    /// What it cost so far: what the upstream reported, else a guess by the length.
    pub(super) fn so_far(&self) -> TokenCount {
        let guess = |sample: &Sample| sample.all_bytes.div_ceil(BYTES_PER_TOKEN) as u64;
        self.reported.unwrap_or_else(|| TokenCount {
            input: prompt_tokens(self.prompt.all_bytes, self.message_count),
            output: guess(&self.completion),
            is_estimated: true,
            ..TokenCount::default()
        })
    }

    fn estimate(&self) -> Usage {
        let prompt = self.prompt.tokens() + TOKENS_PER_MESSAGE * (self.message_count + 1);
        let tokens = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let (prompt_tokens, completion_tokens) = (tokens(prompt), tokens(self.completion.tokens()));
        Usage {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
            estimated: true,
            ..Usage::default()
        }
    }
}

/// An answer that is broken off, or whose client leaves, has used what went by until then.
impl Drop for UsageCount {
    fn drop(&mut self) {
        if let Some(account) = &self.account {
            let TokenCount { input, output, .. } = self.so_far();
            account.used(Tokens { input, output });
        }
    }
}

/// What a request may cost, as far as its length tells.
pub(super) fn cost(request: &ChatRequest) -> Cost {
    let mut bytes = 0;
    for_each_text(request, |text| bytes += text.len());
    let bound = request.max_completion_tokens.or(request.max_tokens);
    let bound = bound.and_then(|bound| u64::try_from(bound).ok());
    let choices = request.n.and_then(|n| u64::try_from(n).ok()).unwrap_or(1);
    Cost {
        input: prompt_tokens(bytes, request.messages.len()),
        max_output: bound.map(|bound| bound.saturating_mul(choices)),
    }
}

/// The tokens of a prompt of so many bytes, without looking at them.
fn prompt_tokens(bytes: usize, message_count: usize) -> u64 {
    let tokens = bytes.div_ceil(BYTES_PER_TOKEN) + TOKENS_PER_MESSAGE * (message_count + 1);
    u64::try_from(tokens).unwrap_or(u64::MAX)
}

/// All texts of a request that a model reads, in order.
fn for_each_text<'a>(request: &'a ChatRequest, mut read: impl FnMut(&'a str)) {
    for message in &request.messages {
        read(&message.role);
        read(message.content.as_deref().unwrap_or_default());
        for part in &message.content_parts {
            if let Some(Part::Text(text)) = &part.part {
                read(text);
            }
        }
        for call in &message.tool_calls {
            match &call.call {
                Some(Call::Function(function)) => read(&function.arguments),
                Some(Call::Custom(custom)) => read(&custom.input),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_tokenized_and_what_lies_beyond_the_sample_is_extrapolated() {
        let mut sample = Sample::new(MAX_COUNTED_BYTES);
        assert_eq!(sample.tokens(), 0);
        sample.add("Hello, world! 你好，世界！");
        let once = sample.tokens();
        assert!((7..=12).contains(&once), "{once}");

        let mut long = Sample::new(MAX_COUNTED_BYTES);
        for _ in 0..40_000 {
            long.add("hello ");
        }
        let tokens = long.tokens();
        assert!((38_000..=42_000).contains(&tokens), "{tokens}");
    }

    #[test]
    fn without_text_the_length_decides() {
        let mut sample = Sample::new(0);
        sample.add("12345");
        sample.add("678");
        assert_eq!((sample.tokens(), sample.text.capacity()), (2, 0));
    }
}
