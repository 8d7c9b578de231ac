//! A client that asks on one connection after another and checks what comes.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{answer::Answer, script::Script};

/// The client key in front of every deployment that wants one.
pub(crate) const CLIENT_KEY: &str = "bench-client-key";

/// No wait for the next bytes of an answer is longer, however loaded the machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request, ready to be sent as often as one likes.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    script: Script,
    streamed: bool,
    bytes: Vec<u8>,
}

impl Question {
    /// A chat of some messages, as an SDK sends it.
    pub(crate) fn new(script: Script, streamed: bool) -> Self {
        let body = serde_json::json!({
            "model": script.model(),
            "messages": [
                {"role": "system", "content": "You are a helpful assistant. Answer briefly, and in the language of the question."},
                {"role": "user", "content": "What is a reverse proxy?"},
                {"role": "assistant", "content": "A server that takes requests for other servers and hands their answers back."},
                {"role": "user", "content": "And what does it have to look after when the answers are streams?"},
            ],
            "temperature": 0.7,
            "max_tokens": 512,
            "stream": streamed,
        })
        .to_string();
        let bytes = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {CLIENT_KEY}\r\n\
             user-agent: bench\r\naccept: application/json\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes();
        Self {
            script,
            streamed,
            bytes,
        }
    }
}

/// A connection, with the answer that is being read from it.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
    answer: Answer,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// Where that fails.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = timeout(PATIENCE, TcpStream::connect(address))
            .await?
            .context("can't connect")?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: BytesMut::with_capacity(8 * 1024),
            answer: Answer::new(Script::Whole, false),
        })
    }

    /// Sends a request; its answer is the one read from now on.
    ///
    /// # Errors
    ///
    /// Where the connection is gone.
    pub(crate) async fn send(&mut self, question: &Question) -> Result<()> {
        self.answer = Answer::new(question.script, question.streamed);
        self.stream.write_all(&question.bytes).await?;
        Ok(())
    }

    /// Reads once and checks what came.
    ///
    /// # Errors
    ///
    /// Where the answer is wrong, cut off or late.
    pub(crate) async fn advance(&mut self) -> Result<&Answer> {
        if self.buffer.is_empty() || !self.answer.is_complete() {
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer))
                .await
                .context("an answer stopped")?
                .context("an answer was cut off")?;
            ensure!(
                read > 0,
                "an answer was cut off after {} tokens",
                self.answer.token_count()
            );
        }
        self.answer.take(&mut self.buffer)?;
        Ok(&self.answer)
    }

    /// Asks and reads the whole answer.
    ///
    /// # Errors
    ///
    /// As [`Self::advance`].
    pub(crate) async fn ask(&mut self, question: &Question) -> Result<()> {
        self.send(question).await?;
        while !self.advance().await?.is_complete() {}
        Ok(())
    }

    /// Asks, reads the whole answer, and tells when its first token came.
    ///
    /// # Errors
    ///
    /// As [`Self::advance`].
    pub(crate) async fn ask_for_first_token(&mut self, question: &Question) -> Result<Instant> {
        self.begin(question).await?;
        let first_token = Instant::now();
        while !self.answer.is_complete() {
            self.advance().await?;
        }
        Ok(first_token)
    }

    /// Asks and reads until the first token has come.
    ///
    /// # Errors
    ///
    /// As [`Self::advance`].
    pub(crate) async fn begin(&mut self, question: &Question) -> Result<()> {
        self.send(question).await?;
        while self.advance().await?.token_count() == 0 {}
        Ok(())
    }

    /// Leaves in the middle of whatever is going on: by a FIN, or by a reset.
    ///
    /// # Errors
    ///
    /// Where the system refuses.
    pub(crate) fn leave(self, by_reset: bool) -> Result<()> {
        if by_reset {
            self.stream.set_zero_linger()?;
        }
        drop(self);
        Ok(())
    }
}
