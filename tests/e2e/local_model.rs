//! A real model inside: SmolLM2 on this machine's processor, from the file that `LLM2API_TEST_MODEL` names.

mod answers;
mod refusals;
mod start;
mod together;
mod web_search;

use std::path::PathBuf;

use llm2api_test_support::{Deployment, Llm2Api, llm2api::Starting};
use serde_json::{Value, json};

use crate::stage::instance;

/// The model's id, as its file's name gives it.
const ID: &str = "smollm2-135m-instruct.q4_1";

/// The model's file.
pub(crate) fn file() -> PathBuf {
    let file = std::env::var_os("LLM2API_TEST_MODEL").map(PathBuf::from);
    file.expect(
        "LLM2API_TEST_MODEL is not set: run the tests by `make test`, which fetches the model",
    )
}

/// An instance with the model and, until more is set, no other upstream.
fn with_model(deployment: Deployment) -> Starting {
    instance(deployment).setting("LOCAL_MODEL", file().to_str().unwrap())
}

async fn started(deployment: Deployment) -> Llm2Api {
    with_model(deployment).start().await
}

/// A request of one user message, with these members beside it.
fn ask(content: &str, members: Value) -> String {
    let mut request = json!({
        "model": "local",
        "messages": [{"role": "user", "content": content}],
        "temperature": 0,
    });
    let members = members.as_object().unwrap();
    request.as_object_mut().unwrap().extend(members.clone());
    request.to_string()
}

fn text(answer: &Value) -> &str {
    answer["choices"][0]["message"]["content"]
        .as_str()
        .unwrap_or_else(|| panic!("no text in {answer}"))
}
