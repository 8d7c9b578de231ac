//! Chats that are searched for at a real SearXNG, with an engine that is not.

use llm2api_proto::v1::{ChatRequest, Message};
use llm2api_test_support::{Answer, Deployment, Request, Script, ScriptedUpstream, sse};
use serde_json::{Value, json};

use super::{BLOCK, QUESTION, WEB, ask_grpc, assert_woven, cited, question, sources};
use crate::{
    canned,
    stage::{MODEL, instance, real_searxng},
};

both_deployments! {
    answers_cite_what_a_real_searxng_found,
}

async fn answers_cite_what_a_real_searxng_found(deployment: Deployment) {
    let searxng = real_searxng().await;
    searxng.finds(&[
        (
            "Der Brocken 🙂",
            "https://a.example/brocken",
            "Er ist <b>1141 m</b> hoch.",
        ),
        ("Harz", "https://b.example/", ""),
    ]);
    let upstream = ScriptedUpstream::start(&[MODEL]).await;
    upstream.answer(MODEL, canned::stream_text(&["1141 m [", "1]."]));
    let instance = instance(deployment)
        .setting("UPSTREAM_URL", &upstream.url())
        .setting("SEARXNG_URL", &searxng.url())
        .start()
        .await;
    let ask = async |body: &Value| -> Answer {
        let request = Request::post_json(WEB, body.to_string());
        instance.exchange(&request).await
    };
    let sent = async |number: usize| upstream.chat(number).await.json()["messages"].take();
    let answer = format!("{BLOCK}1141 m [1].");
    let addresses = json!(["https://a.example/brocken", "https://b.example/"]);

    let whole = ask(&question(false)).await;
    assert_eq!(whole.header("x-llm2api-search"), Some("ok"));
    let whole = whole.json();
    let message = &whole["choices"][0]["message"];
    assert_eq!(message["content"], answer);
    assert_eq!(cited(&answer, &message["annotations"]), sources());
    assert_eq!(whole["citations"], addresses);
    let first_sent = sent(0).await;
    assert_woven(&first_sent[1], QUESTION);

    let streamed = ask(&question(true)).await;
    assert_eq!(streamed.header("x-llm2api-search"), Some("ok"));
    assert_eq!(canned::content(&canned::choices(&streamed.body), 0), answer);
    let (chunks, _) = sse::chunks(&streamed.body);
    let told: Vec<_> = chunks
        .iter()
        .filter(|chunk| chunk.get("citations").is_some())
        .collect();
    let [told] = told.as_slice() else {
        panic!("{chunks:?}")
    };
    assert_eq!(told["citations"], addresses);
    let annotations = &told["choices"][0]["delta"]["annotations"];
    assert_eq!(cited(&answer, annotations), sources());
    assert_eq!(sent(1).await, first_sent);

    for (number, stream) in [(2, false), (3, true)] {
        let request = ChatRequest {
            model: MODEL.to_owned(),
            messages: vec![Message {
                role: "user".to_owned(),
                content: Some(QUESTION.to_owned()),
                ..Message::default()
            }],
            stream: Some(stream),
            ..ChatRequest::default()
        };
        let told = ask_grpc(&instance, request).await;
        assert_eq!((told.status.as_str(), &told.content), ("ok", &answer));
        assert_eq!((told.cited, &told.citations), (sources(), &addresses));
        assert_eq!(sent(number).await[0], first_sent[1]);
    }

    // Sent back as history: nothing of what was found is left, however often it goes round.
    let history = json!({"model": MODEL, "messages": [
        {"role": "user", "content": QUESTION},
        message,
        {"role": "user", "content": "Danke!"},
    ]});
    let plain = Request::chat(history.to_string());
    assert_eq!(instance.exchange(&plain).await.status, 200);
    let history = sent(4).await;
    assert_eq!(history[0], json!({"role": "user", "content": QUESTION}));
    assert_eq!(history[1]["content"], "1141 m [1].");
    assert_eq!(history[2], json!({"role": "user", "content": "Danke!"}));

    let about =
        |text: &str| json!({"model": MODEL, "messages": [{"role": "user", "content": text}]});
    // SearXNG knows each language and region that may be asked of it.
    for (text, country) in [
        ("Wie hoch ist er?", "AT"),
        ("Hvor høyt er det?", "NO"),
        ("那座山有多高？", "TW"),
    ] {
        let mut body = about(text);
        let location = json!({"type": "approximate", "approximate": {"country": country}});
        body["web_search_options"] = json!({"user_location": location});
        let answer = ask(&body).await;
        assert_eq!(answer.header("x-llm2api-search"), Some("ok"), "{country}");
    }

    searxng.finds(&[]);
    let empty = ask(&about("Was gibt es nicht?")).await;
    searxng.engine_answers(Script::answer(429, "text/plain", "Too Many Requests"));
    let blocked = ask(&about("Wer darf nicht fragen?")).await;
    for (answer, status, number, text) in [
        (empty, "empty", 8, "Was gibt es nicht?"),
        (blocked, "blocked", 9, "Wer darf nicht fragen?"),
    ] {
        assert_eq!(answer.header("x-llm2api-search"), Some(status));
        let message = answer.json()["choices"][0]["message"].take();
        assert_eq!(message["content"], "1141 m [1].");
        assert_eq!(message["annotations"], json!([]));
        assert_eq!(
            sent(number).await[0],
            json!({"role": "user", "content": text})
        );
    }
}
