//! Accepting connections, and ending them.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    Stopping,
    connection::{Connection, UnreadBody},
    front::Front,
};

/// Time for a request's head, counted from the answer before it: so also the life of an idle connection. Above the 60 s for which
/// proxies in front customarily keep theirs.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(75);
/// Bytes of all headers of a request: what OpenAI asks its clients to keep to.
const MAX_HEADER_SIZE: u32 = 64 * 1024;
/// Bytes that a connection may buffer, each way; a head must fit into it.
const MAX_BUFFER_SIZE: usize = 64 * 1024;
/// Requests at a time on one HTTP/2 connection.
const MAX_CONCURRENT_STREAMS: u32 = 1024;
/// Bytes that an HTTP/2 client may send before it is read.
const WINDOW_SIZE: u32 = 1024 * 1024;
/// Silence after which an HTTP/2 client is asked for a sign of life.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// Rest after a failure to accept: files are short, and trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves connections until running answers are told to end and every connection has.
pub(crate) async fn serve(front: Arc<Front>, listener: TcpListener, stopping: &Stopping) {
    let builder = builder();
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stopping.ending.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let unread_body = UnreadBody::default();
                    let Ok(stream) = Connection::new(stream, unread_body.clone()) else {
                        continue;
                    };
                    let front = Arc::clone(&front);
                    let peer = peer.ip();
                    let service = service_fn(move |request| {
                        let front = Arc::clone(&front);
                        let unread_body = unread_body.clone();
                        async move {
                            Ok::<_, Infallible>(front.answer(request, peer, &unread_body).await)
                        }
                    });
                    let connection = builder
                        .serve_connection(TokioIo::new(stream), service)
                        .into_owned();
                    let connection = graceful.watch(connection);
                    // Awaited by the join set: here, or below at the end.
                    connections.spawn(async move {
                        if let Err(error) = connection.await {
                            tracing::debug!(error, "a connection broke off");
                        }
                    });
                }
                Err(error) => rest(&error).await,
            },
        }
    }
    drop(listener);
    graceful.shutdown().await;
    while connections.join_next().await.is_some() {}
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .max_buf_size(MAX_BUFFER_SIZE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEADER_SIZE)
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
        .initial_stream_window_size(WINDOW_SIZE)
        .initial_connection_window_size(WINDOW_SIZE)
        .keep_alive_interval(PING_INTERVAL);
    builder
}

/// Waits where the process is short of something; what one client did needs no rest.
async fn rest(error: &io::Error) {
    if matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    ) {
        return;
    }
    tracing::warn!(error = %error, "a connection can't be accepted");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}
