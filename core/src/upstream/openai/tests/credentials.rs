//! What goes along with a credential, and how an upstream changes it.

use http::HeaderValue;
use secrecy::ExposeSecret;
use url::Url;

use super::{
    super::super::{Credential, FailureKind, Secret, Upstream, http_client::tests::upstream_at},
    OpenAi, STREAM, adapter, chat_as, config, events_of_stream,
    server::{Ending, Server},
    with_head,
};

/// An answer that closes its connection, with more headers.
fn answer(status: &str, headers: &str, body: &str) -> (Vec<u8>, Ending) {
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}\r\n");
    ((head + body).into_bytes(), Ending::Close)
}

fn session(cookies: &str) -> Credential {
    Secret::Cookie(cookies.into()).into()
}

fn held(credential: &Credential) -> String {
    credential.secret().expect("one").expose_secret().to_owned()
}

#[track_caller]
fn assert_has_line(request: &str, line: &str) {
    assert!(request.lines().any(|other| other == line), "{request}");
}

#[tokio::test]
async fn a_session_goes_out_as_its_browser_sent_it() {
    let stream = with_head("text/event-stream", STREAM);
    let mut server = Server::start(vec![(stream, Ending::Close)]).await;
    let mut credential = session("sid=0f9c; token=t");
    credential.user_agent = Some(HeaderValue::from_static("Mozilla/5.0 (X11)"));
    let (events, failure) = chat_as(&adapter(&server.url()), &credential).await;
    assert_eq!((events, failure), (events_of_stream(), None));
    let request = server.request().await;
    assert_has_line(&request, "user-agent: Mozilla/5.0 (X11)");
    assert_has_line(&request, "cookie: sid=0f9c; token=t");
    assert_eq!(request.matches("user-agent").count(), 1, "{request}");
    assert!(!request.contains("authorization"), "{request}");
}

#[tokio::test]
async fn cookies_that_an_answer_sets_are_sent_from_then_on() {
    let mut server = Server::start(vec![
        answer(
            "200 OK",
            "content-type: application/json\r\nset-cookie: sid=second-value; Path=/; HttpOnly\r\nset-cookie: csrf=c1\r\n",
            r#"{"data":[{"id":"m-1"}]}"#,
        ),
        answer(
            "200 OK",
            "content-type: text/event-stream\r\nset-cookie: csrf=; Max-Age=0\r\nset-cookie: x=y; Domain=other.example\r\n",
            STREAM,
        ),
        answer(
            "500 Oh",
            "content-type: application/json\r\nset-cookie: sid=third-value\r\n",
            r#"{"error":{"message":"first-value, second-value and third-value are bad"}}"#,
        ),
    ])
    .await;
    let adapter = adapter(&server.url());
    let credential = session("sid=first-value; a=b");

    adapter.list_models(&credential).await.expect("a list");
    assert_has_line(&server.request().await, "cookie: sid=first-value; a=b");
    assert_eq!(held(&credential), "sid=second-value; a=b; csrf=c1");
    assert!(credential.take_change());

    chat_as(&adapter, &credential).await;
    let sent = "cookie: sid=second-value; a=b; csrf=c1";
    assert_has_line(&server.request().await, sent);
    assert_eq!(held(&credential), "sid=second-value; a=b");
    assert!(credential.take_change());

    let (_, failure) = chat_as(&adapter, &credential).await;
    assert_eq!(held(&credential), "sid=third-value; a=b");
    let failure = failure.expect("an error");
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert_eq!(
        failure.upstream_error.expect("told").message,
        "[redacted], [redacted] and [redacted] are bad"
    );
}

#[tokio::test]
async fn a_key_stays_what_it_is() {
    let cookie = "content-type: text/event-stream\r\nset-cookie: sid=1\r\n";
    let server = Server::start(vec![answer("200 OK", cookie, STREAM)]).await;
    let credential = super::key();
    chat_as(&adapter(&server.url()), &credential).await;
    assert_eq!(held(&credential), "sk-secret-0123456789");
    assert!(!credential.take_change());
}

#[tokio::test]
async fn a_credential_s_own_proxy_wins() {
    let stream = with_head("text/event-stream", STREAM);
    let mut proxy = Server::start(vec![
        (stream, Ending::Close),
        answer(
            "200 OK",
            "content-type: application/json\r\n",
            r#"{"data":[{"id":"m-1"}]}"#,
        ),
    ])
    .await;
    let mut upstream = upstream_at("http://upstream.invalid:8000/v1");
    // Nobody listens there.
    upstream.proxy = Some(Url::parse("http://127.0.0.1:9").expect("valid"));
    let adapter = OpenAi::new(&upstream, &config()).expect("a good address");
    let mut credential = super::key();
    credential.proxy = Some(Url::parse(&proxy.url()).expect("valid"));

    let (events, failure) = chat_as(&adapter, &credential).await;
    assert_eq!((events, failure), (events_of_stream(), None));
    let request = proxy.request().await;
    let line = "POST http://upstream.invalid:8000/v1/chat/completions HTTP/1.1";
    assert_has_line(&request, line);
    adapter.list_models(&credential).await.expect("a list");
    let request = proxy.request().await;
    assert_has_line(
        &request,
        "GET http://upstream.invalid:8000/v1/models HTTP/1.1",
    );

    credential.proxy = None;
    let (_, failure) = chat_as(&adapter, &credential).await;
    let message = "upstream.invalid:8000 can't be reached through its proxy: connection refused";
    assert_eq!(failure.expect("no way").message, message);
}

#[tokio::test]
async fn no_proxy_leads_to_this_machine() {
    let stream = with_head("text/event-stream", STREAM);
    let mut server = Server::start(vec![(stream, Ending::Close)]).await;
    let mut credential = super::key();
    credential.proxy = Some(Url::parse("http://127.0.0.1:9").expect("valid"));
    let (events, failure) = chat_as(&adapter(&server.url()), &credential).await;
    assert_eq!((events, failure), (events_of_stream(), None));
    assert_has_line(
        &server.request().await,
        "POST /v1/chat/completions HTTP/1.1",
    );
}

#[tokio::test]
async fn a_way_that_can_t_be_gone_says_so() {
    let adapter = OpenAi::new(&upstream_at("http://upstream.invalid"), &config());
    let mut credential = super::key();
    credential.proxy = Some(Url::parse("ftp://127.0.0.1:9").expect("valid"));
    let (_, failure) = chat_as(&adapter.expect("a good address"), &credential).await;
    let failure = failure.expect("no way");
    assert_eq!(failure.kind, FailureKind::Misconfigured);
    assert_eq!(
        failure.message,
        "the credential's way to upstream.invalid:80 can't be used: its proxy must be http://, https://, socks5:// or socks5h:// and a host"
    );
}
