//! What the model makes of a web search.

use llm2api_test_support::{Deployment, Request, ScriptedSearxng};
use serde_json::json;

use super::{ask, text, with_model};
use crate::canned;

both_deployments! {
    the_model_reads_what_was_found_and_not_what_was_found_before,
}

const BLOCK: &str =
    "<search>\n[1] France — https://a.example/\nThe capital of France is Paris.\n</search>\n\n";

async fn the_model_reads_what_was_found_and_not_what_was_found_before(deployment: Deployment) {
    let searxng = ScriptedSearxng::start().await;
    searxng.finds(&[(
        "France",
        "https://a.example/",
        "The capital of France is Paris.",
    )]);
    let instance = with_model(deployment)
        .setting("SEARXNG_URL", &searxng.url())
        .start()
        .await;
    let chat = async |path: &str, body: String| {
        let answer = instance.exchange(&Request::post_json(path, body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer
    };
    let web = "/web/v1/chat/completions";
    let question = "What is the capital of France?";
    let prompt_tokens =
        |answer: &serde_json::Value| answer["usage"]["prompt_tokens"].as_u64().unwrap();

    let plain = chat("/v1/chat/completions", ask(question, json!({}))).await;
    let searched = chat(web, ask(question, json!({}))).await;
    assert_eq!(searched.header("x-llm2api-search"), Some("ok"));
    let (plain, searched) = (plain.json(), searched.json());
    let answer = text(&searched).strip_prefix(BLOCK).unwrap();
    assert!(answer.contains("Paris"), "{searched}");
    assert!(prompt_tokens(&searched) > prompt_tokens(&plain) + 50);

    let streamed = chat(web, ask(question, json!({"stream": true}))).await;
    let choices = canned::choices(&streamed.body);
    assert_eq!(canned::content(&choices, 0), text(&searched));

    let then = |content: &str| {
        let messages = json!([
            {"role": "user", "content": question},
            {"role": "assistant", "content": content},
            {"role": "user", "content": "Thank you."},
        ]);
        ask("", json!({"messages": messages, "max_tokens": 1}))
    };
    let with_block = chat("/v1/chat/completions", then(text(&searched))).await;
    let without = chat("/v1/chat/completions", then(answer)).await;
    assert_eq!(
        prompt_tokens(&with_block.json()),
        prompt_tokens(&without.json())
    );
}
