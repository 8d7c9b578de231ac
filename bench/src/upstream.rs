//! The scripted upstream: a server that costs next to nothing, since all that it says was written down before it started.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    script::Script,
    wire::{BodyDecoder, Head},
};

/// Connections that may wait to be accepted: a burst of thousands is part of what is measured.
const BACKLOG: i32 = 16_384;

/// A running scripted upstream, on a thread of its own. Dropping it stops it.
pub(crate) struct ScriptedUpstream {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    open: Arc<AtomicUsize>,
    _stop: DropGuard,
}

impl ScriptedUpstream {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// Where it can't listen.
    pub(crate) fn start() -> Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        rustix::net::listen(&listener, BACKLOG)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let open = Arc::new(AtomicUsize::new(0));
        let stop = CancellationToken::new();

        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let scripts = Arc::new(Rendered::all());
        let (stopped, running) = (stop.clone(), Arc::clone(&open));
        // Ends with the token, which is cancelled when this value is dropped.
        thread::Builder::new()
            .name("upstream".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    stopped
                        .run_until_cancelled(accept(listener, scripts, running))
                        .await
                })
            })?;
        Ok(Self {
            address,
            open,
            _stop: stop.drop_guard(),
        })
    }

    /// How many answers are being given.
    pub(crate) fn open_answers(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

async fn accept(
    listener: std::net::TcpListener,
    scripts: Arc<HashMap<&'static str, Rendered>>,
    open: Arc<AtomicUsize>,
) -> Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (scripts, open) = (Arc::clone(&scripts), Arc::clone(&open));
        connections.spawn(async move {
            // A client that leaves is no failure here; a wrong request shows at the client, whose answer doesn't come.
            let _ = converse(stream, &scripts, &open).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// What matters of a request's body.
#[derive(Deserialize)]
struct Asked<'a> {
    model: &'a str,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    stream_options: StreamOptions,
}

#[derive(Deserialize, Default)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

async fn converse(
    mut stream: TcpStream,
    scripts: &HashMap<&'static str, Rendered>,
    open: &AtomicUsize,
) -> Result<()> {
    let mut buffer = BytesMut::with_capacity(4 * 1024);
    loop {
        let head = loop {
            if let Some(head) = Head::take(&mut buffer)? {
                break head;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let mut decoder = BodyDecoder::new(head.framing);
        let mut body = BytesMut::new();
        while !decoder.is_complete() {
            if let Some(piece) = decoder.next_piece(&mut buffer)? {
                body.extend_from_slice(&piece);
            } else if !decoder.is_complete() {
                ensure!(
                    stream.read_buf(&mut buffer).await? > 0,
                    "a request was cut off"
                );
            }
        }
        if head.first_line.starts_with("GET ") {
            stream.write_all(&models()).await?;
            continue;
        }
        let asked: Asked<'_> = serde_json::from_slice(&body).context("a request is not JSON")?;
        let Some(script) = scripts.get(asked.model) else {
            bail!("no script is called {}", asked.model);
        };
        let _answering = Answering::begin(open);
        if asked.stream {
            script
                .stream(&mut stream, asked.stream_options.include_usage)
                .await?;
        } else {
            stream.write_all(&script.completion).await?;
        }
    }
}

/// Counts an answer while it is given.
struct Answering<'a>(&'a AtomicUsize);

impl<'a> Answering<'a> {
    fn begin(open: &'a AtomicUsize) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(open)
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The list of models: one a script.
fn models() -> Vec<u8> {
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
struct Rendered {
    script: Script,
    completion: Vec<u8>,
    /// What each write sends.
    writes: Vec<Bytes>,
    end: Bytes,
    end_with_usage: Bytes,
}

impl Rendered {
    fn all() -> HashMap<&'static str, Self> {
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

    /// Gives the answer, each write at its time. Ends early where the client has left.
    async fn stream(&self, stream: &mut TcpStream, with_usage: bool) -> Result<()> {
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
    tokio::select! {
        () = tokio::time::sleep_until(due) => Ok(()),
        left = stream.readable() => {
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
