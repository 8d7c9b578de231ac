//! The core from an internal gRPC caller's side: grpcurl as a person types it, and a generated client.

use std::time::{Duration, Instant};

use llm2api_proto::{
    ContractError,
    v1::{
        ChatRequest, ErrorReason, ListModelsRequest, Message, chat_event::Event,
        chat_service_client::ChatServiceClient, model_service_client::ModelServiceClient,
    },
};
use llm2api_test_support::{
    Deployment, Ending, Script,
    command::{Output, grpcurl, run},
    within,
};
use serde_json::{Value, json};
use tonic::Code;

use crate::{canned, stage::Stage};

both_deployments! {
    grpcurl_lists_and_describes,
    grpcurl_chats,
    grpcurl_asks_for_the_models,
    grpcurl_without_a_key_is_kept_out,
    a_stopped_grpcurl_ends_the_upstream_request,
    a_generated_client_gets_typed_errors,
    a_generated_client_streams_and_cancels,
}

/// Calls grpcurl on the instance's gRPC port.
async fn call(stage: &Stage, options: &[&str], arguments: &[&str]) -> Output {
    let mut command = grpcurl();
    command
        .arg("-plaintext")
        .args(options)
        .arg(stage.instance.grpc().to_string())
        .args(arguments);
    run(&mut command).await
}

async fn called(stage: &Stage, options: &[&str], arguments: &[&str]) -> String {
    let output = call(stage, options, arguments).await;
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// The JSON objects that grpcurl wrote, one after another.
fn messages(output: &str) -> Vec<Value> {
    serde_json::Deserializer::from_str(output)
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

async fn grpcurl_lists_and_describes(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("API_KEY", "secret")]).await;
    let services = called(&stage, &[], &["list"]).await;
    for service in [
        "grpc.health.v1.Health",
        "llm2api.v1.AccessService",
        "llm2api.v1.ChatService",
        "llm2api.v1.ModelService",
    ] {
        assert!(services.lines().any(|line| line == service), "{services}");
    }
    let chat = called(&stage, &[], &["describe", "llm2api.v1.ChatService"]).await;
    assert!(chat.contains("rpc Chat"), "{chat}");
    let request = called(&stage, &[], &["describe", ".llm2api.v1.ChatRequest"]).await;
    assert!(request.contains("string model = 1;"), "{request}");
    let healthy = called(&stage, &[], &["grpc.health.v1.Health/Check"]).await;
    assert_eq!(messages(&healthy), [json!({"status": "SERVING"})]);
}

async fn grpcurl_chats(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage
        .upstream
        .queue(canned::stream_text(&["Hel", "lo, 世界"]));
    let request = r#"{"model":"test-model","messages":[{"role":"user","content":"hi"}]}"#;

    let output = called(&stage, &["-d", request], &["llm2api.v1.ChatService/Chat"]).await;

    let events: Vec<Value> = messages(&output)
        .iter()
        .flat_map(|message| message["events"].as_array().unwrap().clone())
        .collect();
    assert_eq!(events[0]["start"]["model"], "test-model", "{output}");
    let text: String = events
        .iter()
        .filter_map(|event| event["delta"]["content"].as_str())
        .collect();
    assert_eq!(text, "Hello, 世界");
    let finishes: Vec<&Value> = events
        .iter()
        .filter_map(|event| event.get("finish"))
        .collect();
    assert_eq!(finishes, [&json!({"reason": "FINISH_REASON_STOP"})]);
    assert_eq!(
        events.last().unwrap()["usage"],
        json!({"promptTokens": "11", "completionTokens": "2", "totalTokens": "13"})
    );
    assert_eq!(
        stage.upstream.chat(0).await.json()["messages"],
        json!([{"role": "user", "content": "hi"}])
    );
}

async fn grpcurl_asks_for_the_models(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let model =
        json!({"id": "test-model", "createTime": "2023-11-14T22:13:20Z", "ownedBy": "default"});
    let list = called(&stage, &[], &["llm2api.v1.ModelService/ListModels"]).await;
    assert_eq!(messages(&list), [json!({"models": [model]})]);
    let one = called(
        &stage,
        &["-d", r#"{"model":"test-model"}"#],
        &["llm2api.v1.ModelService/GetModel"],
    )
    .await;
    assert_eq!(messages(&one), [json!({"model": model})]);
    let none = call(
        &stage,
        &["-d", r#"{"model":"unknown"}"#],
        &["llm2api.v1.ModelService/GetModel"],
    )
    .await;
    assert!(!none.status.success());
    assert!(none.stderr.contains("Code: NotFound"), "{none:?}");
    assert!(none.stderr.contains("MODEL_NOT_FOUND"), "{none:?}");
}

async fn grpcurl_without_a_key_is_kept_out(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("API_KEY", "secret")]).await;
    let method = ["llm2api.v1.ModelService/ListModels"];
    let refused = call(&stage, &[], &method).await;
    assert!(
        refused.stderr.contains("Code: Unauthenticated"),
        "{refused:?}"
    );
    called(&stage, &["-H", "authorization: Bearer secret"], &method).await;
}

async fn a_stopped_grpcurl_ends_the_upstream_request(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let request = r#"{"model":"test-model","messages":[{"role":"user","content":"hi"}]}"#;
    for script in [
        Script::silence(),
        Script::stream()
            .event(canned::role(0))
            .event(canned::text("Hello"))
            .stall(),
    ] {
        let number = stage.upstream.chats().len();
        stage.upstream.queue(script);
        let mut client = grpcurl()
            .args(["-plaintext", "-d", request])
            .arg(stage.instance.grpc().to_string())
            .arg("llm2api.v1.ChatService/Chat")
            .spawn()
            .unwrap();
        let chat = stage.upstream.chat(number).await;

        let stopped_at = Instant::now();
        client.start_kill().unwrap();

        let (ended_at, ending) = chat.ended().await;
        let took = ended_at.saturating_duration_since(stopped_at);
        assert!(took <= Duration::from_millis(100), "{took:?}");
        assert_ne!(ending, Ending::Script);
        within("grpcurl to end", client.wait()).await.unwrap();
    }
}

fn chat_request(model: &str) -> ChatRequest {
    ChatRequest {
        model: model.to_owned(),
        messages: vec![Message {
            role: "user".to_owned(),
            content: Some("hi".to_owned()),
            ..Message::default()
        }],
        ..ChatRequest::default()
    }
}

async fn a_generated_client_gets_typed_errors(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let address = format!("http://{}", stage.instance.grpc());
    let mut client = ChatServiceClient::connect(address.clone()).await.unwrap();

    let status = client.chat(chat_request("unknown")).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let error = ContractError::from_status(&status).unwrap();
    assert_eq!(error.reason, ErrorReason::ModelNotFound);

    let empty = ChatRequest {
        messages: Vec::new(),
        ..chat_request("test-model")
    };
    let status = client.chat(empty).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let error = ContractError::from_status(&status).unwrap();
    assert_eq!(error.param.as_deref(), Some("messages"));

    stage
        .upstream
        .queue(Script::json(429, "{}").header("Retry-After", "7"));
    let status = client.chat(chat_request("test-model")).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let error = ContractError::from_status(&status).unwrap();
    assert_eq!(error.reason, ErrorReason::RateLimitExceeded);
    let wait = error.retry_after.unwrap();
    assert!(
        wait > Duration::from_secs(5) && wait <= Duration::from_secs(7),
        "{wait:?}"
    );

    let models = ModelServiceClient::connect(address)
        .await
        .unwrap()
        .list_models(ListModelsRequest::default())
        .await
        .unwrap()
        .into_inner();
    let ids: Vec<&str> = models
        .models
        .iter()
        .map(|model| model.id.as_str())
        .collect();
    assert_eq!(ids, ["test-model"]);
}

async fn a_generated_client_streams_and_cancels(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage.upstream.queue(
        Script::stream()
            .event(canned::role(0))
            .event(canned::text("Hello"))
            .stall(),
    );
    let mut client = ChatServiceClient::connect(format!("http://{}", stage.instance.grpc()))
        .await
        .unwrap();
    let mut stream = client
        .chat(chat_request("test-model"))
        .await
        .unwrap()
        .into_inner();
    let mut text = String::new();
    while text.is_empty() {
        let message = within("a message", stream.message())
            .await
            .unwrap()
            .expect("the stream goes on");
        for event in message.events {
            if let Some(Event::Delta(delta)) = event.event {
                text.push_str(delta.content());
            }
        }
    }
    assert_eq!(text, "Hello");
    let left_at = Instant::now();
    drop(stream);
    let (ended_at, _) = stage.upstream.chat(0).await.ended().await;
    let took = ended_at.saturating_duration_since(left_at);
    assert!(took <= Duration::from_millis(100), "{took:?}");
}
