//! Answers in one piece, and what reaches the core.

use http::Method;
use llm2api_proto::v1::{ChatRequest, ChatStart, Message, Usage, chat_event::Event};

use crate::{
    fake_core::{FakeCore, answer, finish, message, start, text},
    gateway::{TestGateway, chat_request, request},
};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const PATH: &str = "/v1/chat/completions";
const WEB_PATH: &str = "/web/v1/chat/completions";
/// As a web page's request, which goes by way of the router.
const ORIGIN: &[(&str, &str)] = &[
    ("content-type", "application/json"),
    ("origin", "https://chat.example"),
];

const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;

#[tokio::test]
async fn an_answer_in_one_piece_has_all_fields() {
    let core = FakeCore::default();
    core.sends(answer("Hello"));
    let gateway = TestGateway::start(core.service()).await;
    let reply = gateway.chat(CHAT).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("openai-version"), Some("2020-10-01"));
    assert!(reply.header("openai-processing-ms").is_some());
    assert_eq!(
        reply.text(),
        r#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5},"system_fingerprint":null}"#
    );
}

#[tokio::test]
async fn an_estimate_is_marked() {
    let core = FakeCore::default();
    let usage = Event::Usage(Usage {
        estimated: true,
        ..Usage::default()
    });
    let start = Event::Start(ChatStart {
        model: "m".to_owned(),
        ..ChatStart::default()
    });
    core.sends(vec![message(vec![start, text("a"), finish(), usage])]);
    let gateway = TestGateway::start(core.service()).await;
    let reply = gateway.chat(CHAT).await;
    assert_eq!(reply.header("x-llm2api-usage"), Some("estimated"));
    assert_eq!(
        reply.json()["x_llm2api"],
        serde_json::json!({ "usage_estimated": true })
    );
}

#[tokio::test]
async fn the_core_is_asked_what_the_client_asked_and_told_for_whom() {
    let core = FakeCore::default();
    core.sends(answer("a"));
    let gateway = TestGateway::start(core.service()).await;
    let mut chat = chat_request(CHAT);
    chat.headers_mut()
        .insert("x-request-id", "mine-1".parse().unwrap());
    let reply = gateway.send(chat).await;
    assert_eq!(reply.header("x-request-id"), Some("mine-1"));
    let chats = core.chats();
    let (metadata, asked) = &chats[0];
    assert_eq!(
        asked,
        &ChatRequest {
            model: "m".to_owned(),
            messages: vec![Message {
                role: "user".to_owned(),
                content: Some("hi".to_owned()),
                ..Message::default()
            }],
            stream: Some(false),
            ..ChatRequest::default()
        }
    );
    assert_eq!(metadata.get("llm2api-client").unwrap(), "key_1");
    assert_eq!(metadata.get("x-request-id").unwrap(), "mine-1");
}

#[tokio::test]
async fn under_web_the_core_is_told_to_search_and_what_became_of_it_is_passed_on() {
    let core = FakeCore::default();
    let searched = |status: &str| {
        let start = Event::Start(ChatStart {
            model: "m".to_owned(),
            search: status.to_owned(),
            ..ChatStart::default()
        });
        vec![message(vec![start, text("a"), finish()])]
    };
    let gateway = TestGateway::start(core.service()).await;
    let with_options = CHAT.replace("\"model\"", "\"web_search_options\":{\"a\":1e-7},\"model\"");
    let table = [
        (PATH, JSON, false, false),
        (PATH, JSON, true, false),
        (WEB_PATH, JSON, false, true),
        (WEB_PATH, ORIGIN, true, true),
    ];
    for (number, (path, headers, has_options, web_search)) in table.into_iter().enumerate() {
        let (body, options) = match has_options {
            true => (with_options.as_str(), r#"{"a":1e-7}"#),
            false => (CHAT, ""),
        };
        let status = if web_search { "failed" } else { "" };
        core.sends(searched(status));
        let reply = gateway
            .send(request(Method::POST, path, headers, body))
            .await;
        assert_eq!(reply.status, 200, "{path}");
        let told = Some(status).filter(|status| !status.is_empty());
        assert_eq!(reply.header("x-llm2api-search"), told, "{path}");
        assert_eq!(reply.json()["x_llm2api"]["search"].as_str(), told);
        let (_, asked) = &core.chats()[number];
        assert_eq!(
            (asked.web_search, asked.web_search_options_json.as_str()),
            (web_search, options)
        );
    }
    let wrong = CHAT.replace("\"model\"", "\"web_search_options\":true,\"model\"");
    assert_eq!(
        gateway.chat(&wrong).await.error(),
        (400, Some("invalid_type".to_owned()))
    );
}

#[tokio::test]
async fn large_prompts_and_answers_arrive_intact() {
    let core = FakeCore::default();
    let long = "好😀a\\\"\n".repeat(300_000);
    core.sends(vec![message(vec![start(), text(&long), finish()])]);
    let gateway = TestGateway::start(core.service()).await;
    let body =
        serde_json::json!({ "model": "m", "messages": [{ "role": "user", "content": long }] });
    let reply = gateway.chat(&body.to_string()).await;
    assert_eq!(reply.json()["choices"][0]["message"]["content"], long);
    assert_eq!(
        core.chats()[0].1.messages[0].content.as_deref(),
        Some(long.as_str())
    );
}

#[tokio::test]
async fn an_answer_is_compressed_where_the_client_takes_it_and_a_stream_never_is() {
    let core = FakeCore::default();
    let long = "a".repeat(4096);
    core.sends(answer(&long));
    core.sends(answer(&long));
    core.sends(answer("short"));
    core.sends(answer(&long));
    let gateway = TestGateway::start(core.service()).await;
    let gzip = |body| {
        request(
            Method::POST,
            "/v1/chat/completions",
            &[
                ("content-type", "application/json"),
                ("accept-encoding", "gzip, br"),
            ],
            body,
        )
    };
    let reply = gateway.send(gzip(CHAT)).await;
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    assert!(reply.body.len() < 1000);
    assert_eq!(gateway.chat(CHAT).await.header("content-encoding"), None);
    assert_eq!(
        gateway.send(gzip(CHAT)).await.header("content-encoding"),
        None
    );
    let stream = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}"#;
    let reply = gateway.send(gzip(stream)).await;
    assert_eq!(reply.header("content-encoding"), None);
    assert!(reply.text().ends_with("data: [DONE]\n\n"));
}
