//! What the model makes of a web search at a real SearXNG.

use llm2api_proto::v1::{ChatRequest, Message};
use llm2api_test_support::{Deployment, Request, sse};
use serde_json::{Value, json};

use super::{ask, text, with_model};
use crate::{
    canned,
    stage::real_searxng,
    web_search::{WEB, ask_grpc, cited},
};

both_deployments! {
    the_model_reads_what_was_found_and_not_what_was_found_before,
}

/// What no model knows.
const SNIPPET: &str = "The capital of Zorbia is Quimby.";
const QUESTION: &str = "What is the capital of Zorbia?";
/// What has even a small model cite.
const CITING: &str = "Repeat this text: The capital of Zorbia is Quimby [1].";
const LINE: &str = "[1] Zorbia — https://a.example/";
const BLOCK: &str =
    "<search>\n[1] Zorbia — https://a.example/\nThe capital of Zorbia is Quimby.\n</search>\n\n";

async fn the_model_reads_what_was_found_and_not_what_was_found_before(deployment: Deployment) {
    let searxng = real_searxng().await;
    searxng.finds(&[("Zorbia", "https://a.example/", SNIPPET)]);
    let instance = with_model(deployment)
        .setting("SEARXNG_URL", &searxng.url())
        .start()
        .await;
    let chat = async |path: &str, body: String| {
        let answer = instance.exchange(&Request::post_json(path, body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer
    };

    let plain = chat(
        "/v1/chat/completions",
        ask(QUESTION, json!({"max_tokens": 1})),
    )
    .await;
    let searched = chat(WEB, ask(QUESTION, json!({}))).await;
    assert_eq!(searched.header("x-llm2api-search"), Some("ok"));
    let (plain, searched) = (plain.json(), searched.json());
    let answer = text(&searched).strip_prefix(BLOCK).unwrap();
    assert!(answer.contains("Quimby"), "{searched}");
    assert!(prompt_tokens(&searched) > prompt_tokens(&plain) + 50);

    let streamed = chat(WEB, ask(QUESTION, json!({"stream": true}))).await;
    let choices = canned::choices(&streamed.body);
    assert_eq!(canned::content(&choices, 0), text(&searched));
    let (chunks, _) = sse::chunks(&streamed.body);
    let told = chunks.iter().find(|chunk| chunk.get("citations").is_some());
    let told = told.unwrap();
    let message = &searched["choices"][0]["message"];
    assert_eq!(
        (
            &told["choices"][0]["delta"]["annotations"],
            &told["citations"]
        ),
        (&message["annotations"], &searched["citations"])
    );

    let then = |content: &str| {
        let messages = json!([
            {"role": "user", "content": QUESTION},
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

    let whole = chat(WEB, ask(CITING, json!({}))).await.json();
    let content = text(&whole);
    let annotations = &whole["choices"][0]["message"]["annotations"];
    let cited = cited(content, annotations);
    let source = |piece: &str| {
        let [title, url] = ["Zorbia", "https://a.example/"].map(str::to_owned);
        (piece.to_owned(), title, url)
    };
    // Each time that the model writes the number, and in the block.
    let count = content.strip_prefix(BLOCK).unwrap().matches("[1]").count();
    assert!(count > 0, "{content}");
    let mut expected = vec![source(LINE)];
    expected.extend((0..count).map(|_| source("[1]")));
    assert_eq!(cited, expected);
    assert_eq!(whole["citations"], json!(["https://a.example/"]));

    for stream in [false, true] {
        let request = ChatRequest {
            model: "local".to_owned(),
            messages: vec![Message {
                role: "user".to_owned(),
                content: Some(CITING.to_owned()),
                ..Message::default()
            }],
            temperature: Some(0.0),
            stream: Some(stream),
            ..ChatRequest::default()
        };
        let told = ask_grpc(&instance, request).await;
        assert_eq!(
            (told.status.as_str(), told.content.as_str()),
            ("ok", content)
        );
        assert_eq!(
            (told.cited, told.citations),
            (expected.clone(), whole["citations"].clone())
        );
    }
}

fn prompt_tokens(answer: &Value) -> u64 {
    answer["usage"]["prompt_tokens"].as_u64().unwrap()
}
