//! Cores in other processes.

use std::net::SocketAddr;

use llm2api_gateway::{CoreLink, CoreService, config::Config};
use secrecy::SecretString;
use tokio::{
    net::TcpListener,
    runtime::{self, Runtime},
    sync::oneshot,
    task::JoinSet,
};
use tonic::transport::{Server, server::TcpIncoming};

use crate::{
    fake_core::{FakeCore, answer, message, start, text},
    gateway::{TestGateway, config, in_time},
};

const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}"#;

/// A fake core that listens until it is dropped.
struct ListeningCore {
    core: FakeCore,
    address: SocketAddr,
    /// A runtime of its own: its end breaks connections as a process' end does.
    runtime: Option<Runtime>,
}

impl Drop for ListeningCore {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl ListeningCore {
    async fn start() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap()).await
    }

    async fn at(requested: SocketAddr) -> Self {
        let core = FakeCore::default();
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let routes = core.routes();
        let (bound, address) = oneshot::channel();
        let serving = async move {
            let listener = TcpListener::bind(requested).await.unwrap();
            bound.send(listener.local_addr().unwrap()).unwrap();
            Server::builder()
                .http2_max_pending_accept_reset_streams(Some(usize::MAX))
                .http2_max_local_error_reset_streams(None)
                .add_routes(routes)
                .serve_with_incoming(TcpIncoming::from(listener))
                .await
                .unwrap();
        };
        // Ends with the runtime.
        drop(runtime.spawn(serving));
        Self {
            core,
            address: address.await.unwrap(),
            runtime: Some(runtime),
        }
    }
}

/// A link to these cores, and what watches them.
fn link(addresses: &[SocketAddr]) -> (CoreService, JoinSet<()>) {
    let uris = addresses
        .iter()
        .map(|address| format!("http://{address}").parse().unwrap())
        .collect();
    let (service, watch) = CoreLink::connect(uris, &SecretString::from("core-key")).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(watch);
    (service, tasks)
}

fn config_for(addresses: &[SocketAddr]) -> Config {
    let core_urls = addresses
        .iter()
        .map(|address| format!("http://{address}"))
        .collect();
    Config {
        core_urls,
        ..config()
    }
}

#[tokio::test]
async fn a_core_in_another_process_answers_and_sees_the_key() {
    let core = ListeningCore::start().await;
    core.core.sends(answer("hi"));
    core.core.sends(answer("hi"));
    let (service, _watch) = link(&[core.address]);
    let gateway = TestGateway::with(config_for(&[core.address]), service).await;
    assert_eq!(
        gateway.chat(CHAT).await.json()["choices"][0]["message"]["content"],
        "hi"
    );
    assert!(
        gateway
            .chat(STREAM)
            .await
            .text()
            .ends_with("data: [DONE]\n\n")
    );
    let (metadata, _) = &core.core.chats()[0];
    assert_eq!(metadata.get("authorization").unwrap(), "Bearer core-key");
    assert_eq!(metadata.get("llm2api-client").unwrap(), "key_1");
}

#[tokio::test]
async fn a_prompt_larger_than_grpcs_default_bound_arrives() {
    let core = ListeningCore::start().await;
    let long = "好".repeat(3_000_000);
    core.core.sends(vec![message(vec![start(), text(&long)])]);
    let (service, _watch) = link(&[core.address]);
    let gateway = TestGateway::with(config_for(&[core.address]), service).await;
    let body =
        serde_json::json!({ "model": "m", "messages": [{ "role": "user", "content": long }] });
    let reply = gateway.chat(&body.to_string()).await;
    assert_eq!(reply.json()["choices"][0]["message"]["content"], long);
}

#[tokio::test]
async fn without_a_core_all_but_the_liveness_probe_says_so() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let (service, _watch) = link(&[closed]);
    let gateway = TestGateway::with(config_for(&[closed]), service).await;
    for reply in [gateway.chat(CHAT).await, gateway.get("/v1/models").await] {
        assert_eq!(reply.error(), (503, Some("core_unavailable".to_owned())));
        assert!(reply.text().contains("CORE_URL"), "{}", reply.text());
    }
    assert_eq!(gateway.get("/readyz").await.status, 503);
    assert_eq!(gateway.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn calls_go_to_the_first_healthy_core() {
    let mut first = ListeningCore::start().await;
    let second = ListeningCore::start().await;
    first.core.has_models(&["first"]);
    second.core.has_models(&["second"]);
    let addresses = [first.address, second.address];
    let (service, _watch) = link(&addresses);
    let gateway = TestGateway::with(config_for(&addresses), service).await;
    let serves = async |name: &str| {
        let asking = async {
            while !gateway.get("/v1/models").await.text().contains(name) {
                tokio::task::yield_now().await;
            }
        };
        in_time(asking).await;
    };
    serves("first").await;
    let address = first.address;
    drop(first);
    serves("second").await;
    first = ListeningCore::at(address).await;
    first.core.has_models(&["first again"]);
    serves("first again").await;
}

#[tokio::test]
async fn clients_that_hang_up_harm_no_other_stream() {
    let core = ListeningCore::start().await;
    let (service, _watch) = link(&[core.address]);
    let gateway = TestGateway::with(config_for(&[core.address]), service).await;
    let mut steady = Vec::new();
    for _ in 0..8 {
        let live = core.core.live(false);
        live.send(message(vec![start(), text("before")])).await;
        let mut connection = gateway.raw_chat(STREAM).await;
        connection.sees("before").await;
        steady.push((live, connection));
    }
    // More than h2's default of 1,024 on each of the connections between gateway and core.
    for _ in 0..4500 {
        let mut live = core.core.live(false);
        live.send(message(vec![start(), text("a")])).await;
        let mut connection = gateway.raw_chat(STREAM).await;
        connection.sees("\"content\":\"a\"").await;
        drop(connection);
        in_time(live.dropped()).await;
    }
    for (live, mut connection) in steady {
        live.send(message(vec![text("after")])).await;
        connection.sees("after").await;
    }
}
