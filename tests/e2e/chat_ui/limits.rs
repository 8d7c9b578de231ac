//! What a chat-ui refuses, and what it has nothing for.

use llm2api_test_support::{
    Deployment, Request,
    scripted_chat_ui::{Family, Reply, Setup},
};
use serde_json::{Value, json};

use super::{FAMILIES, Stage, hello, request};
use crate::{stage::MODEL, upstream_errors::verdict};

both_deployments! {
    too_many_messages_cool_the_session,
    what_a_chat_ui_has_nothing_for_is_a_mistake_of_the_client,
    a_prompt_too_long_says_so,
    a_model_that_is_gone_is_not_found,
    a_spent_quota_is_told_apart,
    what_clients_do_changes_no_state,
}

async fn too_many_messages_cool_the_session(deployment: Deployment) {
    for family in FAMILIES {
        let setup = Setup {
            message_limit: Some(1),
            ..Setup::new(family, MODEL)
        };
        let stage = Stage::with(deployment, setup, "cooldown = \"40s\"").await;
        assert_eq!(stage.say_hello(true).await.status, 200);
        let answer = stage.say_hello(true).await;
        let (status, error) = verdict(&answer);
        assert_eq!((status, &error[2]), (429, &json!("rate_limit_exceeded")));
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((30..=40).contains(&wait), "{wait}");
        stage.site.has_deleted(2).await;
        // It is left alone meanwhile.
        assert_eq!(stage.say_hello(true).await.status, 429);
        assert_eq!(stage.site.conversations().len(), 2);
    }
}

async fn what_a_chat_ui_has_nothing_for_is_a_mistake_of_the_client(deployment: Deployment) {
    let stage = Stage::new(deployment, Family::New).await;
    let tool = json!({"type": "function", "function": {"name": "f", "parameters": {}}});
    let parts = |part: Value| json!([{"role": "user", "content": [part]}]);
    for (param, name, value) in [
        ("tools", "tools", json!([tool])),
        ("n", "n", json!(2)),
        ("logprobs", "logprobs", json!(true)),
        (
            "response_format",
            "response_format",
            json!({"type": "json_object"}),
        ),
        (
            "image_url",
            "messages",
            parts(json!({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}})),
        ),
        (
            "input_audio",
            "messages",
            parts(json!({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}})),
        ),
    ] {
        let mut request = json!({"model": MODEL, "messages": hello()});
        request[name] = value;
        let answer = stage.instance.chat(request.to_string()).await;
        assert_eq!(
            verdict(&answer),
            (
                400,
                json!(["invalid_request_error", param, "unsupported_parameter"])
            ),
            "{request}"
        );
    }
    assert!(stage.site.conversations().is_empty());
}

async fn a_prompt_too_long_says_so(deployment: Deployment) {
    let stage = Stage::new(deployment, Family::New).await;
    stage.site.answer(Reply::refusal(
        400,
        "application/json",
        r#"{"message":"Message too long."}"#,
    ));
    assert_eq!(
        verdict(&stage.say_hello(true).await),
        (
            400,
            json!(["invalid_request_error", null, "context_length_exceeded"])
        )
    );
    stage.site.has_deleted(1).await;
}

async fn a_model_that_is_gone_is_not_found(deployment: Deployment) {
    let keys = "models = [\"test-model\", \"unlisted\"]";
    let stage = Stage::with(deployment, Setup::new(Family::New, MODEL), keys).await;
    let request = json!({"model": "unlisted", "messages": hello()}).to_string();
    let answer = stage.instance.chat(request).await;
    let (status, error) = verdict(&answer);
    assert_eq!((status, &error[2]), (404, &json!("model_not_found")));
}

async fn a_spent_quota_is_told_apart(deployment: Deployment) {
    let stage = Stage::new(deployment, Family::New).await;
    stage.site.answer(Reply::started().error(
        "402 You have exceeded your monthly included credits",
        Some(402),
    ));
    let answer = stage.say_hello(true).await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    stage.site.has_deleted(1).await;
}

async fn what_clients_do_changes_no_state(deployment: Deployment) {
    let keys = "cookies = [\"one-session-of-mine\", \"another-session-of-mine\"]";
    let stage = Stage::with(deployment, Setup::new(Family::New, MODEL), keys).await;
    let too_long = r#"{"message":"Message too long."}"#;
    let refusal = Reply::refusal(400, "application/json", too_long);
    stage.site.answer(refusal);
    let mut client = stage.instance.client().await;
    for _ in 0..1000 {
        let request = Request::chat(request(true, hello()));
        assert_eq!(client.exchange(&request).await.status, 400);
    }
    stage.site.answer(Reply::started().think());
    for number in 1000..1200 {
        let mut client = stage.instance.client().await;
        client.send(&Request::chat(request(true, hello()))).await;
        let asked = stage
            .site
            .conversation(number, "asked", |one| one.message.is_some());
        asked.await;
        client.leave();
    }
    stage.site.answer(Reply::text(&["Hello"]));
    for _ in 0..4 {
        assert_eq!(stage.say_hello(true).await.status, 200);
    }
    for cookie in stage.cookies().await {
        let told = ["state", "reason", "failures", "last_error"].map(|name| cookie[name].clone());
        assert_eq!(json!(told), json!(["valid", null, 0, null]));
    }
    let log = stage.instance.log();
    assert!(!log.contains("upstream keeps failing"));
    stage.site.has_deleted(1204).await;
}
