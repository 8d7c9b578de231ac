//! The adapter against a server that says exactly what a test wants.

use http::HeaderValue;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    super::{
        Credential, Journal, ListedModel, Secret, Upstream,
        http_client::tests::{config, upstream_at},
        openai::tests::server::{Ending, Server},
    },
    ChatUi,
};
use crate::store::{
    StoredConversation,
    tests::{Running, reload},
};

fn session() -> Credential {
    Secret::Cookie("0f9c-2d6e".into()).into()
}

fn answer(status: &str, body: &str) -> (Vec<u8>, Ending) {
    let head = "content-type: application/json\r\nconnection: close";
    let answer = format!("HTTP/1.1 {status}\r\n{head}\r\n\r\n{body}");
    (answer.into_bytes(), Ending::Close)
}

#[tokio::test]
async fn a_session_goes_by_its_own_browser_and_proxy() {
    let models = answer("200 OK", r#"[{"id":"org/name"}]"#);
    let mut proxy = Server::start(vec![models]).await;
    let upstream = upstream_at("http://chat.invalid/chat");
    let adapter = ChatUi::new(&upstream, &config()).expect("a good address");
    let credential = Credential {
        user_agent: Some(HeaderValue::from_static("Mozilla/5.0 (X11)")),
        proxy: Some(Url::parse(&proxy.url()).expect("valid")),
        ..session()
    };
    let model = ListedModel {
        id: "org/name".to_owned(),
        created: None,
    };
    let listed = adapter.list_models(&credential).await;
    assert_eq!(listed, Ok(vec![model]));
    let request = proxy.request().await;
    for line in [
        "GET http://chat.invalid/chat/api/v2/models HTTP/1.1",
        "cookie: hf-chat=0f9c-2d6e",
        "user-agent: Mozilla/5.0 (X11)",
    ] {
        assert!(request.lines().any(|other| other == line), "{request}");
    }
}

/// A store in which an earlier process has left a conversation.
async fn left_behind() -> (TempDir, Running) {
    let folder = TempDir::new().expect("a folder");
    let earlier = Running::open(folder.path()).await;
    let conversation = StoredConversation {
        upstream: "up".to_owned(),
        id: "665f01".to_owned(),
        credential: session(),
    };
    let begun = earlier.store.begin_conversation(conversation).await;
    begun.expect("kept");
    earlier.close().await;
    let running = Running::open(folder.path()).await;
    (folder, running)
}

/// The adapter of an upstream, with what is left behind there.
fn heir(url: &str, running: &Running) -> ChatUi {
    let adapter = ChatUi::new(&upstream_at(url), &config()).expect("a good address");
    let journal = Journal::new(running.store.clone(), "up");
    adapter.keep_in(journal, running.loaded.conversations.clone());
    adapter
}

#[tokio::test]
async fn what_an_earlier_process_left_is_stopped_deleted_and_forgotten() {
    let (folder, running) = left_behind().await;
    let mut server = Server::start(vec![answer("200 OK", ""), answer("200 OK", "")]).await;
    let adapter = heir(&server.url(), &running);
    let ending = CancellationToken::new();
    let asked = async {
        for line in [
            "POST /conversation/665f01/stop-generating HTTP/1.1",
            "DELETE /conversation/665f01 HTTP/1.1",
        ] {
            let request = server.request().await;
            assert_eq!(request.lines().next(), Some(line));
            let cookie = "cookie: hf-chat=0f9c-2d6e";
            assert!(request.lines().any(|line| line == cookie), "{request}");
        }
        ending.cancel();
    };
    tokio::join!(adapter.run(ending.clone()), asked);
    let loaded = reload(running, folder.path()).await;
    assert!(loaded.conversations.is_empty(), "{loaded:?}");
}

#[tokio::test]
async fn what_can_t_be_deleted_now_is_left_for_the_next_start() {
    let (folder, running) = left_behind().await;
    let failing = || answer("503 Service Unavailable", "");
    let mut server = Server::start(vec![failing(), failing()]).await;
    let adapter = heir(&server.url(), &running);
    let ending = CancellationToken::new();
    let asked = async {
        for _ in 0..2 {
            server.request().await;
        }
        ending.cancel();
    };
    tokio::join!(adapter.run(ending.clone()), asked);
    let loaded = reload(running, folder.path()).await;
    let left: Vec<_> = loaded.conversations.iter().map(|left| &*left.id).collect();
    assert_eq!(left, ["665f01"]);
}

#[tokio::test]
async fn what_a_lost_session_left_is_forgotten() {
    let (folder, running) = left_behind().await;
    let refused = || answer("401 Unauthorized", "");
    let mut server = Server::start(vec![refused(), refused()]).await;
    let adapter = heir(&server.url(), &running);
    let ending = CancellationToken::new();
    let asked = async {
        for _ in 0..2 {
            server.request().await;
        }
        ending.cancel();
    };
    tokio::join!(adapter.run(ending.clone()), asked);
    let loaded = reload(running, folder.path()).await;
    assert!(loaded.conversations.is_empty(), "{loaded:?}");
}
