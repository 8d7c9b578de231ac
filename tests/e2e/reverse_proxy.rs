//! llm2api behind the nginx of docs/reverse-proxy.md.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Stdio,
};

use llm2api_test_support::{
    Deployment, RawClient, Request, Script, Signal, llm2api::Llm2Api, within,
};
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use crate::{
    canned,
    stage::{MODEL, Stage},
};

/// The key that the page tells to set.
const KEY: &str = "a-long-random-key";
const BEHIND_A_PROXY: &[(&str, &str)] = &[("API_KEY", KEY), ("TRUSTED_PROXIES", "127.0.0.1")];

#[tokio::test]
async fn a_stream_passes_nginx_token_by_token() {
    let stage = Stage::with(Deployment::Serve, BEHIND_A_PROXY).await;
    let nginx = Nginx::start(&stage.instance).await;
    let seen = Signal::new();
    stage.upstream.answer(
        MODEL,
        Script::stream()
            .event(canned::role(0))
            .event(canned::text("one "))
            .wait_for(&seen)
            .event(canned::text("two"))
            .event(canned::finish(0, "stop"))
            .event(canned::usage())
            .done(),
    );

    let mut client = RawClient::connect(nginx.address).await;
    client
        .send(&Request::chat(canned::ask(true)).bearer(KEY))
        .await;
    assert_eq!(client.head().await.0, 200);
    let begin = client.body_until("one ").await;
    seen.open();
    let rest = client.body().await;
    let stream = [begin.as_bytes(), &rest].concat();
    assert_eq!(canned::content(&canned::choices(&stream), 0), "one two");
}

#[tokio::test]
async fn a_client_that_leaves_nginx_ends_the_upstream_request() {
    let stage = Stage::with(Deployment::Serve, BEHIND_A_PROXY).await;
    let nginx = Nginx::start(&stage.instance).await;
    let stall = Script::stream()
        .event(canned::role(0))
        .event(canned::text("one "))
        .stall();
    stage.upstream.answer(MODEL, stall);

    let mut client = RawClient::connect(nginx.address).await;
    client
        .send(&Request::chat(canned::ask(true)).bearer(KEY))
        .await;
    client.head().await;
    client.body_until("one ").await;
    client.leave();
    stage.upstream.has_connections_at_most(0).await;
}

#[tokio::test]
async fn a_body_over_the_limit_gets_an_error_object_through_nginx() {
    let stage = Stage::with(Deployment::Serve, BEHIND_A_PROXY).await;
    let nginx = Nginx::start(&stage.instance).await;
    let body = vec![b' '; 32 * 1024 * 1024 + 1];
    let mut client = RawClient::connect(nginx.address).await;
    let answer = client.exchange(&Request::chat(body).bearer(KEY)).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json()["error"]["code"], "request_too_large");
}

#[tokio::test]
async fn without_a_key_nginx_is_let_in_only_as_a_trusted_proxy() {
    for (settings, status) in [
        (&[][..], 401),
        (&[("TRUSTED_PROXIES", "127.0.0.1")][..], 200),
    ] {
        let stage = Stage::with(Deployment::Serve, settings).await;
        stage
            .upstream
            .answer(MODEL, canned::stream_text(&["hello"]));
        let nginx = Nginx::start(&stage.instance).await;
        let mut client = RawClient::connect(nginx.address).await;
        let answer = client.exchange(&Request::chat(canned::ask(false))).await;
        assert_eq!(answer.status, status, "{settings:?}: {}", answer.text());
    }
}

/// The real nginx with the page's configuration. Ends when dropped.
struct Nginx {
    address: SocketAddr,
    _process: Child,
    _folder: TempDir,
}

impl Nginx {
    /// Starts it in front of an instance and waits until it listens.
    async fn start(instance: &Llm2Api) -> Self {
        let folder = TempDir::new().unwrap();
        // Free now; a port that somebody else takes meanwhile fails the test loudly.
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let site = fs::read_to_string(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/nginx.conf"),
        )
        .unwrap();
        assert!(site.contains("127.0.0.1:9999") && site.contains("listen 80;"));
        let site = site
            .replace("127.0.0.1:9999", &instance.http().to_string())
            .replace("listen 80;", &format!("listen {address};"));
        fs::write(folder.path().join("site.conf"), site).unwrap();
        let main = "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\nevents {}\n\
             http {\n    access_log off;\n    client_body_temp_path body;\n    proxy_temp_path proxy;\n\
             fastcgi_temp_path fastcgi;\n    uwsgi_temp_path uwsgi;\n    scgi_temp_path scgi;\n    include site.conf;\n}\n";
        fs::write(folder.path().join("nginx.conf"), main).unwrap();
        let process = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "nginx.conf", "-e", "stderr"])
            // Debian keeps it where only root looks.
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("nginx is installed: `make test` sees to it");
        let listening = async {
            while TcpStream::connect(address).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        within("nginx to listen", listening).await;
        Self {
            address,
            _process: process,
            _folder: folder,
        }
    }
}
