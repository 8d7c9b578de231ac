//! How connections are used, used again, and given up.

use std::{fmt::Write, time::Duration};

use futures_util::StreamExt;
use llm2api_proto::v1::chat_event::Event;

use super::{
    super::super::{ANONYMOUS, ChatCall, FailureKind, Upstream},
    STREAM, adapter, chat, events_of_stream, failed, question,
    server::{Ending, Server},
};

/// An answer whose end can be told from the connection's, each event in a chunk of its own.
fn chunked(stream: &str) -> Vec<u8> {
    let mut answer =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_owned();
    for event in stream.split_inclusive("\n\n") {
        write!(answer, "{:x}\r\n{event}\r\n", event.len()).expect("a string");
    }
    answer.push_str("0\r\n\r\n");
    answer.into_bytes()
}

/// An answer after which the connection waits for the next request.
fn kept() -> (Vec<u8>, Ending) {
    (chunked(STREAM), Ending::Later(Vec::new()))
}

#[tokio::test]
async fn a_connection_that_is_closed_instead_of_an_answer_is_replaced_once() {
    let closed = || (Vec::new(), Ending::Close);
    let last = (chunked(STREAM), Ending::Close);
    let mut server = Server::start(vec![kept(), closed(), last, closed()]).await;
    let adapter = adapter(&server.url());
    assert_eq!(chat(&adapter).await, (events_of_stream(), None));
    adapter.clients.drained().await;
    server.go_on().await;
    assert_eq!(chat(&adapter).await, (events_of_stream(), None));
    for _ in 0..3 {
        server.request().await;
    }
    assert_eq!(server.connection_count(), 2);
    // A new connection has no excuse.
    adapter.clients.drained().await;
    let (events, failure) = chat(&adapter).await;
    assert_eq!(events, []);
    let broke = format!(
        "the connection to {} broke: connection closed before message completed",
        server.address()
    );
    assert_eq!(failure, Some(failed(FailureKind::Unavailable, broke)));
}

#[tokio::test]
async fn a_request_whose_answer_had_begun_is_not_sent_again() {
    let begun = (b"HTTP/1.1 2".to_vec(), Ending::Close);
    let mut server = Server::start(vec![kept(), begun]).await;
    let adapter = adapter(&server.url());
    assert_eq!(chat(&adapter).await, (events_of_stream(), None));
    adapter.clients.drained().await;
    server.go_on().await;
    let (events, failure) = chat(&adapter).await;
    assert_eq!(events, []);
    let broke = format!(
        "the connection to {} broke: connection closed before message completed",
        server.address()
    );
    assert_eq!(failure, Some(failed(FailureKind::Unavailable, broke)));
    for _ in 0..2 {
        server.request().await;
    }
    assert_eq!(server.connection_count(), 1);
}

#[tokio::test]
async fn a_connection_that_waited_too_long_is_not_used() {
    let server = Server::start(vec![kept(), kept(), kept()]).await;
    let adapter = adapter(&server.url());
    let wait = async |time| {
        adapter.clients.drained().await;
        server.go_on().await;
        tokio::time::pause();
        tokio::time::advance(time).await;
        tokio::time::resume();
    };
    assert_eq!(chat(&adapter).await, (events_of_stream(), None));
    wait(Duration::from_millis(3900)).await;
    assert_eq!(chat(&adapter).await, (events_of_stream(), None));
    assert_eq!(server.connection_count(), 1);
    wait(Duration::from_secs(4)).await;
    assert_eq!(chat(&adapter).await, (events_of_stream(), None));
    assert_eq!(server.connection_count(), 2);
}

#[tokio::test]
async fn what_came_at_once_is_one_batch() {
    let server = Server::start(vec![(chunked(STREAM), Ending::Hold)]).await;
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
    assert_eq!(batch.events, events_of_stream());
    assert_eq!(batch.size_bytes, STREAM.len());
    assert!(answer.next().await.is_none());
}

#[tokio::test]
async fn an_answer_of_ten_megabytes_arrives_whole() {
    let text = "0123456789abcdef".repeat(64);
    let piece =
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n");
    let count = 10 * 1024;
    let mut stream = piece.repeat(count);
    stream.push_str("data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
    let server = Server::start(vec![(chunked(&stream), Ending::Hold)]).await;
    let (events, failure) = chat(&adapter(&server.url())).await;
    assert_eq!(failure, None);
    let mut received = 0;
    for event in &events {
        if let Some(Event::Delta(delta)) = &event.event {
            assert_eq!(delta.content.as_ref(), Some(&text));
            received += 1;
        }
    }
    assert_eq!(received, count);
}
