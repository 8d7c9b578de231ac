//! A server that answers each request with given bytes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Mutex, mpsc},
    task::JoinSet,
};

/// What follows an answer's bytes.
pub(in crate::upstream) enum Ending {
    /// The connection is closed.
    Close,
    /// The connection is reset.
    Reset,
    /// The connection stays open and quiet.
    Hold,
    /// These bytes, when the test says [`Server::go_on`]; the connection stays open for the next request.
    Later(Vec<u8>),
}

/// A server that lives as long as this.
pub(in crate::upstream) struct Server {
    address: String,
    requests: mpsc::Receiver<String>,
    go_on: mpsc::Sender<()>,
    closed: mpsc::Receiver<()>,
    connection_count: Arc<AtomicUsize>,
    /// Ends the server when dropped.
    _tasks: JoinSet<()>,
}

impl Server {
    /// A server for as many requests, one after the other.
    pub(in crate::upstream) async fn start(answers: Vec<(Vec<u8>, Ending)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let (request_sender, requests) = mpsc::channel(16);
        let (go_on, go_on_receiver) = mpsc::channel(1);
        let (closed_sender, closed) = mpsc::channel(16);
        let connection_count = Arc::new(AtomicUsize::new(0));
        let script = Script {
            answers: Mutex::new(answers.into_iter()),
            requests: request_sender,
            go_on: Mutex::new(go_on_receiver),
            closed: closed_sender,
        };
        let count = Arc::clone(&connection_count);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                script.serve(stream).await;
            }
        });
        Self {
            address,
            requests,
            go_on,
            closed,
            connection_count,
            _tasks: tasks,
        }
    }

    pub(in crate::upstream) fn address(&self) -> String {
        self.address.clone()
    }

    pub(in crate::upstream) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request, head and body.
    pub(in crate::upstream) async fn request(&mut self) -> String {
        self.requests.recv().await.expect("a request")
    }

    /// Lets what is to come later come.
    pub(in crate::upstream) async fn go_on(&self) {
        self.go_on.send(()).await.expect("the server lives");
    }

    /// Waits until the client has closed the connection.
    pub(in crate::upstream) async fn closed_by_client(&mut self) {
        self.closed.recv().await.expect("the server lives");
    }

    pub(in crate::upstream) fn connection_count(&self) -> usize {
        self.connection_count.load(Ordering::Relaxed)
    }
}

struct Script {
    answers: Mutex<std::vec::IntoIter<(Vec<u8>, Ending)>>,
    requests: mpsc::Sender<String>,
    go_on: Mutex<mpsc::Receiver<()>>,
    closed: mpsc::Sender<()>,
}

impl Script {
    async fn serve(&self, mut stream: TcpStream) {
        while let Some(request) = read_request(&mut stream).await {
            let _ = self.requests.send(request).await;
            let Some((answer, ending)) = self.answers.lock().await.next() else {
                return;
            };
            if stream.write_all(&answer).await.is_err() {
                return;
            }
            match ending {
                Ending::Close => return,
                Ending::Reset => {
                    let _ = stream.set_zero_linger();
                    return;
                }
                Ending::Hold => {
                    let mut rest = Vec::new();
                    let _ = stream.read_to_end(&mut rest).await;
                    let _ = self.closed.send(()).await;
                    return;
                }
                Ending::Later(bytes) => {
                    self.go_on.lock().await.recv().await;
                    let _ = stream.write_all(&bytes).await;
                }
            }
        }
    }
}

/// Reads one request; `None` where the client closed the connection.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
            .unwrap_or(0);
        if body.len() >= length {
            return Some(text.into_owned());
        }
    }
}
