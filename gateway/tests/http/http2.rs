//! HTTP/2 without TLS, as proxies speak it.

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, task::JoinSet};

use crate::{
    fake_core::{FakeCore, message, start, text},
    gateway::{TestGateway, in_time},
};

const STREAM: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}"#;

#[tokio::test]
async fn a_stream_that_is_given_up_is_dropped_and_its_neighbour_goes_on() {
    let core = FakeCore::default();
    let gateway = TestGateway::start(core.service()).await;
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let mut streams = Vec::new();
    for _ in 0..2 {
        let live = core.live(false);
        live.send(message(vec![start(), text("a")])).await;
        let request = Request::post(format!("http://{}/v1/chat/completions", gateway.address))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(STREAM)))
            .unwrap();
        let response = in_time(sender.send_request(request)).await.unwrap();
        assert_eq!(response.status(), 200);
        streams.push((live, response.into_body()));
    }
    let (mut given_up, body) = streams.remove(0);
    drop(body);
    in_time(given_up.dropped()).await;
    let (live, body) = streams.remove(0);
    live.send(message(vec![text("b")])).await;
    drop(live);
    let rest = in_time(body.collect()).await.unwrap().to_bytes();
    assert!(rest.ends_with(b"data: [DONE]\n\n"));
}
