//! What a key doesn't open, each with its own answer, by HTTP and by gRPC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use llm2api_proto::{
    ContractError,
    v1::{
        ChatRequest, ErrorReason, ListModelsRequest, Message, SearchRequest,
        chat_service_client::ChatServiceClient, model_service_client::ModelServiceClient,
        search_service_client::SearchServiceClient,
    },
};
use llm2api_test_support::{
    Deployment, Llm2Api, Request, ScriptedSearxng, ScriptedUpstream, within,
};
use serde_json::{Value, json};

use super::{Made, operate};
use crate::{
    canned,
    stage::{MODEL, Stage, instance},
    upstream_errors::verdict,
};

both_deployments! {
    a_revoked_key_is_refused_within_a_second,
    an_expired_key_is_refused,
    a_key_is_refused_from_other_networks,
    a_proxy_that_nobody_knows_lends_its_network_to_nobody,
    a_key_is_never_admin,
    other_models_are_hidden_and_refused,
    where_the_fallback_is_not_allowed_it_does_not_answer,
    without_web_search_none_is_made,
    a_grpc_caller_meets_the_same_limits,
}

fn models(key: &str) -> Request {
    Request::get("/v1/models").bearer(key)
}

fn invalid_key() -> (u16, Value) {
    (
        401,
        json!(["invalid_request_error", null, "invalid_api_key"]),
    )
}

async fn a_revoked_key_is_refused_within_a_second(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let instance = &stage.instance;
    Made::with(instance, json!({})).await;
    let key = Made::with(instance, json!({})).await;
    assert_eq!(instance.exchange(&models(&key.value)).await.status, 200);
    operate(instance, "DELETE", &format!("/keys/{}", key.id), None).await;
    let revoked = tokio::time::Instant::now();
    let last = loop {
        let answer = instance.exchange(&models(&key.value)).await;
        if answer.status != 200 {
            break answer;
        }
        assert!(revoked.elapsed() < Duration::from_secs(5), "still let in");
    };
    assert_eq!(verdict(&last), invalid_key());
}

async fn an_expired_key_is_refused(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let instance = &stage.instance;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let key = Made::with(instance, json!({"expires_at": now.as_secs() + 2})).await;
    assert_eq!(instance.exchange(&models(&key.value)).await.status, 200);
    let expired = async {
        loop {
            let answer = instance.exchange(&models(&key.value)).await;
            if answer.status != 200 {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    let answer = within("the key to expire", expired).await;
    assert_eq!(verdict(&answer), invalid_key());
    assert!(answer.text().contains("expired"), "{}", answer.text());
    assert_eq!(key.shown(instance).await["state"], json!("expired"));
    let path = format!("/keys/{}", key.id);
    operate(instance, "PATCH", &path, Some(json!({"expires_at": 0}))).await;
    assert_eq!(instance.exchange(&models(&key.value)).await.status, 200);
}

async fn a_key_is_refused_from_other_networks(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let instance = &stage.instance;
    let key = Made::with(instance, json!({"networks": ["192.0.2.0/24"]})).await;
    let from = |address: &str| models(&key.value).header("X-Forwarded-For", address);
    assert_eq!(instance.exchange(&from("192.0.2.7")).await.status, 200);
    for request in [from("198.51.100.7"), models(&key.value)] {
        let answer = instance.exchange(&request).await;
        let expected = json!(["invalid_request_error", null, "insufficient_permissions"]);
        assert_eq!(verdict(&answer), (403, expected));
        assert!(answer.text().contains("network"), "{}", answer.text());
    }
}

async fn a_proxy_that_nobody_knows_lends_its_network_to_nobody(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let instance = &stage.instance;
    let key = Made::with(instance, json!({"networks": ["127.0.0.1"]})).await;
    assert_eq!(instance.exchange(&models(&key.value)).await.status, 200);
    let forwarded = models(&key.value).header("X-Forwarded-For", "127.0.0.1");
    let answer = instance.exchange(&forwarded).await;
    let expected = json!(["invalid_request_error", null, "insufficient_permissions"]);
    assert_eq!(verdict(&answer), (403, expected));
}

async fn a_key_is_never_admin(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let key = Made::with(&stage.instance, json!({"introspection": true})).await;
    for (method, path) in [
        ("GET", "/keys".to_owned()),
        ("POST", "/keys".to_owned()),
        ("PATCH", format!("/keys/{}", key.id)),
        ("DELETE", format!("/keys/{}", key.id)),
        ("POST", format!("/keys/{}/rotate", key.id)),
        ("GET", "/cookies".to_owned()),
    ] {
        let request = Request::new(method, &path).bearer(&key.value);
        let answer = stage.instance.exchange(&request).await;
        let expected = json!(["invalid_request_error", null, "insufficient_permissions"]);
        assert_eq!(verdict(&answer), (403, expected), "{method} {path}");
    }
}

/// The ids that a key sees.
async fn seen(instance: &Llm2Api, key: &Made) -> Vec<String> {
    let list = instance.exchange(&models(&key.value)).await.json();
    let models = list["data"].as_array().expect("a list").iter();
    models
        .map(|model| model["id"].as_str().expect("an id").to_owned())
        .collect()
}

async fn other_models_are_hidden_and_refused(deployment: Deployment) {
    let upstream = ScriptedUpstream::start(&["one", "two"]).await;
    upstream.answer("one", canned::stream_text(&["Hello"]));
    upstream.answer("two", canned::stream_text(&["Hello"]));
    let instance = instance(deployment)
        .setting("UPSTREAM_URL", &upstream.url())
        .setting("UPSTREAM_NAME", "up")
        .setting("MODEL_ALIASES", "other-one=one,other-two=two")
        .start()
        .await;
    let key = Made::with(&instance, json!({"models": ["one", "other-two"]})).await;
    assert_eq!(seen(&instance, &key).await, ["one", "other-two"]);
    // `upstream/id` is allowed by the id, an alias by its own name alone.
    for allowed in ["one", "other-two", "up/one"] {
        let answer = key.chat(&instance, canned::ask_model(allowed, true)).await;
        assert_eq!(answer.status, 200, "{allowed}: {}", answer.text());
    }
    for refused in ["two", "other-one", "up/two"] {
        let answer = key.chat(&instance, canned::ask_model(refused, true)).await;
        let expected = json!(["invalid_request_error", "model", "model_not_allowed"]);
        assert_eq!(verdict(&answer), (403, expected), "{refused}");
        let path = format!("/v1/models/{refused}");
        let answer = instance
            .exchange(&Request::get(&path).bearer(&key.value))
            .await;
        assert_eq!(answer.status, 404, "{refused}");
    }
    let unknown = key.chat(&instance, canned::ask_model("three", true)).await;
    assert_eq!(unknown.status, 404, "{}", unknown.text());
    assert_eq!(upstream.chats().len(), 3);
}

async fn where_the_fallback_is_not_allowed_it_does_not_answer(deployment: Deployment) {
    let upstream = ScriptedUpstream::start(&["one", "two"]).await;
    upstream.answer("two", canned::stream_text(&["Hello"]));
    let failing = ScriptedUpstream::start(&[]).await;
    let url = failing.url();
    drop(failing);
    let file = format!(
        "[[upstreams]]\nname = \"up\"\nkind = \"openai\"\nurl = \"{}\"\nmodels = [\"two\"]\n\
         [[upstreams]]\nname = \"down\"\nkind = \"openai\"\nurl = \"{url}\"\nmodels = [\"one\"]\n",
        upstream.url()
    );
    let instance = instance(deployment)
        .setting("FALLBACK_MODEL", "two")
        .setting("RETRY_ATTEMPTS", "1")
        .file(&file)
        .start()
        .await;
    let all = Made::with(&instance, json!({})).await;
    let answer = all.chat(&instance, canned::ask_model("one", false)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let one = Made::with(&instance, json!({"models": ["one"]})).await;
    let answer = one.chat(&instance, canned::ask_model("one", false)).await;
    assert_eq!(answer.status, 502, "{}", answer.text());
}

async fn without_web_search_none_is_made(deployment: Deployment) {
    let upstream = ScriptedUpstream::start(&[MODEL]).await;
    upstream.answer(MODEL, canned::stream_text(&["Hello"]));
    let searxng = ScriptedSearxng::start().await;
    let instance = instance(deployment)
        .setting("UPSTREAM_URL", &upstream.url())
        .setting("SEARXNG_URL", &searxng.url())
        .setting("TOOL_ALL_IN_ONE", "true")
        .start()
        .await;
    let key = Made::with(&instance, json!({"web_search": false})).await;
    let web = Request::post_json("/web/v1/chat/completions", canned::ask(false));
    let refused = instance.exchange(&web.bearer(&key.value)).await;
    let expected = json!(["invalid_request_error", null, "web_search_not_allowed"]);
    assert_eq!(verdict(&refused), (403, expected));
    let answer = key.chat(&instance, canned::ask(false)).await;
    assert_eq!(
        (answer.status, answer.header("x-llm2api-search")),
        (200, Some("denied"))
    );
    let mut client = SearchServiceClient::connect(format!("http://{}", instance.grpc()))
        .await
        .unwrap();
    let search = SearchRequest {
        query: "weather".to_owned(),
        ..SearchRequest::default()
    };
    let status = client.search(bearing(&key, search)).await.unwrap_err();
    let error = ContractError::from_status(&status).unwrap();
    assert_eq!(error.reason, ErrorReason::WebSearchNotAllowed);
    assert_eq!(searxng.searches().len(), 0);
}

/// A call's request that bears a key.
fn bearing<T>(key: &Made, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    let value = format!("Bearer {}", key.value).parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

async fn a_grpc_caller_meets_the_same_limits(deployment: Deployment) {
    let upstream = ScriptedUpstream::start(&["one", "two"]).await;
    upstream.answer("one", canned::stream_text(&["Hello"]));
    let instance = instance(deployment)
        .setting("UPSTREAM_URL", &upstream.url())
        .start()
        .await;
    let settings = json!({"models": ["one"], "requests_per_minute": 1});
    let key = Made::with(&instance, settings).await;
    let url = format!("http://{}", instance.grpc());
    let mut models = ModelServiceClient::connect(url.clone()).await.unwrap();
    let listed = models
        .list_models(bearing(&key, ListModelsRequest::default()))
        .await
        .unwrap()
        .into_inner();
    let ids: Vec<_> = listed
        .models
        .iter()
        .map(|model| model.id.as_str())
        .collect();
    assert_eq!(ids, ["one"]);

    let mut chats = ChatServiceClient::connect(url).await.unwrap();
    let ask = |model: &str| ChatRequest {
        model: model.to_owned(),
        messages: vec![Message {
            role: "user".to_owned(),
            content: Some("hi".to_owned()),
            ..Message::default()
        }],
        stream: Some(false),
        ..ChatRequest::default()
    };
    let refused = chats.chat(bearing(&key, ask("two"))).await.unwrap_err();
    let error = ContractError::from_status(&refused).unwrap();
    assert_eq!(error.reason, ErrorReason::ModelNotAllowed);
    let answered = chats.chat(bearing(&key, ask("one"))).await.unwrap();
    let left = answered.metadata().get("x-ratelimit-remaining-requests");
    assert_eq!(left.unwrap(), "0");
    let limited = chats.chat(bearing(&key, ask("one"))).await.unwrap_err();
    let error = ContractError::from_status(&limited).unwrap();
    assert_eq!(error.reason, ErrorReason::RateLimitExceeded);
    let wait = error.retry_after.unwrap();
    assert!(wait <= Duration::from_millis(60_001), "{wait:?}");
    assert!(error.rate_limits.is_some());
    // By HTTP it is the same key.
    let answer = key.chat(&instance, canned::ask_model("one", true)).await;
    let expected = json!(["rate_limit_error", null, "rate_limit_exceeded"]);
    assert_eq!(verdict(&answer), (429, expected));
}
