//! One client's connection: how it is set up, and how it is closed where the client still sends.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Sleep,
};

/// How long a connection is still read from after its last answer.
const LINGER: Duration = Duration::from_secs(5);
/// Time for the bytes that tell HTTP/1 from HTTP/2; hyper's clock for a request's head runs only from there.
const OPENING_TIMEOUT: Duration = Duration::from_secs(30);
/// The most bytes that it takes to tell: the preface of HTTP/2 (RFC 9113, 3.4).
const OPENING_SIZE: usize = 24;
/// Bytes thrown away at a time.
const LINGER_BUFFER: usize = 16 * 1024;

/// Whether a connection's client may still be sending a body that nobody reads.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnreadBody(Arc<AtomicBool>);

impl UnreadBody {
    pub(crate) fn note(&self, is_unread: bool) {
        self.0.store(is_unread, Ordering::Relaxed);
    }
}

/// A connection that throws away what its client still sends before it closes: closed at once, the system would answer that with a
/// reset, at which clients forget the answer that they have not read yet.
pub(crate) struct Connection {
    stream: TcpStream,
    unread_body: UnreadBody,
    opening: Option<Opening>,
    lingering: Option<Pin<Box<Sleep>>>,
}

/// A connection of which it is not known yet what it speaks.
struct Opening {
    deadline: Pin<Box<Sleep>>,
    size: usize,
}

impl Connection {
    /// Sets up a connection that was accepted.
    pub(crate) fn new(stream: TcpStream, unread_body: UnreadBody) -> io::Result<Self> {
        // Without it a chunk waits for the acknowledgement of the one before, up to 40 ms.
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            unread_body,
            opening: Some(Opening {
                deadline: Box::pin(tokio::time::sleep(OPENING_TIMEOUT)),
                size: 0,
            }),
            lingering: None,
        })
    }

    /// Reads until the client has ended, or its time has.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let lingering = self
            .lingering
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        let mut space = [0; LINGER_BUFFER];
        while lingering.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let size_before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let Some(opening) = &mut self.opening else {
            return read;
        };
        if read.is_pending() {
            return opening
                .deadline
                .as_mut()
                .poll(context)
                .map(|()| Err(io::ErrorKind::TimedOut.into()));
        }
        opening.size += buffer.filled().len() - size_before;
        if opening.size >= OPENING_SIZE {
            self.opening = None;
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        }
        if self.unread_body.0.load(Ordering::Relaxed) {
            ready!(self.poll_linger(context));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    async fn connection() -> (TcpStream, Connection) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (stream, _) = listener.accept().await.unwrap();
        let connection = Connection::new(stream, UnreadBody::default());
        (client.unwrap(), connection.unwrap())
    }

    #[tokio::test]
    async fn chunks_do_not_wait_for_acknowledgements() {
        let (_client, connection) = connection().await;
        assert!(connection.stream.nodelay().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_say_what_it_speaks_is_given_up() {
        let (mut client, mut connection) = connection().await;
        client.write_all(b"PRI").await.unwrap();
        let mut opening = Vec::new();
        let error = connection.read_to_end(&mut opening).await.unwrap_err();
        assert_eq!(
            (error.kind(), opening.as_slice()),
            (io::ErrorKind::TimedOut, &b"PRI"[..])
        );
    }
}
