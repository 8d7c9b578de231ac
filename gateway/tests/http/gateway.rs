//! A gateway on a port of its own, and a client for it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use llm2api_gateway::{
    CoreService, Gateway, Stopping, Telemetry,
    config::{Config, CorsOrigins},
};
use llm2api_proto::Sampler;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// How long a test waits for what must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// Waits for what must come.
pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("it comes in time")
}

/// A gateway that serves until it is dropped.
pub(crate) struct TestGateway {
    pub(crate) address: SocketAddr,
    pub(crate) stopping: Stopping,
    tasks: JoinSet<()>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The status and the code of the error object, whose four keys are all there.
    pub(crate) fn error(&self) -> (u16, Option<String>) {
        let json = self.json();
        let object = json["error"].as_object().unwrap();
        let mut keys: Vec<_> = object.keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["code", "message", "param", "type"]);
        (
            self.status.as_u16(),
            object["code"].as_str().map(str::to_owned),
        )
    }
}

pub(crate) fn config() -> Config {
    Config {
        api_path: None,
        max_body_bytes: 32 << 20,
        keepalive: Duration::from_secs(15),
        cors_origins: CorsOrigins::Any,
        trusted_proxies: Vec::new(),
        core_urls: Vec::new(),
    }
}

impl TestGateway {
    pub(crate) async fn start(core: CoreService) -> Self {
        Self::with(config(), core).await
    }

    pub(crate) async fn with(config: Config, core: CoreService) -> Self {
        let telemetry = Telemetry::new(Sampler::AlwaysOn, true, None, None);
        Self::telling(telemetry, config, core).await
    }

    pub(crate) async fn telling(telemetry: Telemetry, config: Config, core: CoreService) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stopping = Stopping::default();
        let mut tasks = JoinSet::new();
        let serving = Gateway::new(config, core, Arc::new(telemetry));
        let serving = serving.serve(listener, stopping.clone());
        tasks.spawn(async move {
            let Ok(()) = serving.await;
        });
        Self {
            address,
            stopping,
            tasks,
        }
    }

    /// Waits until the gateway has ended.
    pub(crate) async fn ended(mut self) {
        in_time(self.tasks.join_next()).await.unwrap().unwrap();
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Reply {
        in_time(self.send_untimed(request)).await
    }

    async fn send_untimed(&self, mut request: Request<Full<Bytes>>) -> Reply {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        request
            .headers_mut()
            .insert(header::HOST, "gateway".parse().unwrap());
        let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(request(Method::GET, path, &[], "")).await
    }

    pub(crate) async fn chat(&self, body: &str) -> Reply {
        self.send(chat_request(body)).await
    }

    /// A connection that has sent a chat, for what a well-behaved client can't do.
    pub(crate) async fn raw_chat(&self, body: &str) -> RawConnection {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + body).as_bytes()).await.unwrap();
        RawConnection {
            stream,
            seen: String::new(),
        }
    }
}

/// A connection whose bytes are looked at one by one.
pub(crate) struct RawConnection {
    pub(crate) stream: TcpStream,
    pub(crate) seen: String,
}

impl RawConnection {
    /// Reads until this text has come.
    pub(crate) async fn sees(&mut self, text: &str) {
        let reading = async {
            let mut buffer = [0; 4096];
            while !self.seen.contains(text) {
                let count = self.stream.read(&mut buffer).await.unwrap();
                assert_ne!(count, 0, "the connection ended after {:?}", self.seen);
                self.seen
                    .push_str(std::str::from_utf8(&buffer[..count]).unwrap());
            }
        };
        in_time(reading).await;
    }

    /// Reads to the connection's end.
    pub(crate) async fn ends(&mut self) {
        in_time(self.stream.read_to_string(&mut self.seen))
            .await
            .unwrap();
    }
}

pub(crate) fn request(
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::from(body.to_owned())).unwrap()
}

pub(crate) fn chat_request(body: &str) -> Request<Full<Bytes>> {
    request(
        Method::POST,
        "/v1/chat/completions",
        &[("content-type", "application/json")],
        body,
    )
}
