//! What an upstream can do wrong, and what is said of it.

use std::time::Duration;

use llm2api_proto::v1::RawField;

use super::{
    super::{
        super::{
            ANONYMOUS, ChatCall, Credential, Failure, FailureKind, Secret, Upstream,
            failure::{Clock, UpstreamError},
            http_client::tests::{config, upstream_at},
        },
        OpenAi,
    },
    STREAM, adapter, chat, chat_as, chat_with, events_of_stream, failed, question,
    server::{Ending, Server},
    with_head,
};
use crate::pool::InvalidReason;

#[tokio::test]
async fn a_stream_that_breaks_in_the_middle_fails_after_its_events() {
    let half = STREAM.split_inclusive("\n\n").take(2).collect::<String>();
    let answer = with_head("text/event-stream", &half);
    let before = events_of_stream()[..3].to_vec();

    let (events, failure, address) = chat_with(&answer, Ending::Close).await;
    assert_eq!(events, before);
    let expected = format!("the stream of {address} ended before the answer was complete");
    assert_eq!(
        failure,
        Some(failed(FailureKind::Unavailable, expected.clone()))
    );

    // Cut inside of an event.
    let mut cut = answer.clone();
    cut.extend_from_slice(b"data: {\"id\":\"c1\",\"choi");
    let (events, failure, address) = chat_with(&cut, Ending::Close).await;
    assert_eq!(events, before);
    let expected = format!("the stream of {address} ended before the answer was complete");
    assert_eq!(failure, Some(failed(FailureKind::Unavailable, expected)));

    let (events, failure, address) = chat_with(&answer, Ending::Reset).await;
    assert_eq!(events, before);
    let expected = format!("the connection to {address} broke: connection reset");
    assert_eq!(failure, Some(failed(FailureKind::Unavailable, expected)));
}

#[tokio::test]
async fn a_reset_after_the_last_finish_harms_nobody() {
    let body: String = STREAM.split_inclusive("\n\n").take(4).collect();
    let answer = with_head("text/event-stream", &body);
    let (events, failure, _) = chat_with(&answer, Ending::Reset).await;
    assert_eq!((events, failure), (events_of_stream(), None));
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let (events, failure) = chat(&adapter(&format!("http://{address}"))).await;
    assert_eq!(events, []);
    let expected = format!("{address} can't be reached: connection refused");
    assert_eq!(failure, Some(failed(FailureKind::Unavailable, expected)));

    let (_, failure, address) = chat_with(b"", Ending::Close).await;
    let failure = failure.expect("no answer");
    assert_eq!(failure.kind, FailureKind::Unavailable);
    let expected = format!("the connection to {address} broke: ");
    assert!(failure.message.starts_with(&expected), "{failure}");
}

#[tokio::test]
async fn an_upstream_that_does_not_take_connections_misses_the_connect_clock() {
    // A listener whose queue is full: what connects to it is not answered.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket
        .bind("127.0.0.1:0".parse().expect("valid"))
        .expect("a free port");
    let listener = socket.listen(0).expect("bound");
    let address = listener.local_addr().expect("bound");
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let connect = tokio::net::TcpStream::connect(address);
        match tokio::time::timeout(Duration::from_millis(200), connect).await {
            Ok(stream) => waiting.push(stream.expect("connected")),
            Err(_) => break,
        }
    }
    let mut general = config();
    general.clocks.connect = Duration::from_millis(100);
    let adapter = OpenAi::new(&upstream_at(&format!("http://{address}")), &general).expect("good");
    let (_, failure) = chat(&adapter).await;
    assert_eq!(
        failure,
        Some(failed(
            FailureKind::Clock(Clock::Connect),
            format!("{address} was not reached in time")
        ))
    );
}

#[tokio::test]
async fn what_is_no_answer_fails_with_what_it_is() {
    let half = r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;
    let table = [
        (
            "text/html",
            "<html>",
            FailureKind::Misconfigured,
            "ADDRESS answered with a web page (200 OK); the upstream's url should be that of an OpenAI-compatible API",
        ),
        (
            "text/plain",
            "\n<!DOCTYPE html>",
            FailureKind::Misconfigured,
            "ADDRESS answered with a web page (200 OK); the upstream's url should be that of an OpenAI-compatible API",
        ),
        (
            "text/event-stream",
            "",
            FailureKind::Unavailable,
            "the stream of ADDRESS ended before the answer was complete",
        ),
        (
            "application/json",
            "",
            FailureKind::Unavailable,
            "the stream of ADDRESS ended before the answer was complete",
        ),
        (
            "text/event-stream",
            "data: [DONE]\n\n",
            FailureKind::Unavailable,
            "ADDRESS sent an answer that says nothing",
        ),
        (
            "text/event-stream",
            "data: garbage\n\n",
            FailureKind::Unavailable,
            "ADDRESS sent what is no part of a chat completion",
        ),
        (
            "application/x-ndjson",
            &format!("{half}\n{half}\n"),
            FailureKind::Unavailable,
            "ADDRESS sent what is no chat completion",
        ),
        (
            "application/json",
            "{}",
            FailureKind::Unavailable,
            "ADDRESS sent what is no chat completion",
        ),
    ];
    for (content_type, body, kind, message) in table {
        let answer = with_head(content_type, body);
        let (events, failure, address) = chat_with(&answer, Ending::Close).await;
        assert_eq!(events, [], "{body}");
        let failure = failure.expect(body);
        assert_eq!(failure.kind, kind, "{body}");
        assert_eq!(failure.message, message.replace("ADDRESS", &address));
    }
}

#[tokio::test]
async fn an_answer_that_is_compressed_all_the_same_is_not_read() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n\x1f\x8b";
    let (events, failure, address) = chat_with(answer, Ending::Close).await;
    assert_eq!(events, []);
    let expected = format!("{address} compressed its answer, which it was asked not to do");
    assert_eq!(failure, Some(failed(FailureKind::Unavailable, expected)));
}

#[tokio::test]
async fn an_end_marker_after_nothing_but_the_role_is_no_answer() {
    let role = r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#;
    let answer = with_head("text/event-stream", &format!("{role}\n\ndata: [DONE]\n\n"));
    let (events, failure, address) = chat_with(&answer, Ending::Close).await;
    assert_eq!(events.len(), 2, "the start and the role: {events:?}");
    let expected = format!("{address} sent an answer that says nothing");
    assert_eq!(failure, Some(failed(FailureKind::Unavailable, expected)));
}

#[tokio::test]
async fn an_event_larger_than_the_limit_fails() {
    let body = format!("data: {}", "x".repeat(2 << 20));
    let answer = with_head("text/event-stream", &body);
    let (events, failure, address) = chat_with(&answer, Ending::Close).await;
    assert_eq!(events, []);
    let expected = format!("{address} sent an event of more than 1048576 bytes");
    assert_eq!(failure, Some(failed(FailureKind::Unavailable, expected)));
}

#[tokio::test]
async fn an_error_in_a_stream_fails_with_what_it_says() {
    let body = r#"data: {"error":{"message":"Rate limit for sk-secret-0123456789","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#;
    let answer = with_head("text/event-stream", body);
    let (events, failure, address) = chat_with(&answer, Ending::Close).await;
    assert_eq!(events, []);
    assert_eq!(
        failure,
        Some(Failure {
            status: Some(429),
            upstream_error: Some(UpstreamError {
                message: "Rate limit for [redacted]".to_owned(),
                error_type: Some("requests".to_owned()),
                param: None,
                code: Some("rate_limit_exceeded".to_owned()),
            }),
            ..failed(
                FailureKind::RateLimited,
                format!("{address} answered with an error")
            )
        })
    );
}

#[tokio::test]
async fn a_status_that_is_no_success_fails_with_what_it_says() {
    let answer = concat!(
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n",
        r#"{"error":{"message":"slow down","type":"tokens","code":429}}"#,
    );
    let (events, failure, address) = chat_with(answer.as_bytes(), Ending::Close).await;
    assert_eq!(events, []);
    assert_eq!(
        failure,
        Some(Failure {
            retry_after: Some(Duration::from_secs(7)),
            status: Some(429),
            upstream_error: Some(UpstreamError {
                message: "slow down".to_owned(),
                error_type: Some("tokens".to_owned()),
                param: None,
                code: Some("429".to_owned()),
            }),
            ..failed(
                FailureKind::RateLimited,
                format!("{address} answered 429 Too Many Requests")
            )
        })
    );
}

#[tokio::test]
async fn a_credential_that_is_not_let_in_hears_why() {
    let page = "<html><head><title>Just a moment...</title></head></html>";
    let cookie = || Credential::from(Secret::Cookie("sid=0f9c".into()));
    for (credential, status, headers, body, reason) in [
        (
            super::key(),
            "401 Unauthorized",
            "",
            "{}",
            InvalidReason::Revoked,
        ),
        (
            cookie(),
            "401 Unauthorized",
            "",
            "{}",
            InvalidReason::Expired,
        ),
        (cookie(), "403 Forbidden", "", "{}", InvalidReason::Blocked),
        (
            cookie(),
            "403 Forbidden",
            "content-type: text/html\r\n",
            page,
            InvalidReason::Challenge,
        ),
        (
            super::key(),
            "503 Service Unavailable",
            "cf-mitigated: challenge\r\n",
            "",
            InvalidReason::Challenge,
        ),
    ] {
        let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}\r\n{body}");
        let server = Server::start(vec![(answer.into_bytes(), Ending::Close)]).await;
        let (_, failure) = chat_as(&adapter(&server.url()), &credential).await;
        let failure = failure.expect("not let in");
        let told = (failure.kind, failure.invalid_reason);
        assert_eq!(told, (FailureKind::Unauthorized, reason), "{status}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let answer =
        b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let (_, failure, address) = chat_with(answer, Ending::Close).await;
    let message = format!(
        "{address} answered with a redirect (302 Found); the upstream's url should be that of an OpenAI-compatible API"
    );
    assert_eq!(
        failure,
        Some(Failure {
            status: Some(302),
            ..failed(FailureKind::Misconfigured, message)
        })
    );
}

#[tokio::test]
async fn a_request_that_carries_what_is_no_json_is_not_sent() {
    let adapter = adapter("http://127.0.0.1:1");
    let mut request = question();
    request.extra_fields.push(RawField {
        name: "top_k".to_owned(),
        value_json: "1,\"model\":\"other\"".to_owned(),
    });
    let call = ChatCall {
        request: &request,
        replacement: None,
        model: "m-1",
        credential: &ANONYMOUS,
        trace: None,
    };
    let failure = adapter.chat(call).await.err();
    assert_eq!(
        failure,
        Some(failed(
            FailureKind::Rejected,
            "the field `top_k` is not valid JSON".to_owned()
        ))
    );
}
