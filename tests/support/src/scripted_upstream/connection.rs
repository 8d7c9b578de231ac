//! One connection of a scripted upstream: plays the script of each request, and sees at once when the peer goes.

use std::{fmt::Write as _, io, sync::Arc, time::Instant};

use bytes::Bytes;
use tokio::{
    io::AsyncWriteExt,
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

use super::{
    Shared,
    record::{Ending, RecordedRequest},
    script::{BodyFraming, Script, Step},
};
use crate::http1::{Framing, Reader, chunk, reset};

/// What follows a script's end.
enum Next {
    /// The next request.
    KeepAlive,
    Close,
    Reset,
}

pub(super) async fn serve(stream: TcpStream, number: usize, shared: Arc<Shared>) {
    let _open = OpenConnection::new(&shared);
    stream
        .set_nodelay(true)
        .expect("an open socket takes options");
    let (read, mut write) = stream.into_split();
    let mut reader = Reader::new(read);
    while let Ok(Some(request)) = read_request(&mut reader, number).await {
        let request = Arc::new(request);
        let script = shared.script_for(&request);
        shared.record(&request);
        // The peer's going is looked at first: a write that fails because of it is not the script's end.
        let next = tokio::select! {
            biased;
            gone = reader.closed() => {
                let ending = if gone.is_ok() { Ending::Closed } else { Ending::Reset };
                request.ending.send_replace(Some((Instant::now(), ending)));
                return;
            }
            next = play(&script, &mut write) => next,
        };
        let ending = match next {
            Ok(_) => Ending::Script,
            Err(_) => Ending::Reset,
        };
        request.ending.send_replace(Some((Instant::now(), ending)));
        match next {
            Ok(Next::KeepAlive) => {}
            Ok(Next::Close) | Err(_) => return,
            Ok(Next::Reset) => return reset(reader, write),
        }
    }
}

/// Counts a connection as open while it lives.
struct OpenConnection<'a>(&'a Shared);

impl<'a> OpenConnection<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.log.send_modify(|log| {
            log.connections += 1;
            log.open_connections += 1;
        });
        Self(shared)
    }
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.log.send_modify(|log| log.open_connections -= 1);
    }
}

async fn read_request(
    reader: &mut Reader<OwnedReadHalf>,
    connection: usize,
) -> io::Result<Option<RecordedRequest>> {
    let Some(head) = reader.head().await? else {
        return Ok(None);
    };
    let body = reader.body(Framing::of(&head, Framing::Ended)?).await?;
    let mut words = head.start_line.split(' ').map(str::to_owned);
    Ok(Some(RecordedRequest {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        head,
        body,
        arrived_at: Instant::now(),
        connection,
        ending: watch::Sender::new(None),
    }))
}

async fn play(script: &Script, write: &mut OwnedWriteHalf) -> io::Result<Next> {
    if let Some(head) = head(script) {
        write.write_all(head.as_bytes()).await?;
    }
    for step in &script.steps {
        match step {
            Step::Write(pieces) => {
                for piece in pieces {
                    write.write_all(&framed(script.framing, piece)).await?;
                }
            }
            Step::Wait(signal) => signal.opened().await,
            Step::Pause(pause) => tokio::time::sleep(*pause).await,
            Step::Stall => std::future::pending().await,
            Step::Close => return Ok(Next::Close),
            Step::Reset => return Ok(Next::Reset),
        }
    }
    match script.framing {
        BodyFraming::Chunked => {
            write.write_all(b"0\r\n\r\n").await?;
            Ok(Next::KeepAlive)
        }
        BodyFraming::Length => Ok(Next::KeepAlive),
        BodyFraming::Close => Ok(Next::Close),
    }
}

fn head(script: &Script) -> Option<String> {
    let status = script.status?;
    let mut head = format!("HTTP/1.1 {status} Scripted\r\n");
    let mut add = |name: &str, value: &str| {
        write!(head, "{name}: {value}\r\n").expect("a string takes all");
    };
    for (name, value) in &script.headers {
        add(name, value);
    }
    match script.framing {
        BodyFraming::Chunked => add("Transfer-Encoding", "chunked"),
        BodyFraming::Length => add("Content-Length", &body_size(script).to_string()),
        BodyFraming::Close => {}
    }
    head.push_str("\r\n");
    Some(head)
}

fn body_size(script: &Script) -> usize {
    let pieces = script.steps.iter().filter_map(|step| match step {
        Step::Write(pieces) => Some(pieces),
        Step::Wait(_) | Step::Pause(_) | Step::Stall | Step::Close | Step::Reset => None,
    });
    pieces.flatten().map(Bytes::len).sum()
}

fn framed(framing: BodyFraming, piece: &Bytes) -> Bytes {
    match framing {
        BodyFraming::Length | BodyFraming::Close => piece.clone(),
        // A chunk of no bytes would be the body's end.
        BodyFraming::Chunked if piece.is_empty() => Bytes::new(),
        BodyFraming::Chunked => chunk(piece),
    }
}
