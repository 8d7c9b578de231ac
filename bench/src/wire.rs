//! HTTP/1.1 framing, as much of it as both ends of the measurement need. Bytes in, pieces out; no sockets.

use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf, BytesMut};

/// Heads larger than this are nobody's here.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The head of a request or an answer.
#[derive(Debug)]
pub(crate) struct Head {
    /// The request line or status line.
    pub(crate) first_line: String,
    /// How the body that follows is delimited.
    pub(crate) framing: Framing,
}

/// How a body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// By its size in bytes.
    Length(usize),
    /// By chunks.
    Chunked,
}

impl Head {
    /// Takes a head from the front of the buffer once it is complete.
    ///
    /// # Errors
    ///
    /// Where it is too large, or not HTTP/1.1.
    pub(crate) fn take(buffer: &mut BytesMut) -> Result<Option<Self>> {
        let Some(end) = find(buffer, b"\r\n\r\n") else {
            ensure!(buffer.len() <= MAX_HEAD_BYTES, "a head has no end");
            return Ok(None);
        };
        let bytes = buffer.split_to(end + 4);
        let text = std::str::from_utf8(&bytes[..end]).context("a head is not text")?;
        let mut lines = text.split("\r\n");
        let first_line = lines.next().unwrap_or_default().to_owned();
        let mut framing = Framing::Length(0);
        for line in lines {
            let Some((name, value)) = line.split_once(':') else {
                bail!("a header line has no colon");
            };
            if name.eq_ignore_ascii_case("content-length") {
                framing = Framing::Length(value.trim().parse().context("content-length")?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                framing = Framing::Chunked;
            }
        }
        Ok(Some(Self {
            first_line,
            framing,
        }))
    }
}

/// Takes a body apart as it arrives.
#[derive(Debug)]
pub(crate) struct BodyDecoder {
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// A body of known size; this many bytes are to come.
    Sized(usize),
    /// At a chunk's size line.
    ChunkSize,
    /// Inside a chunk; this many bytes are to come.
    ChunkData(usize),
    /// At the line end after a chunk.
    ChunkEnd,
    /// At the lines after the last chunk.
    Trailers,
    /// After the body.
    Complete,
}

impl BodyDecoder {
    /// A decoder for a body that is about to begin.
    pub(crate) fn new(framing: Framing) -> Self {
        Self {
            state: match framing {
                Framing::Length(0) => State::Complete,
                Framing::Length(size_bytes) => State::Sized(size_bytes),
                Framing::Chunked => State::ChunkSize,
            },
        }
    }

    /// Whether the body has ended.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete)
    }

    /// Takes the next piece of the body from the front of the buffer. `None`: more is needed, or the body has ended.
    ///
    /// # Errors
    ///
    /// Where the framing is broken.
    pub(crate) fn next_piece(&mut self, buffer: &mut BytesMut) -> Result<Option<BytesMut>> {
        loop {
            match self.state {
                State::Complete => return Ok(None),
                State::Sized(left) => {
                    let piece = buffer.split_to(left.min(buffer.len()));
                    let left = left - piece.len();
                    self.state = if left == 0 {
                        State::Complete
                    } else {
                        State::Sized(left)
                    };
                    return Ok(Some(piece).filter(|piece| !piece.is_empty()));
                }
                State::ChunkSize => {
                    let Some(end) = find(buffer, b"\r\n") else {
                        return Ok(None);
                    };
                    let line = buffer.split_to(end + 2);
                    let digits = std::str::from_utf8(&line[..end]).context("a chunk's size")?;
                    let size = usize::from_str_radix(digits, 16).context("a chunk's size")?;
                    self.state = if size == 0 {
                        State::Trailers
                    } else {
                        State::ChunkData(size)
                    };
                }
                State::ChunkData(left) => {
                    if buffer.is_empty() {
                        return Ok(None);
                    }
                    let piece = buffer.split_to(left.min(buffer.len()));
                    let left = left - piece.len();
                    self.state = if left == 0 {
                        State::ChunkEnd
                    } else {
                        State::ChunkData(left)
                    };
                    return Ok(Some(piece));
                }
                State::ChunkEnd => {
                    if buffer.len() < 2 {
                        return Ok(None);
                    }
                    ensure!(
                        buffer.starts_with(b"\r\n"),
                        "a chunk is longer than it says"
                    );
                    buffer.advance(2);
                    self.state = State::ChunkSize;
                }
                State::Trailers => {
                    let Some(end) = find(buffer, b"\r\n") else {
                        return Ok(None);
                    };
                    buffer.advance(end + 2);
                    if end == 0 {
                        self.state = State::Complete;
                    }
                }
            }
        }
    }
}

/// Where `needle` begins in `bytes`.
fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_body_is_taken_apart_however_it_is_cut() {
        let bytes = b"5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\nrest";
        for cut in 0..bytes.len() - 4 {
            let mut decoder = BodyDecoder::new(Framing::Chunked);
            let mut buffer = BytesMut::new();
            let mut body = Vec::new();
            for part in [&bytes[..cut], &bytes[cut..]] {
                buffer.extend_from_slice(part);
                while let Some(piece) = decoder.next_piece(&mut buffer).unwrap() {
                    body.extend_from_slice(&piece);
                }
            }
            assert_eq!(body, b"hello, world", "cut at {cut}");
            assert!(decoder.is_complete());
            assert_eq!(&buffer[..], b"rest");
        }
    }

    #[test]
    fn a_head_tells_how_its_body_is_delimited() {
        let mut buffer =
            BytesMut::from(&b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 12\r\n\r\nrest"[..]);
        let head = Head::take(&mut buffer).unwrap().unwrap();
        assert_eq!(head.first_line, "HTTP/1.1 200 OK");
        assert_eq!(head.framing, Framing::Length(12));
        assert_eq!(&buffer[..], b"rest");
    }
}
