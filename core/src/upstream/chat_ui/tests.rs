//! The adapter against a server that says exactly what a test wants.

use http::HeaderValue;
use url::Url;

use super::{
    super::{
        Credential, ListedModel, Secret, Upstream,
        http_client::tests::{config, upstream_at},
        openai::tests::server::{Ending, Server},
    },
    ChatUi,
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
