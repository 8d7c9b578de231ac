//! The adapter against a server that says exactly what a test wants, over TCP.

mod connections;
mod credentials;
mod failing;
mod golden;
pub(in crate::upstream) mod server;

use futures_util::StreamExt;
use llm2api_proto::v1::{
    ChatEvent, ChatRequest, ChatStart, ChoiceDelta, ChoiceFinish, FinishReason, Message, Usage,
    chat_event::Event,
};
use prost_types::Timestamp;
use url::Url;

use self::server::{Ending, Server};
use super::{
    super::{
        ANONYMOUS, ChatCall, Credential, Failure, FailureKind, ListedModel, Upstream,
        http_client::tests::{config, upstream_at},
    },
    OpenAi,
};

/// An answer as OpenAI streams it.
const STREAM: &str = concat!(
    r#"data: {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m-1","system_fingerprint":"fp","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"obfuscation":"xy"}"#,
    "\n\n",
    r#"data: {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m-1","system_fingerprint":"fp","choices":[{"index":0,"delta":{"content":"好🙂"},"finish_reason":null}]}"#,
    "\n\n",
    r#"data: {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m-1","system_fingerprint":"fp","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    "\n\n",
    r#"data: {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m-1","system_fingerprint":"fp","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#,
    "\n\ndata: [DONE]\n\n",
);

const JSON: &str = r#"{"id":"c1","object":"chat.completion","created":7,"model":"m-1","system_fingerprint":"fp","choices":[{"index":0,"message":{"role":"assistant","content":"好🙂"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;

fn events_of_stream() -> Vec<ChatEvent> {
    let delta = |role: &str, content: Option<&str>| {
        Event::Delta(ChoiceDelta {
            role: role.to_owned(),
            content: content.map(str::to_owned),
            ..ChoiceDelta::default()
        })
    };
    events([
        start(),
        delta("assistant", None),
        delta("", Some("好🙂")),
        finish(FinishReason::Stop),
        cost(),
    ])
}

fn events_of_json() -> Vec<ChatEvent> {
    let delta = Event::Delta(ChoiceDelta {
        role: "assistant".to_owned(),
        content: Some("好🙂".to_owned()),
        ..ChoiceDelta::default()
    });
    events([start(), delta, finish(FinishReason::Stop), cost()])
}

fn start() -> Event {
    Event::Start(ChatStart {
        id: "c1".to_owned(),
        create_time: Some(Timestamp {
            seconds: 7,
            nanos: 0,
        }),
        upstream_model: "m-1".to_owned(),
        system_fingerprint: "fp".to_owned(),
        ..ChatStart::default()
    })
}

fn finish(reason: FinishReason) -> Event {
    Event::Finish(ChoiceFinish {
        reason: reason.into(),
        ..ChoiceFinish::default()
    })
}

fn cost() -> Event {
    Event::Usage(Usage {
        prompt_tokens: 3,
        completion_tokens: 2,
        total_tokens: 5,
        ..Usage::default()
    })
}

fn events(events: impl IntoIterator<Item = Event>) -> Vec<ChatEvent> {
    events
        .into_iter()
        .map(|event| ChatEvent {
            event: Some(event),
            extra_fields: Vec::new(),
        })
        .collect()
}

fn adapter(url: &str) -> OpenAi {
    OpenAi::new(&upstream_at(url), &config()).expect("a good address")
}

fn question() -> ChatRequest {
    ChatRequest {
        model: "asked".to_owned(),
        messages: vec![Message {
            role: "user".to_owned(),
            content: Some("hi".to_owned()),
            ..Message::default()
        }],
        ..ChatRequest::default()
    }
}

fn key() -> Credential {
    Credential::api_key("sk-secret-0123456789".to_owned().into())
}

/// Chats, and returns the events that came and the failure after them, if there is one.
async fn chat(adapter: &OpenAi) -> (Vec<ChatEvent>, Option<Failure>) {
    chat_as(adapter, &key()).await
}

/// The same with this credential.
async fn chat_as(adapter: &OpenAi, credential: &Credential) -> (Vec<ChatEvent>, Option<Failure>) {
    let request = question();
    let call = ChatCall {
        request: &request,
        replacement: None,
        model: "m-1",
        credential,
        trace: None,
    };
    let mut answer = match adapter.chat(call).await {
        Ok(answer) => answer,
        Err(failure) => return (Vec::new(), Some(failure)),
    };
    let mut events = Vec::new();
    while let Some(batch) = answer.next().await {
        match batch {
            Ok(batch) => events.extend(batch.events),
            Err(failure) => {
                assert!(answer.next().await.is_none(), "nothing follows a failure");
                return (events, Some(failure));
            }
        }
    }
    (events, None)
}

async fn chat_with(answer: &[u8], ending: Ending) -> (Vec<ChatEvent>, Option<Failure>, String) {
    let server = Server::start(vec![(answer.to_vec(), ending)]).await;
    let (events, failure) = chat(&adapter(&server.url())).await;
    (events, failure, server.address())
}

fn with_head(content_type: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

fn failed(kind: FailureKind, message: String) -> Failure {
    Failure::new(kind, message)
}

#[tokio::test]
async fn a_chat_is_sent_as_json_and_its_stream_arrives_as_events() {
    let answer = with_head("text/event-stream; charset=utf-8", STREAM);
    let mut server = Server::start(vec![(answer, Ending::Close)]).await;
    let (events, failure) = chat(&adapter(&server.url())).await;
    assert_eq!(failure, None);
    assert_eq!(events, events_of_stream());

    let request = server.request().await;
    let (head, body) = request.split_once("\r\n\r\n").expect("a head and a body");
    let mut lines: Vec<&str> = head.split("\r\n").collect();
    lines.sort_unstable();
    let host = format!("host: {}", server.address());
    let length = format!("content-length: {}", body.len());
    let agent = concat!("user-agent: llm2api/", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        lines,
        [
            "POST /v1/chat/completions HTTP/1.1",
            "accept-encoding: identity",
            "accept: text/event-stream, application/json",
            "authorization: Bearer sk-secret-0123456789",
            &length,
            "content-type: application/json",
            &host,
            agent,
        ]
    );
    assert_eq!(
        body,
        r#"{"model":"m-1","messages":[{"role":"user","content":"hi"}],"stream":true,"stream_options":{"include_usage":true}}"#
    );
}

#[tokio::test]
async fn answers_arrive_whatever_their_head_says_and_however_they_are_framed() {
    let ends_without_marker = STREAM.replace("\n\ndata: [DONE]\n\n", "");
    let table = [
        ("text/event-stream", STREAM, events_of_stream()),
        ("application/json", STREAM, events_of_stream()),
        ("text/plain", STREAM, events_of_stream()),
        (
            "text/event-stream",
            &*ends_without_marker,
            events_of_stream(),
        ),
        ("application/json", JSON, events_of_json()),
        ("text/plain", JSON, events_of_json()),
    ];
    for (content_type, body, expected) in table {
        let answer = with_head(content_type, body);
        let (events, failure, _) = chat_with(&answer, Ending::Close).await;
        assert_eq!(failure, None, "{content_type}: {body}");
        assert_eq!(events, expected, "{content_type}: {body}");
    }
}

#[tokio::test]
async fn an_upstream_that_holds_the_connection_after_the_last_finish_has_answered() {
    let without_marker = STREAM.replace("data: [DONE]\n\n", "");
    let answer = with_head("text/event-stream", &without_marker);
    let (events, failure, _) = chat_with(&answer, Ending::Hold).await;
    assert_eq!((events, failure), (events_of_stream(), None));
}

#[tokio::test]
async fn a_connection_is_used_again_though_its_last_byte_comes_after_the_end_marker() {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = format!("{head}{:x}\r\n{STREAM}\r\n", STREAM.len()).into_bytes();
    let mut server = Server::start(vec![
        (answer.clone(), Ending::Later(b"0\r\n\r\n".to_vec())),
        (answer, Ending::Close),
    ])
    .await;
    let adapter = adapter(&server.url());
    assert_eq!(chat(&adapter).await, (events_of_stream(), None));
    server.go_on().await;
    server.request().await;
    // The connection is back once the drained body has seen its end.
    adapter.clients.drained().await;
    assert_eq!(chat(&adapter).await, (events_of_stream(), None));
    server.request().await;
    assert_eq!(server.connection_count(), 1);
}

#[tokio::test]
async fn an_answer_that_is_dropped_closes_its_connection() {
    let half = STREAM.split_inclusive("\n\n").take(2).collect::<String>();
    let answer = with_head("text/event-stream", &half);
    let mut server = Server::start(vec![(answer, Ending::Hold)]).await;
    let adapter = adapter(&server.url());
    let request = question();
    let call = ChatCall {
        request: &request,
        replacement: None,
        model: "m-1",
        credential: &ANONYMOUS,
        trace: None,
    };
    let mut answer = adapter.chat(call).await.expect("a head");
    let batch = answer.next().await.expect("a batch").expect("events");
    assert!(!batch.events.is_empty());
    drop(answer);
    server.closed_by_client().await;
}

#[tokio::test]
async fn models_are_listed_with_the_credential() {
    let answer =
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"data\":[{\"id\":\"m\",\"created\":3}]}";
    let mut server = Server::start(vec![(answer.to_vec(), Ending::Close)]).await;
    let models = adapter(&format!("{}/api/v1/", server.url()))
        .list_models(&key())
        .await;
    assert_eq!(
        models,
        Ok(vec![ListedModel {
            id: "m".to_owned(),
            created: Some(3),
        }])
    );
    let request = server.request().await;
    assert!(request.starts_with("GET /api/v1/models HTTP/1.1\r\n"));
    assert!(request.contains("authorization: Bearer sk-secret-0123456789\r\n"));
}

#[tokio::test]
async fn a_login_in_the_url_is_sent_and_never_shown() {
    let answer = b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n";
    let mut server = Server::start(vec![(answer.to_vec(), Ending::Close)]).await;
    let url = server.url().replace("http://", "http://jane:pass@");
    let failure = adapter(&url).list_models(&ANONYMOUS).await;
    assert_eq!(
        failure,
        Err(Failure {
            status: Some(500),
            ..failed(
                FailureKind::Unavailable,
                format!("{} answered 500 Internal Server Error", server.address())
            )
        })
    );
    let request = server.request().await;
    assert!(
        request.contains("authorization: Basic amFuZTpwYXNz\r\n"),
        "{request}"
    );
    assert!(request.contains(&format!("host: {}\r\n", server.address())));
}
#[tokio::test]
async fn an_upstream_behind_a_proxy_is_asked_through_it() {
    let answer = with_head("text/event-stream", STREAM);
    let mut proxy = Server::start(vec![(answer, Ending::Close)]).await;
    let mut upstream = upstream_at("http://up.example:8000/v1");
    upstream.proxy = Some(Url::parse(&proxy.url()).expect("valid"));
    let adapter = OpenAi::new(&upstream, &config()).expect("a good address");
    assert_eq!(chat(&adapter).await, (events_of_stream(), None));
    let request = proxy.request().await;
    let line = "POST http://up.example:8000/v1/chat/completions HTTP/1.1\r\n";
    assert!(request.starts_with(line), "{request}");
}
