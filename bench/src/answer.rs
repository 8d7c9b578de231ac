//! Checks an answer as it arrives: its text, the number of its chunks, its end.

use anyhow::{Context, Result, bail, ensure};
use bytes::BytesMut;
use serde::Deserialize;

use crate::{
    script::Script,
    wire::{BodyDecoder, Head},
};

/// The answer to one request, so far.
#[derive(Debug)]
pub(crate) struct Answer {
    script: Script,
    streamed: bool,
    body: Option<BodyDecoder>,
    /// What has come of the body and isn't a whole line yet; of an answer that isn't streamed, all of it.
    pending: BytesMut,
    token_count: usize,
    finished: bool,
    done: bool,
    complete: bool,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    choices: Vec<ChunkChoice<'a>>,
}

#[derive(Deserialize)]
struct ChunkChoice<'a> {
    #[serde(borrow)]
    delta: Text<'a>,
    finish_reason: Option<&'a str>,
}

#[derive(Deserialize)]
struct Completion<'a> {
    #[serde(borrow)]
    choices: [CompletionChoice<'a>; 1],
}

#[derive(Deserialize)]
struct CompletionChoice<'a> {
    #[serde(borrow)]
    message: Text<'a>,
    finish_reason: &'a str,
}

#[derive(Deserialize)]
struct Text<'a> {
    content: Option<&'a str>,
}

impl Answer {
    /// The answer that is about to come.
    pub(crate) fn new(script: Script, streamed: bool) -> Self {
        Self {
            script,
            streamed,
            body: None,
            pending: BytesMut::new(),
            token_count: 0,
            finished: false,
            done: false,
            complete: false,
        }
    }

    /// How many chunks with text have come.
    pub(crate) fn token_count(&self) -> usize {
        self.token_count
    }

    /// Whether all of it has come, and was right.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Takes what has come from the buffer.
    ///
    /// # Errors
    ///
    /// Where it is not the answer that the script gives.
    pub(crate) fn take(&mut self, buffer: &mut BytesMut) -> Result<()> {
        if self.body.is_none() {
            let Some(head) = Head::take(buffer)? else {
                return Ok(());
            };
            self.body = Some(BodyDecoder::new(head.framing));
            ensure!(
                head.first_line.starts_with("HTTP/1.1 200"),
                "the answer's status is {:?}",
                head.first_line
            );
        }
        let Some(mut body) = self.body.take() else {
            return Ok(());
        };
        while let Some(piece) = body.next_piece(buffer)? {
            self.pending.extend_from_slice(&piece);
            if self.streamed {
                self.take_lines()?;
            }
        }
        if body.is_complete() {
            self.finish()?;
        }
        self.body = Some(body);
        Ok(())
    }

    fn take_lines(&mut self) -> Result<()> {
        while let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
            let line = self.pending.split_to(end + 1);
            let line = std::str::from_utf8(&line[..end]).context("a line is not text")?;
            if line.is_empty() || line.starts_with(':') {
                continue;
            }
            let Some(data) = line.strip_prefix("data: ") else {
                bail!("a line of the stream is {line:?}");
            };
            ensure!(!self.done, "something follows [DONE]");
            if data == "[DONE]" {
                self.done = true;
            } else {
                self.take_chunk(data)?;
            }
        }
        Ok(())
    }

    fn take_chunk(&mut self, data: &str) -> Result<()> {
        let chunk: Chunk<'_> =
            serde_json::from_str(data).with_context(|| format!("a chunk is {data:?}"))?;
        ensure!(
            !data.starts_with("{\"error\""),
            "the stream has an error: {data}"
        );
        let Some(choice) = chunk.choices.first() else {
            return Ok(());
        };
        if let Some(content) = choice.delta.content.filter(|content| !content.is_empty()) {
            let expected = self.script.token(self.token_count);
            ensure!(
                content == expected,
                "a chunk's text is {content:?} and should be {expected:?}"
            );
            self.token_count += 1;
        }
        if let Some(reason) = choice.finish_reason {
            ensure!(
                reason == "stop" && !self.finished,
                "a finish reason is {reason:?}"
            );
            self.finished = true;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        if self.streamed {
            ensure!(self.finished, "the stream has no finish reason");
            ensure!(self.done, "the stream has no [DONE]");
            ensure!(
                self.token_count == self.script.token_count(),
                "{} chunks with text came, not {}",
                self.token_count,
                self.script.token_count()
            );
        } else {
            let answer: Completion<'_> =
                serde_json::from_slice(&self.pending).context("the answer is no completion")?;
            let [choice] = answer.choices;
            ensure!(
                choice.finish_reason == "stop",
                "the finish reason is {:?}",
                choice.finish_reason
            );
            ensure!(
                choice.message.content == Some(&self.script.token(0)),
                "the text is {:?}",
                choice.message.content
            );
        }
        self.complete = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: ";

    fn check(script: Script, tokens: &[&str], end: &str) -> Result<bool> {
        let mut body = String::new();
        for token in tokens {
            body += &format!(
                "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{token}\"}},\"finish_reason\":null}}]}}\n\n"
            );
        }
        body += end;
        let mut answer = Answer::new(script, true);
        let text = format!("{HEAD}{}\r\n\r\n{body}", body.len());
        answer.take(&mut BytesMut::from(text.as_str()))?;
        Ok(answer.is_complete())
    }

    const END: &str =
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

    #[test]
    fn the_right_answer_passes() {
        assert!(check(Script::Held, &["token0 "], END).unwrap());
    }

    #[test]
    fn a_lost_a_doubled_and_a_swapped_token_are_noticed() {
        assert!(check(Script::Held, &[], END).is_err());
        assert!(check(Script::Held, &["token0 ", "token0 "], END).is_err());
        assert!(check(Script::Short, &["token1 ", "token0 "], END).is_err());
    }

    #[test]
    fn a_cut_answer_is_noticed() {
        assert!(check(Script::Held, &["token0 "], "").is_err());
        assert!(check(Script::Held, &["token0 "], "data: [DONE]\n\n").is_err());
    }

    #[test]
    fn an_error_in_the_stream_is_noticed() {
        let error = "data: {\"error\":{\"message\":\"m\"}}\n\n";
        assert!(check(Script::Held, &["token0 "], error).is_err());
    }
}
