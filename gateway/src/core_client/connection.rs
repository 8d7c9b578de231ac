//! One HTTP/2 connection to a core, driven by the task that calls.
//!
//! The usual client hands a call to a worker, which hands it to the connection's task, which gives it a task of its own: four wakes a
//! call, and the head and the body are written apart. Here the caller puts both into the connection at once; the connection's
//! task only reads and writes. h2 speaks the protocol in both cases.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use h2::{
    Ping, RecvStream, SendStream,
    client::{self, SendRequest},
};
use http::{
    Request, Response, Uri,
    uri::{Authority, InvalidUriParts, Scheme},
};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use tokio::{
    net::TcpStream,
    sync::{Mutex, mpsc},
    time::timeout,
};
use tonic::body::Body;

/// Time for a connection; cores are near.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a connection is asked for a sign of life, and the time that it has for it.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes on their way: prompts and answers are large, and a window that is too small waits for the other side.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;
/// Bytes of all headers of an answer; error details travel in them.
const MAX_HEADER_SIZE: u32 = 64 * 1024;

/// Why a call did not reach the core, or its answer not us.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    #[error("no connection within {} s", CONNECT_TIMEOUT.as_secs())]
    Timeout,
    #[error("no connection")]
    Connect(#[source] io::Error),
    #[error("the connection failed")]
    Protocol(#[from] h2::Error),
    #[error("the call has no path")]
    Path(#[source] InvalidUriParts),
    #[error("the gateway ends")]
    Ending,
    #[error("the call's message could not be written")]
    Message(#[source] tonic::Status),
}

/// Reads and writes one connection, until it is closed or shows no sign of life.
pub(super) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection to a core, made when it is first needed, and anew where it is lost.
pub(super) struct Connection {
    authority: Authority,
    /// Locked while a connection is made, so that calls wait for one together.
    sender: Mutex<Option<SendRequest<Bytes>>>,
    /// To whoever runs the drivers.
    drivers: mpsc::Sender<Driver>,
    /// Each call has a clone, to its answer's end.
    calls: Arc<()>,
}

impl Connection {
    /// A connection to the core at this address, once it is needed; `drivers` is read by whoever runs what is sent there.
    pub(super) fn new(authority: Authority, drivers: mpsc::Sender<Driver>) -> Self {
        Self {
            authority,
            sender: Mutex::new(None),
            drivers,
            calls: Arc::default(),
        }
    }

    /// Calls that are running.
    pub(super) fn call_count(&self) -> usize {
        Arc::strong_count(&self.calls) - 1
    }

    /// Makes a call. Dropped before its end, the call is cancelled at the core.
    ///
    /// # Errors
    ///
    /// [`ConnectionError`].
    pub(super) async fn call(
        &self,
        request: Request<Body>,
    ) -> Result<Response<Body>, ConnectionError> {
        let call = Arc::clone(&self.calls);
        let mut sender = self.sender().await?;
        let (mut head, body) = request.into_parts();
        let mut address = head.uri.into_parts();
        address.scheme = Some(Scheme::HTTP);
        address.authority = Some(self.authority.clone());
        head.uri = Uri::from_parts(address).map_err(ConnectionError::Path)?;
        let (response, stream) = sender.send_request(Request::from_parts(head, ()), false)?;
        send(body, stream).await?;
        let response = response.await?;
        Ok(response.map(|stream| {
            Body::new(ReceivedBody {
                part: Part::Data(stream),
                _call: call,
            })
        }))
    }

    async fn sender(&self) -> Result<SendRequest<Bytes>, ConnectionError> {
        let mut current = self.sender.lock().await;
        if let Some(sender) = current.as_ref()
            // At once: what a server that is full must wait for is queued behind this.
            && let Ok(sender) = sender.clone().ready().await
        {
            return Ok(sender);
        }
        *current = None;
        let connecting = timeout(CONNECT_TIMEOUT, self.connect());
        let sender = connecting.await.map_err(|_| ConnectionError::Timeout)??;
        *current = Some(sender.clone());
        Ok(sender)
    }

    async fn connect(&self) -> Result<SendRequest<Bytes>, ConnectionError> {
        let host = self
            .authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        let port = self.authority.port_u16().unwrap_or(80);
        let stream = TcpStream::connect((host, port))
            .await
            .map_err(ConnectionError::Connect)?;
        // Without it a chunk waits for the acknowledgement of the one before, up to 40 ms.
        stream.set_nodelay(true).map_err(ConnectionError::Connect)?;
        let (sender, connection) = client::Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEADER_SIZE)
            // Each client that hangs up resets a stream; after 1,024 h2 would close the connection, and all streams with it.
            .max_local_error_reset_streams(None)
            .handshake(stream)
            .await?;
        self.drivers
            .send(Box::pin(drive(connection)))
            .await
            .map_err(|_| ConnectionError::Ending)?;
        Ok(sender)
    }
}

/// Writes a call's message. All of it is at hand: it is queued at once, and goes out as the windows allow.
async fn send(mut body: Body, mut stream: SendStream<Bytes>) -> Result<(), ConnectionError> {
    let mut last = Bytes::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(ConnectionError::Message)?.into_data() else {
            continue;
        };
        let before = std::mem::replace(&mut last, data);
        if !before.is_empty() {
            stream.send_data(before, false)?;
        }
    }
    Ok(stream.send_data(last, true)?)
}

/// Reads and writes a connection until it is closed; gives it up where the other side is gone without a word.
async fn drive(mut connection: client::Connection<TcpStream, Bytes>) {
    let pings = connection.ping_pong();
    let silence = async {
        let Some(mut pings) = pings else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(PING_INTERVAL).await;
            match timeout(PING_TIMEOUT, pings.ping(Ping::opaque())).await {
                Ok(Ok(_)) => {}
                // The connection's own end tells more.
                Ok(Err(_)) => std::future::pending().await,
                Err(_) => return,
            }
        }
    };
    tokio::select! {
        biased;
        ended = &mut connection => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection to a core broke off");
            }
        }
        () = silence => tracing::warn!("a core's connection shows no sign of life"),
    }
}

/// What comes back.
struct ReceivedBody {
    part: Part,
    _call: Arc<()>,
}

/// Which part of it comes next: messages, then trailers.
enum Part {
    Data(RecvStream),
    Trailers(RecvStream),
    Ended,
}

impl HttpBody for ReceivedBody {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if let Part::Data(stream) = &mut self.part {
            match ready!(stream.poll_data(context)) {
                Some(Ok(data)) => {
                    // What is read makes room for more.
                    stream.flow_control().release_capacity(data.len())?;
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => {
                    self.part = Part::Ended;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    if let Part::Data(stream) = std::mem::replace(&mut self.part, Part::Ended) {
                        self.part = Part::Trailers(stream);
                    }
                }
            }
        }
        let Part::Trailers(stream) = &mut self.part else {
            return Poll::Ready(None);
        };
        let trailers = ready!(stream.poll_trailers(context));
        self.part = Part::Ended;
        Poll::Ready(trailers?.map(|trailers| Ok(Frame::trailers(trailers))))
    }
}
