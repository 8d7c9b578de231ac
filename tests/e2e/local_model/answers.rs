//! What the model answers, and what it takes.

use std::path::Path;

use llm2api_test_support::{
    Deployment, Request,
    command::{python, run_well},
    llm2api::ADMIN_KEY,
    sse,
};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{ID, ask, started, text};
use crate::{canned, stage::binary};

both_deployments! {
    the_capital_of_france_is_paris,
    equal_seeds_give_equal_answers,
    an_answer_ends_at_a_stop_text_or_at_its_bound,
    a_conversation_goes_on_from_what_is_known_of_it,
    the_model_is_listed_under_its_own_name_and_as_local,
    openai_for_python_works_unchanged,
    the_command_line_chats,
}

const FRANCE: &str = "What is the capital of France?";

/// The tokens that llama.cpp makes of [`FRANCE`] in the model's template.
const FRANCE_TOKENS: u64 = 37;

async fn the_capital_of_france_is_paris(deployment: Deployment) {
    let instance = started(deployment).await;
    let whole = instance
        .chat(ask(FRANCE, json!({"model": ID})))
        .await
        .json();
    let streamed = json!({"stream": true, "stream_options": {"include_usage": true}});
    let streamed = instance.chat(ask(FRANCE, streamed)).await;

    assert!(text(&whole).contains("Paris"), "{whole}");
    assert_eq!(whole["model"], ID);
    assert_eq!(whole["choices"][0]["finish_reason"], "stop");
    let choices = canned::choices(&streamed.body);
    assert_eq!(canned::content(&choices, 0), text(&whole));
    assert_eq!(canned::finish_reasons(&choices), [(0, "stop".to_owned())]);
    assert!(choices.len() > 5, "it comes token by token: {choices:?}");
    let (chunks, _) = sse::chunks(&streamed.body);
    let [first, .., last] = chunks.as_slice() else {
        panic!("{chunks:?}")
    };
    assert_eq!(first["model"], "local");
    assert_eq!(first["choices"][0]["delta"]["role"], "assistant");
    let completion_tokens = whole["usage"]["completion_tokens"].as_u64().unwrap();
    assert!((5..100).contains(&completion_tokens), "{whole}");
    let usage = |cached_tokens: u64| {
        json!({
            "prompt_tokens": FRANCE_TOKENS,
            "completion_tokens": completion_tokens,
            "total_tokens": FRANCE_TOKENS + completion_tokens,
            "prompt_tokens_details": {"cached_tokens": cached_tokens},
        })
    };
    assert_eq!(whole["usage"], usage(0));
    // All but the last token, whose pass through the model tells the next.
    assert_eq!(last["usage"], usage(FRANCE_TOKENS - 1));
}

async fn equal_seeds_give_equal_answers(deployment: Deployment) {
    let instance = started(deployment).await;
    let mut answers = Vec::new();
    for seed in [7, 7, -9_007_199_254_740_993_i64] {
        let members =
            json!({"seed": seed, "temperature": 1.2, "top_p": 0.95, "top_k": 50, "max_tokens": 40});
        let answer = instance.chat(ask("Tell me a story.", members)).await;
        answers.push(text(&answer.json()).to_owned());
    }
    assert_eq!(answers[0], answers[1]);
    assert_ne!(answers[0], answers[2]);
}

async fn an_answer_ends_at_a_stop_text_or_at_its_bound(deployment: Deployment) {
    let instance = started(deployment).await;
    let ending = async |members: Value| -> (String, Value, Value) {
        let answer = instance.chat(ask(FRANCE, members)).await.json();
        (
            text(&answer).to_owned(),
            answer["choices"][0]["finish_reason"].clone(),
            answer["usage"]["completion_tokens"].clone(),
        )
    };
    let (whole, ..) = ending(json!({})).await;
    let (before, after) = whole.split_once("Paris").unwrap();
    assert!(!after.is_empty());
    let (stopped, reason, _) = ending(json!({"stop": ["never said", "Paris"]})).await;
    assert_eq!((stopped.as_str(), reason), (before, json!("stop")));
    for name in ["max_tokens", "max_completion_tokens"] {
        let (bounded, reason, tokens) = ending(json!({name: 3})).await;
        assert_eq!((reason, tokens), (json!("length"), json!(3)), "{name}");
        assert!(
            whole.starts_with(&bounded) && !bounded.is_empty(),
            "{bounded}"
        );
    }
}

async fn a_conversation_goes_on_from_what_is_known_of_it(deployment: Deployment) {
    let instance = started(deployment).await;
    let first = instance.chat(ask(FRANCE, json!({}))).await.json();
    let messages = json!([
        {"role": "user", "content": [{"type": "text", "text": FRANCE}]},
        {"role": "assistant", "content": text(&first)},
        {"role": "user", "content": "And of Italy?"},
    ]);
    let second = instance
        .chat(ask("", json!({"messages": messages})))
        .await
        .json();
    assert!(text(&second).contains("Rome"), "{second}");
    let usage = |answer: &Value, name: &str| answer["usage"][name].as_u64().unwrap();
    let cached = second["usage"]["prompt_tokens_details"]["cached_tokens"]
        .as_u64()
        .unwrap();
    // The end of the answer may have been made tokens in another way than when it is read.
    let known = usage(&first, "prompt_tokens") + usage(&first, "completion_tokens");
    assert!(
        (known - 3..=known).contains(&cached),
        "{second} after {first}"
    );
}

async fn the_model_is_listed_under_its_own_name_and_as_local(deployment: Deployment) {
    let instance = started(deployment).await;
    let list = instance.exchange(&Request::get("/v1/models")).await.json();
    let models: Vec<_> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| (model["id"].as_str().unwrap(), &model["owned_by"]))
        .collect();
    let owner = json!("local");
    assert_eq!(models, [(ID, &owner), ("local", &owner)]);
    // Said at the start: its name, and which file it is.
    let core = instance.processes().last().unwrap();
    core.logs(super::file().to_str().unwrap()).await;
    assert!(core.log().contains(ID), "{}", core.log());
}

async fn openai_for_python_works_unchanged(deployment: Deployment) {
    let instance = started(deployment).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/local_model.py");
    let url = format!("http://{}/v1", instance.http());
    let output = run_well(python().arg(script).args([url.as_str(), ID])).await;
    assert!(output.ends_with("all checks passed\n"), "{output}");
}

async fn the_command_line_chats(deployment: Deployment) {
    let instance = started(deployment).await;
    let output = run_well(
        Command::new(binary())
            .args(["chat", "--temperature", "0", FRANCE])
            .env_clear()
            .env("LLM2API_URL", format!("http://{}", instance.grpc()))
            .env("ADMIN_KEY", ADMIN_KEY)
            .kill_on_drop(true),
    )
    .await;
    assert!(output.contains("Paris"), "{output}");
}
