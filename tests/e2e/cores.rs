//! A gateway and several cores: calls go to the first that is healthy.

use llm2api_test_support::{
    Answer, RawClient, Request, Script, ScriptedUpstream, Signal, llm2api::Process, within,
};
use tempfile::TempDir;

use crate::{
    canned,
    stage::{MODEL, binary},
};

/// What proves the gateway to its cores.
const CORE_KEY: &str = "key-of-the-cores";

/// A core whose answers are signed by its upstream.
struct SignedCore {
    process: Process,
    grpc: String,
    upstream: ScriptedUpstream,
    data: TempDir,
}

impl SignedCore {
    async fn start(name: &str) -> Self {
        let upstream = ScriptedUpstream::start(&[MODEL]).await;
        upstream.answer(MODEL, canned::stream_text(&[name]));
        let data = TempDir::new().unwrap();
        let process = start_core("127.0.0.1:0", &upstream, &data);
        let grpc = process.address("grpc").await.to_string();
        Self {
            process,
            grpc,
            upstream,
            data,
        }
    }

    /// Starts it anew, where it was.
    async fn restart(self) -> Self {
        let Self {
            mut process,
            grpc,
            upstream,
            data,
        } = self;
        process.terminate();
        process.ended().await;
        let process = start_core(&grpc, &upstream, &data);
        process.address("grpc").await;
        Self {
            process,
            grpc,
            upstream,
            data,
        }
    }
}

fn start_core(listen: &str, upstream: &ScriptedUpstream, data: &TempDir) -> Process {
    let settings = [
        ("GRPC_LISTEN", listen),
        ("UPSTREAM_URL", &upstream.url()),
        ("CORE_KEY", CORE_KEY),
        ("DATA_DIR", &data.path().display().to_string()),
        ("DRAIN_DELAY", "0"),
        ("LOG_FORMAT", "json"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    Process::start(binary(), "core", &settings)
}

/// A gateway in front of these cores, and where it listens.
struct Gateway {
    _process: Process,
    http: std::net::SocketAddr,
}

impl Gateway {
    async fn start(cores: &[&SignedCore]) -> Self {
        let urls: Vec<String> = cores
            .iter()
            .map(|core| format!("http://{}", core.grpc))
            .collect();
        let settings = [
            ("LISTEN", "127.0.0.1:0"),
            ("CORE_URL", &urls.join(",")),
            ("CORE_KEY", CORE_KEY),
            ("LOG_FORMAT", "json"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let process = Process::start(binary(), "gateway", &settings);
        let http = process.address("http").await;
        Self {
            _process: process,
            http,
        }
    }

    async fn exchange(&self, request: &Request) -> Answer {
        RawClient::connect(self.http).await.exchange(request).await
    }

    /// Asks until the answer bears this signature; in between only "no core" may come.
    async fn is_answered_by(&self, name: &str) {
        let answered = async {
            loop {
                let answer = self.exchange(&Request::chat(canned::ask(false))).await;
                match answer.status {
                    200 if answer.text().contains(&format!(r#""content":"{name}""#)) => return,
                    200 => {}
                    503 => assert_eq!(answer.json()["error"]["code"], "core_unavailable"),
                    other => panic!("{other}: {:?}", answer.body),
                }
                tokio::task::yield_now().await;
            }
        };
        within(&format!("an answer of core {name}"), answered).await;
    }
}

#[tokio::test]
async fn calls_go_to_the_first_core_that_is_healthy() {
    let one = SignedCore::start("one").await;
    let two = SignedCore::start("two").await;
    let gateway = Gateway::start(&[&one, &two]).await;
    gateway.is_answered_by("one").await;
    let mut one = one;
    one.process.terminate();
    one.process.ended().await;
    gateway.is_answered_by("two").await;
}

#[tokio::test]
async fn a_core_that_comes_back_is_used_again() {
    let core = SignedCore::start("one").await;
    let gateway = Gateway::start(&[&core]).await;
    gateway.is_answered_by("one").await;
    let _core = core.restart().await;
    gateway.is_answered_by("one").await;
}

#[tokio::test]
async fn an_answer_whose_core_dies_never_looks_complete() {
    let core = SignedCore::start("one").await;
    let gateway = Gateway::start(&[&core]).await;
    core.upstream.queue(
        Script::stream()
            .event(canned::role(0))
            .event(canned::text("Hel"))
            .wait_for(&Signal::new()),
    );
    let mut client = RawClient::connect(gateway.http).await;
    client.send(&Request::chat(canned::ask(true))).await;
    assert_eq!(client.head().await.0, 200);
    let mut stream = client.body_until(r#""content":"Hel""#).await.into_bytes();
    drop(core);
    stream.extend_from_slice(&client.body().await);
    let (choices, error) = canned::cut(&stream);
    assert_eq!(canned::content(&choices, 0), "Hel");
    assert_eq!(error["code"], "core_unavailable");
}
