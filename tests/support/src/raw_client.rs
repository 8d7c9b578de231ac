//! A client that shows every byte of an answer and when it came, and can leave in any way.

use std::{fmt::Write as _, net::SocketAddr, time::Instant};

use bytes::{Bytes, BytesMut};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    http1::{Framing, Head, Reader},
    within,
};

/// A request, as it goes out.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Bytes>,
}

impl Request {
    /// A request without a body.
    #[must_use]
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// `GET` of a path.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// `POST` of JSON.
    #[must_use]
    pub fn post_json(path: &str, body: impl Into<Bytes>) -> Self {
        Self::new("POST", path)
            .header("Content-Type", "application/json")
            .body(body)
    }

    /// A chat completion.
    #[must_use]
    pub fn chat(body: impl Into<Bytes>) -> Self {
        Self::post_json("/v1/chat/completions", body)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a key.
    #[must_use]
    pub fn bearer(self, key: &str) -> Self {
        self.header("Authorization", &format!("Bearer {key}"))
    }

    /// Sets the body, whose length is announced.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }

    fn head(&self, host: SocketAddr) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").expect("a string takes all");
        }
        if let Some(body) = &self.body {
            write!(head, "Content-Length: {}\r\n", body.len()).expect("a string takes all");
        }
        head.push_str("\r\n");
        head
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The head.
    pub head: Head,
    /// The body, without its framing.
    pub body: Bytes,
}

impl Answer {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is none.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// The body as text.
    ///
    /// # Panics
    ///
    /// When it is none.
    #[must_use]
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body is UTF-8")
    }
}

/// A connection of one client.
#[derive(Debug)]
pub struct RawClient {
    reader: Reader<TcpStream>,
    peer: SocketAddr,
    framing: Framing,
}

impl RawClient {
    /// Connects.
    ///
    /// # Panics
    ///
    /// When nobody listens.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(address)).await;
        let stream = stream.unwrap_or_else(|error| panic!("{error} at {address}"));
        stream
            .set_nodelay(true)
            .expect("an open socket takes options");
        Self {
            reader: Reader::new(stream),
            peer: address,
            framing: Framing::Ended,
        }
    }

    /// Sends a request.
    ///
    /// # Panics
    ///
    /// When the server does not take it.
    pub async fn send(&mut self, request: &Request) {
        let mut bytes = BytesMut::from(request.head(self.peer).as_bytes());
        bytes.extend_from_slice(request.body.as_deref().unwrap_or_default());
        self.send_bytes(&bytes).await;
    }

    /// Sends these bytes, whatever they are.
    ///
    /// # Panics
    ///
    /// When the server does not take them.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        within(
            "a request to be taken",
            self.reader.get_mut().write_all(bytes),
        )
        .await
        .expect("the server takes the request");
    }

    /// The head of the answer, and its status.
    ///
    /// # Panics
    ///
    /// When none comes.
    pub async fn head(&mut self) -> (u16, Head) {
        let head = within("the head of an answer", self.reader.head())
            .await
            .expect("an answer has a head")
            .expect("an answer comes before the end");
        let status = head
            .start_line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status in {:?}", head.start_line));
        let without_length = match status {
            204 | 304 => Framing::Ended,
            _ => Framing::UntilClose,
        };
        self.framing = Framing::of(&head, without_length).expect("a length is a number");
        (status, head)
    }

    /// The next piece of the body, as it arrives, and when it did; `None` at the body's end.
    ///
    /// # Panics
    ///
    /// When the body is cut off.
    pub async fn piece(&mut self) -> Option<(Bytes, Instant)> {
        let piece = within("a piece of a body", self.reader.piece(&mut self.framing))
            .await
            .expect("the body is whole");
        piece.map(|piece| (piece, Instant::now()))
    }

    /// Reads pieces of the body until they contain this text, and gives back all of them.
    ///
    /// # Panics
    ///
    /// When the body ends without it.
    pub async fn body_until(&mut self, text: &str) -> String {
        let mut body = BytesMut::new();
        loop {
            let Some((piece, _)) = self.piece().await else {
                panic!("the body ended without {text:?}: {body:?}");
            };
            body.extend_from_slice(&piece);
            if let Ok(body) = std::str::from_utf8(&body)
                && body.contains(text)
            {
                return body.to_owned();
            }
        }
    }

    /// What is left of the body.
    ///
    /// # Panics
    ///
    /// When it is cut off.
    pub async fn body(&mut self) -> Bytes {
        let mut body = BytesMut::new();
        while let Some((piece, _)) = self.piece().await {
            body.extend_from_slice(&piece);
        }
        body.freeze()
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Panics
    ///
    /// When none comes, or not all of it.
    pub async fn exchange(&mut self, request: &Request) -> Answer {
        self.send(request).await;
        self.answer(request.method == "HEAD").await
    }

    /// Reads a whole answer, which to a `HEAD` has no body.
    ///
    /// # Panics
    ///
    /// When none comes, or not all of it.
    pub async fn answer(&mut self, to_head: bool) -> Answer {
        let (status, head) = self.head().await;
        if to_head {
            self.framing = Framing::Ended;
        }
        let body = self.body().await;
        Answer { status, head, body }
    }

    /// Waits until the server has closed the connection.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub async fn closed(&mut self) {
        // A reset closes as well.
        drop(within("the server to close", self.reader.closed()).await);
    }

    /// The connection itself, for what this client does not do; what was received and not yet read is lost.
    #[must_use]
    pub fn into_stream(self) -> TcpStream {
        self.reader.into_inner()
    }

    /// Leaves in the ordinary way: closes the connection.
    pub fn leave(self) {
        drop(self);
    }

    /// Leaves like a process that is killed: resets the connection.
    pub fn reset(mut self) {
        self.reader
            .get_mut()
            .set_zero_linger()
            .expect("an open socket takes options");
    }
}
