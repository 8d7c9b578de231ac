//! HTTP/1.1 by hand, as both sides of the tests read it: heads, and bodies in the pieces in which they came.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
};

/// The head of a request or an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The first line.
    pub start_line: String,
    /// The headers, as they came.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The value of a header, its name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    fn parse(bytes: &[u8]) -> io::Result<Self> {
        let text = std::str::from_utf8(bytes).map_err(invalid)?;
        let mut lines = text.split("\r\n");
        let start_line = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .filter(|line| !line.is_empty())
            .map(|line| match line.split_once(':') {
                Some((name, value)) => Ok((name.to_owned(), value.trim().to_owned())),
                None => Err(invalid(format!("not a header: {line:?}"))),
            })
            .collect::<io::Result<_>>()?;
        Ok(Self {
            start_line,
            headers,
        })
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// After this many bytes more.
    Length(usize),
    /// With the chunk of no bytes; this many bytes of the present chunk are still to come.
    Chunked(usize),
    /// With the connection.
    UntilClose,
    /// It has ended.
    Ended,
}

impl Framing {
    /// The framing that a head announces; `without_length` is that of a head which announces none.
    ///
    /// # Errors
    ///
    /// A length that is no number.
    pub fn of(head: &Head, without_length: Self) -> io::Result<Self> {
        if head
            .header("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
        {
            return Ok(Self::Chunked(0));
        }
        match head.header("content-length") {
            Some(length) => Ok(Self::Length(length.parse().map_err(invalid)?)),
            None => Ok(without_length),
        }
    }
}

/// The receiving side of a connection. Its reads may be given up half-way: what was read is kept.
#[derive(Debug)]
pub struct Reader<R> {
    io: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// Reads from here.
    pub fn new(io: R) -> Self {
        Self {
            io,
            buffer: BytesMut::new(),
        }
    }

    /// Gives back what it reads from; what was read and not yet asked for is lost.
    pub fn into_inner(self) -> R {
        self.io
    }

    /// What it reads from.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.io
    }

    /// The next head; `None` where the connection ended before it.
    ///
    /// # Errors
    ///
    /// The connection's, or that what came is no head.
    pub async fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head = self.buffer.split_to(end + 4);
                return Head::parse(&head[..end]).map(Some);
            }
            if self.fill().await? == 0 {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
        }
    }

    /// The next piece of a body, as much as has arrived; `None` at its end.
    ///
    /// # Errors
    ///
    /// The connection's, or that the body is cut off or malformed.
    pub async fn piece(&mut self, framing: &mut Framing) -> io::Result<Option<Bytes>> {
        loop {
            match *framing {
                Framing::Ended => return Ok(None),
                Framing::Length(0) => *framing = Framing::Ended,
                Framing::Length(left) => {
                    let piece = self.up_to(left).await?;
                    *framing = Framing::Length(left - piece.len());
                    return Ok(Some(piece));
                }
                Framing::UntilClose => {
                    if self.buffer.is_empty() && self.fill().await? == 0 {
                        *framing = Framing::Ended;
                        return Ok(None);
                    }
                    return Ok(Some(self.buffer.split().freeze()));
                }
                Framing::Chunked(0) => {
                    let size = self.chunk_size().await?;
                    *framing = match size {
                        0 => Framing::Ended,
                        // The line end after the chunk's bytes is counted too.
                        size => Framing::Chunked(size + 2),
                    };
                }
                Framing::Chunked(left) => {
                    let mut piece = self.up_to(left).await?;
                    let left = left - piece.len();
                    piece.truncate(piece.len().saturating_sub(2usize.saturating_sub(left)));
                    *framing = Framing::Chunked(left);
                    if !piece.is_empty() {
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }

    /// A whole body.
    ///
    /// # Errors
    ///
    /// As [`Self::piece`].
    pub async fn body(&mut self, mut framing: Framing) -> io::Result<Bytes> {
        let mut body = BytesMut::new();
        while let Some(piece) = self.piece(&mut framing).await? {
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    }

    /// Reads until the peer closes the connection (`Ok`) or resets it; what it sends meanwhile is kept.
    ///
    /// # Errors
    ///
    /// The connection's: a reset.
    pub async fn closed(&mut self) -> io::Result<()> {
        while self.fill().await? > 0 {}
        Ok(())
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(16 * 1024);
        self.io.read_buf(&mut self.buffer).await
    }

    /// At most `most` bytes of what has arrived, and at least one.
    async fn up_to(&mut self, most: usize) -> io::Result<Bytes> {
        if self.buffer.is_empty() && self.fill().await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = most.min(self.buffer.len());
        Ok(self.buffer.split_to(length).freeze())
    }

    /// The size in a chunk's first line; of the last chunk, its empty trailer is read as well.
    async fn chunk_size(&mut self) -> io::Result<usize> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = std::str::from_utf8(&self.buffer[..end]).map_err(invalid)?;
                let size = usize::from_str_radix(line, 16)
                    .map_err(|error| invalid(format!("{error} in chunk size {line:?}")))?;
                let line_length = end + 2;
                if size > 0 {
                    self.buffer.advance(line_length);
                    return Ok(size);
                }
                if self.buffer.len() >= line_length + 2 {
                    self.buffer.advance(line_length + 2);
                    return Ok(0);
                }
            }
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// Bytes as one chunk of a body (RFC 9112, 7.1).
pub(crate) fn chunk(bytes: &[u8]) -> Bytes {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk.into()
}

/// Closes without lingering, which the peer sees as a reset.
pub(crate) fn reset(reader: Reader<OwnedReadHalf>, write: OwnedWriteHalf) {
    let stream = reader
        .into_inner()
        .reunite(write)
        .expect("both are halves of one connection");
    stream
        .set_zero_linger()
        .expect("an open socket takes options");
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pieces(bytes: &[u8], mut framing: Framing) -> io::Result<Vec<Bytes>> {
        let mut reader = Reader::new(bytes);
        let mut pieces = Vec::new();
        while let Some(piece) = reader.piece(&mut framing).await? {
            pieces.push(piece);
        }
        Ok(pieces)
    }

    #[tokio::test]
    async fn a_chunked_body_comes_chunk_by_chunk() {
        let pieces = pieces(b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", Framing::Chunked(0))
            .await
            .expect("the body is whole");
        assert_eq!(pieces, ["abc", "d"]);
    }

    #[tokio::test]
    async fn a_body_that_is_cut_is_not_taken_for_whole() {
        for (body, framing) in [
            (&b"3\r\nabc\r\n"[..], Framing::Chunked(0)),
            (b"3\r\nabc\r\n0\r\n", Framing::Chunked(0)),
            (b"3\r\nab", Framing::Chunked(0)),
            (b"ab", Framing::Length(3)),
        ] {
            let error = pieces(body, framing).await.expect_err("the body is cut");
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{body:?}");
        }
    }
}
