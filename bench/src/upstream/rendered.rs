//! The scripts' answers as bytes, written down before anybody asks.

use std::{collections::HashMap, time::Duration};

use anyhow::{Result, bail};
use bytes::{Bytes, BytesMut};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::Instant};

use crate::script::Script;

/// The list of models: one a script.
pub(super) fn models() -> Vec<u8> {
    let data: Vec<_> = Script::ALL
        .iter()
        .map(|script| {
            serde_json::json!({"id": script.model(), "object": "model", "created": 1, "owned_by": "bench"})
        })
        .collect();
    json(&serde_json::json!({"object": "list", "data": data}))
}

fn json(value: &serde_json::Value) -> Vec<u8> {
    let body = value.to_string();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A script's answer, as bytes.
pub(super) struct Rendered {
    script: Script,
    /// The answer to a request that isn't streamed.
    pub(super) completion: Vec<u8>,
    /// What each write sends.
    writes: Vec<Bytes>,
    end: Bytes,
    end_with_usage: Bytes,
}

impl Rendered {
    /// Every script, by its model.
    pub(super) fn all() -> HashMap<&'static str, Self> {
        Script::ALL
            .into_iter()
            .map(|script| (script.model(), Self::new(script)))
            .collect()
    }

    fn new(script: Script) -> Self {
        let text: String = (0..script.token_count())
            .map(|index| script.token(index))
            .collect();
        let usage = serde_json::json!({
            "prompt_tokens": 20,
            "completion_tokens": script.token_count(),
            "total_tokens": 20 + script.token_count(),
        });
        let completion = json(&serde_json::json!({
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": script.model(),
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": null},
                "logprobs": null,
                "finish_reason": "stop",
            }],
            "usage": usage,
        }));

        let mut writes: Vec<Bytes> = Vec::new();
        let mut write = BytesMut::from(
            &b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"[..],
        );
        let role = serde_json::json!({"role": "assistant", "content": ""});
        write.extend_from_slice(&chunk(script, &role, None));
        for index in 0..script.token_count() {
            let delta = serde_json::json!({"content": script.token(index)});
            write.extend_from_slice(&chunk(script, &delta, None));
            if (index + 1) % script.tokens_per_write() == 0 {
                writes.push(write.split().freeze());
            }
        }
        let finish = chunk(script, &serde_json::json!({}), Some("stop"));
        let usage_chunk = event(
            &serde_json::json!({
                "id": "chatcmpl-bench",
                "object": "chat.completion.chunk",
                "created": 1_700_000_000,
                "model": script.model(),
                "choices": [],
                "usage": usage,
            })
            .to_string(),
        );
        let done = event("[DONE]");
        let last = b"0\r\n\r\n".to_vec();
        Self {
            script,
            completion,
            writes,
            end: [finish.clone(), done.clone(), last.clone()].concat().into(),
            end_with_usage: [finish, usage_chunk, done, last].concat().into(),
        }
    }

    /// Gives the answer as a stream, each write at its time. Ends early where the client has left.
    ///
    /// # Errors
    ///
    /// Where the client has left.
    pub(super) async fn stream(&self, stream: &mut TcpStream, with_usage: bool) -> Result<()> {
        let end = if with_usage {
            &self.end_with_usage
        } else {
            &self.end
        };
        if self.script == Script::Whole {
            let whole: Vec<u8> = self.writes.iter().chain([end]).flatten().copied().collect();
            stream.write_all(&whole).await?;
            return Ok(());
        }
        let begin = Instant::now();
        for (index, write) in self.writes.iter().enumerate() {
            if index > 0 && !self.script.interval().is_zero() {
                // As many intervals as there are writes of one token each.
                let due = begin + self.script.interval() * u32::try_from(index)?;
                wait_until(stream, due).await?;
            }
            stream.write_all(write).await?;
        }
        if !self.script.ends() {
            // Longer than any measurement.
            wait_until(stream, begin + Duration::from_secs(3600)).await?;
        }
        stream.write_all(end).await?;
        Ok(())
    }
}

/// Waits, unless the client leaves first.
async fn wait_until(stream: &mut TcpStream, due: Instant) -> Result<()> {
    // Readiness alone may be left over from the request; a look at the bytes tells.
    let mut next = [0];
    tokio::select! {
        () = tokio::time::sleep_until(due) => Ok(()),
        left = stream.peek(&mut next) => {
            left?;
            bail!("the client left");
        }
    }
}

/// One chunk of a stream, in an HTTP chunk of its own as most servers send it.
fn chunk(script: Script, delta: &serde_json::Value, finish_reason: Option<&str>) -> Vec<u8> {
    event(
        &serde_json::json!({
            "id": "chatcmpl-bench",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": script.model(),
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason}],
        })
        .to_string(),
    )
}

fn event(data: &str) -> Vec<u8> {
    let event = format!("data: {data}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()
}
