//! A client that leaves ends the core's work, in every phase.

use std::time::Duration;

use tokio::net::TcpStream;

use crate::{
    fake_core::{FakeCore, Live, message, start, text},
    gateway::{RawConnection, TestGateway},
};

const JSON: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}"#;
/// Time in which the core must know.
const AT_ONCE: Duration = Duration::from_millis(100);

/// How a client leaves.
#[derive(Clone, Copy)]
enum Leave {
    Fin,
    Rst,
}

impl Leave {
    fn leave(self, stream: TcpStream) {
        if let Self::Rst = self {
            stream.set_zero_linger().unwrap();
        }
        drop(stream);
    }
}

async fn leaves(leave: Leave, connection: RawConnection, mut live: Live) {
    leave.leave(connection.stream);
    tokio::time::timeout(AT_ONCE, live.dropped())
        .await
        .expect("the core's work is dropped at once");
}

#[tokio::test]
async fn before_the_first_byte() {
    for leave in [Leave::Fin, Leave::Rst] {
        for body in [JSON, STREAM] {
            let core = FakeCore::default();
            let mut live = core.live(true);
            let gateway = TestGateway::start(core.service()).await;
            let connection = gateway.raw_chat(body).await;
            live.asked().await;
            leaves(leave, connection, live).await;
        }
    }
}

#[tokio::test]
async fn in_the_middle_of_an_answer() {
    for leave in [Leave::Fin, Leave::Rst] {
        let core = FakeCore::default();
        let live = core.live(false);
        live.send(message(vec![start(), text("a")])).await;
        let gateway = TestGateway::start(core.service()).await;
        let mut connection = gateway.raw_chat(STREAM).await;
        connection.sees(r#"{"content":"a"}"#).await;
        leaves(leave, connection, live).await;
    }
}

#[tokio::test]
async fn while_it_does_not_read() {
    for leave in [Leave::Fin, Leave::Rst] {
        let core = FakeCore::default();
        let live = core.live(false);
        let gateway = TestGateway::start(core.service()).await;
        let connection = gateway.raw_chat(STREAM).await;
        live.send(message(vec![start()])).await;
        let block = "a".repeat(1 << 20);
        // Until neither the sockets nor the gateway take any more.
        while tokio::time::timeout(AT_ONCE, live.send(message(vec![text(&block)])))
            .await
            .is_ok()
        {}
        leaves(leave, connection, live).await;
    }
}
