//! The scripted upstream: a server that costs next to nothing, since all that it says was written down before it started.

mod rendered;

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::{Context, Result, bail, ensure};
use bytes::BytesMut;
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::rendered::Rendered;
use crate::wire::{BodyDecoder, Head};

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
            stream.write_all(&rendered::models()).await?;
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
