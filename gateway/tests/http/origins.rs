//! Administration, as seen from web pages.

use http::Method;

use crate::{
    fake_core::FakeCore,
    gateway::{TestGateway, request},
};

#[tokio::test]
async fn administration_is_kept_from_pages_of_other_origins() {
    let core = FakeCore::default();
    let gateway = TestGateway::start(core.service()).await;
    for (method, path) in [
        (Method::GET, "/cookies"),
        (Method::POST, "/cookie/add"),
        (Method::DELETE, "/cookies/ck_1"),
        (Method::GET, "/upstreams"),
        (Method::POST, "/upstreams/chat/test"),
        (Method::OPTIONS, "/cookies"),
    ] {
        let headers = [("origin", "https://evil.example")];
        let reply = gateway.send(request(method, path, &headers, "")).await;
        assert_eq!(
            reply.error(),
            (403, Some("insufficient_permissions".to_owned())),
            "{path}"
        );
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
    assert!(core.was_not_asked());
}

#[tokio::test]
async fn the_gateways_own_pages_may_administer() {
    let gateway = TestGateway::start(FakeCore::default().service()).await;
    for headers in [
        [
            ("origin", "http://gateway"),
            ("sec-fetch-site", "same-site"),
        ],
        [
            ("origin", "https://outside.example"),
            ("sec-fetch-site", "same-origin"),
        ],
    ] {
        let reply = gateway
            .send(request(Method::GET, "/cookies", &headers, ""))
            .await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
}
