//! A web server with one file at every path, which serves ranges of it as RFC 9110 has it, and fails as each test tells it to.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use llm2api_test_support::http1::{Head, Reader};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// A file as a server has it.
#[derive(Debug, Clone)]
pub(super) struct Served {
    pub(super) content: Bytes,
    pub(super) content_type: &'static str,
    /// The header that names this version of it, such as `ETag: "1"`.
    pub(super) validator: Option<(&'static str, &'static str)>,
}

/// What a request gets.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// The file, or the range of it that was asked for.
    File(Served),
    /// The same, but the connection ends after so many bytes.
    Cut(Served, usize),
    /// The same, but nothing more comes after so many bytes.
    Stalled(Served, usize),
    /// This head, and no body.
    Head(String),
}

/// The server, on a port of its own. Ends when dropped.
#[derive(Debug)]
pub(super) struct FileServer {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    /// Each is used once, but the last for all that comes after.
    replies: Mutex<VecDeque<Reply>>,
    requests: Mutex<Vec<Head>>,
}

impl Served {
    /// A file with a tag.
    pub(super) fn tagged(content: &Bytes, tag: &'static str) -> Self {
        Self {
            content: content.clone(),
            content_type: "application/octet-stream",
            validator: Some(("ETag", tag)),
        }
    }
}

impl FileServer {
    /// Starts one that gives these replies, one after the other.
    pub(super) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            replies: Mutex::new(replies.into_iter().collect()),
            requests: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            _tasks: tasks,
        }
    }

    /// The address of the file at this path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The first lines of the requests that came, and what each had in these headers.
    pub(super) fn requests(&self, headers: &[&str]) -> Vec<Vec<Option<String>>> {
        let requests = self.shared.requests.lock().unwrap();
        requests
            .iter()
            .map(|head| {
                let values = headers
                    .iter()
                    .map(|name| head.header(name).map(str::to_owned));
                std::iter::once(Some(head.start_line.clone()))
                    .chain(values)
                    .collect()
            })
            .collect()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let shared = Arc::clone(&shared);
        // A client that went away is what some tests are about.
        connections.spawn(async move { drop(serve(stream, &shared).await) });
    }
}

/// Answers one request.
async fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut reader = Reader::new(read);
    let Some(request) = reader.head().await? else {
        return Ok(());
    };
    shared.requests.lock().unwrap().push(request.clone());
    let reply = {
        let mut replies = shared.replies.lock().unwrap();
        match replies.len() {
            0 => panic!("the test has no reply"),
            1 => replies[0].clone(),
            _ => replies.pop_front().unwrap(),
        }
    };
    match reply {
        Reply::Head(head) => write.write_all(head.as_bytes()).await,
        Reply::File(file) => write.write_all(&answer(&file, &request, usize::MAX)).await,
        Reply::Cut(file, length) => write.write_all(&answer(&file, &request, length)).await,
        Reply::Stalled(file, length) => {
            write.write_all(&answer(&file, &request, length)).await?;
            reader.closed().await
        }
    }
}

/// The answer with the file or a part of it, of whose body at most so many bytes are sent.
fn answer(file: &Served, request: &Head, most: usize) -> Vec<u8> {
    let total = file.content.len();
    let is_same = request.header("if-range").is_none()
        || request.header("if-range") == file.validator.map(|(_, value)| value);
    let first: Option<usize> = request
        .header("range")
        .filter(|_| is_same)
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'))
        .map(|first| first.parse().unwrap());
    let mut head = match first {
        Some(first) => format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{}/{total}\r\n",
            total - 1
        ),
        None => "HTTP/1.1 200 OK\r\n".to_owned(),
    };
    let body = file.content.slice(first.unwrap_or(0)..);
    if let Some((name, value)) = file.validator {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    write!(
        head,
        "Content-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        file.content_type,
        body.len()
    )
    .unwrap();
    let mut answer = head.into_bytes();
    answer.extend_from_slice(&body[..body.len().min(most)]);
    answer
}
