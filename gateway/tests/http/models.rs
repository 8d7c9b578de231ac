//! Models.

use crate::{fake_core::FakeCore, gateway::TestGateway};

#[tokio::test]
async fn models_are_listed_as_openai_lists_them() {
    let core = FakeCore::default();
    core.has_models(&["org/a", "b"]);
    let gateway = TestGateway::start(core.service()).await;
    for path in ["/v1/models", "/web/v1/models"] {
        let reply = gateway.get(path).await;
        assert_eq!(reply.status, 200);
        assert_eq!(
            reply.text(),
            r#"{"object":"list","data":[{"id":"org/a","object":"model","created":1700000000,"owned_by":"vllm"},{"id":"b","object":"model","created":1700000000,"owned_by":"vllm"}]}"#
        );
    }
}

#[tokio::test]
async fn a_model_is_found_by_an_id_with_slashes_encoded_or_not() {
    let core = FakeCore::default();
    core.has_models(&["org/a:b@c"]);
    let gateway = TestGateway::start(core.service()).await;
    for path in [
        "/v1/models/org/a:b@c",
        "/v1/models/org%2Fa%3Ab%40c",
        "/web/v1/models/org/a:b@c",
    ] {
        let reply = gateway.get(path).await;
        assert_eq!(
            reply.text(),
            r#"{"id":"org/a:b@c","object":"model","created":1700000000,"owned_by":"vllm"}"#
        );
    }
    for path in ["/v1/models/other", "/v1/models/%FF"] {
        let reply = gateway.get(path).await;
        assert_eq!(
            reply.error(),
            (404, Some("model_not_found".to_owned())),
            "{path}"
        );
    }
}
