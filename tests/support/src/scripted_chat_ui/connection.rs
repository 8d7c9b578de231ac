//! One connection of an instance.

use std::{fmt::Write as _, io, sync::Arc, time::Duration, time::Instant};

use tokio::{
    io::AsyncWriteExt,
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::{
    Family, Shared,
    protocol::{Request, Response, Whole},
    record::Conversation,
    reply::{Reply, Step},
};
use crate::http1::{Framing, Reader, chunk, reset};

/// How often an instance says that it is alive.
const KEEP_ALIVE: Duration = Duration::from_millis(100);

/// What follows an answer.
enum Next {
    KeepAlive,
    Close,
    Reset,
}

pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    stream
        .set_nodelay(true)
        .expect("an open socket takes options");
    let (read, mut write) = stream.into_split();
    let mut reader = Reader::new(read);
    while let Ok(Some(request)) = read_request(&mut reader).await {
        if request.method == "DELETE" {
            let_close(&request, &shared).await;
        }
        let next = match shared.answer(&request) {
            Response::Whole(whole) => {
                let held = match request.path.ends_with("/conversation") {
                    true => shared.state().creations.clone(),
                    false => None,
                };
                if let Some(signal) = held {
                    signal.opened().await;
                }
                write_whole(&whole, &mut write).await
            }
            Response::Stream(number, reply) => {
                let cookie = shared.handed_out(&request);
                // The peer's going is looked at first: a write that fails because of it is not the answer's end.
                let next = tokio::select! {
                    biased;
                    _ = reader.closed() => {
                        shared.conversations.send_modify(|all| all[number].closed_at = Some(Instant::now()));
                        return;
                    }
                    next = play(&reply, cookie, number, &shared, &mut write) => next,
                };
                shared
                    .conversations
                    .send_modify(|all| all[number].ended_at = Some(Instant::now()));
                next
            }
        };
        match next {
            Ok(Next::KeepAlive) => {}
            Ok(Next::Close) | Err(_) => return,
            Ok(Next::Reset) => return reset(reader, write),
        }
    }
}

/// Gives a stream that was closed before a deletion the time to be seen closed: both come over connections of their own.
async fn let_close(request: &Request, shared: &Shared) {
    let is_closed = |one: &Conversation| !request.path.ends_with(&one.id) || !one.is_open();
    let mut conversations = shared.conversations.subscribe();
    let closed = conversations.wait_for(|all| all.iter().all(is_closed));
    // One that stays open is recorded as such.
    drop(tokio::time::timeout(KEEP_ALIVE, closed).await);
}

async fn read_request(reader: &mut Reader<OwnedReadHalf>) -> io::Result<Option<Request>> {
    let Some(head) = reader.head().await? else {
        return Ok(None);
    };
    let body = reader.body(Framing::of(&head, Framing::Ended)?).await?;
    let mut words = head.start_line.split(' ').map(str::to_owned);
    Ok(Some(Request {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        head,
        body,
    }))
}

async fn write_whole(whole: &Whole, write: &mut OwnedWriteHalf) -> io::Result<Next> {
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", whole.status);
    for (name, value) in &whole.headers {
        write!(head, "{name}: {value}\r\n").expect("a string takes all");
    }
    write!(head, "Content-Length: {}\r\n\r\n", whole.body.len()).expect("a string takes all");
    write.write_all(head.as_bytes()).await?;
    write.write_all(&whole.body).await?;
    Ok(Next::KeepAlive)
}

async fn play(
    reply: &Reply,
    cookie: Option<String>,
    number: usize,
    shared: &Shared,
    write: &mut OwnedWriteHalf,
) -> io::Result<Next> {
    let content_type = match shared.setup.family {
        Family::New => "application/jsonl",
        Family::Old => "text/event-stream",
    };
    let cookie = cookie
        .map(|cookie| format!("Set-Cookie: {cookie}\r\n"))
        .unwrap_or_default();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n{cookie}Transfer-Encoding: chunked\r\n\r\n"
    );
    write.write_all(head.as_bytes()).await?;
    for step in &reply.steps {
        match step {
            Step::Write(bytes) => write.write_all(&chunk(bytes)).await?,
            Step::WriteBytewise(bytes) => {
                for byte in bytes.chunks(1) {
                    write.write_all(&chunk(byte)).await?;
                }
            }
            Step::Finished => {
                if shared.setup.family == Family::New {
                    write.write_all(&chunk(FINISHED)).await?;
                }
            }
            Step::Wait(signal) => signal.opened().await,
            Step::Think => think(number, shared, write).await?,
            Step::Hang => std::future::pending().await,
            Step::Close => return Ok(Next::Close),
            Step::Reset => return Ok(Next::Reset),
        }
    }
    write.write_all(b"0\r\n\r\n").await?;
    Ok(Next::KeepAlive)
}

const FINISHED: &[u8] = b"{\"type\":\"status\",\"status\":\"finished\"}\n";

/// Says that it is alive until it is stopped, which the old family takes no note of.
async fn think(number: usize, shared: &Shared, write: &mut OwnedWriteHalf) -> io::Result<()> {
    let mut conversations = shared.conversations.subscribe();
    loop {
        let stopped = conversations
            .wait_for(|all| shared.setup.family == Family::New && all[number].stopped_at.is_some());
        if tokio::time::timeout(KEEP_ALIVE, stopped).await.is_ok() {
            let interrupted = b"{\"type\":\"finalAnswer\",\"text\":\"\",\"interrupted\":true}\n";
            write.write_all(&chunk(interrupted)).await?;
            return write.write_all(&chunk(FINISHED)).await;
        }
        write
            .write_all(&chunk(b"{\"type\":\"status\",\"status\":\"keepAlive\"}\n"))
            .await?;
    }
}
