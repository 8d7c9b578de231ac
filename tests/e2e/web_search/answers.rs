//! What an answer shows and cites.

use std::process::Stdio;

use llm2api_test_support::{
    Deployment, Request, ScriptedChatUi, ScriptedSearxng,
    command::{grpcurl, run},
    llm2api::ADMIN_KEY,
    scripted_chat_ui::{Family, Reply, Setup},
    sse,
};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{BLOCK, QUESTION, Stage, WEB, assert_woven, cited, found, question, sources};
use crate::{
    canned,
    stage::{MODEL, binary, instance},
};

both_deployments! {
    a_whole_answer_shows_and_cites_what_was_found,
    a_streamed_answer_has_the_block_first_and_the_sources_before_its_end,
    each_choice_shows_and_cites_it,
    json_and_tool_calls_have_no_block,
    a_grpc_caller_gets_the_same,
    a_chat_ui_gets_the_results_too,
    the_command_line_searches,
}

async fn a_whole_answer_shows_and_cites_what_was_found(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let mut with_options = question(false);
    with_options["web_search_options"] = json!({"search_context_size": "low"});
    let asked = [
        (WEB, question(false)),
        ("/v1/chat/completions", with_options),
    ];
    for (number, (path, body)) in asked.into_iter().enumerate() {
        let answer = stage.ask(path, &body).await;
        assert_eq!(answer.header("x-llm2api-search"), Some("ok"));
        let whole = answer.json();
        let message = &whole["choices"][0]["message"];
        let content = message["content"].as_str().unwrap();
        assert_eq!(content, format!("{BLOCK}1141 m [1]."));
        assert_eq!(cited(content, &message["annotations"]), sources());
        assert_eq!(
            (&whole["citations"], &whole["x_llm2api"], &whole["usage"]),
            (
                &json!(["https://a.example/brocken", "https://b.example/"]),
                &json!({"search": "ok"}),
                &serde_json::from_str(canned::USAGE).unwrap()
            )
        );
        let sent = stage.sent(number).await;
        assert_eq!(sent[0], json!({"role": "system", "content": "Be brief."}));
        assert_woven(&sent[1], QUESTION);
        let body = stage.upstream.chat(number).await.json();
        assert_eq!(body.get("web_search_options"), None);
    }
    // The second time it was known.
    assert_eq!(stage.searxng.queries(), [QUESTION]);

    let plain = stage.ask("/v1/chat/completions", &question(false)).await;
    assert_eq!(plain.header("x-llm2api-search"), None);
    let whole = plain.json();
    assert_eq!(whole["choices"][0]["message"]["content"], "1141 m [1].");
    assert_eq!(whole["choices"][0]["message"]["annotations"], json!([]));
    assert_eq!(
        (whole.get("citations"), whole.get("x_llm2api")),
        (None, None)
    );
}

async fn a_streamed_answer_has_the_block_first_and_the_sources_before_its_end(
    deployment: Deployment,
) {
    let stage = Stage::new(deployment).await;
    let answer = stage.ask(WEB, &question(true)).await;
    assert_eq!(answer.header("x-llm2api-search"), Some("ok"));
    let (chunks, done) = sse::chunks(&answer.body);
    assert!(done);
    let deltas: Vec<Value> = chunks
        .iter()
        .map(|chunk| chunk["choices"][0]["delta"].clone())
        .collect();
    let content = format!("{BLOCK}1141 m [1].");
    assert_eq!(
        deltas[..4],
        [
            json!({"role": "assistant", "content": ""}),
            json!({"content": BLOCK}),
            json!({"content": "1141 m ["}),
            json!({"content": "1]."}),
        ]
    );
    assert_eq!(deltas[5..], [json!({})]);
    assert_eq!(
        deltas[4].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["annotations"]
    );
    assert_eq!(cited(&content, &deltas[4]["annotations"]), sources());
    let citations: Vec<_> = chunks.iter().map(|chunk| chunk.get("citations")).collect();
    let expected = json!(["https://a.example/brocken", "https://b.example/"]);
    assert_eq!(citations, [None, None, None, None, Some(&expected), None]);
    assert_eq!(chunks[5]["x_llm2api"], json!({"search": "ok"}));
}

async fn each_choice_shows_and_cites_it(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let two = || {
        canned::stream(&[
            canned::delta(1, r#"{"content":"b [2]"}"#),
            canned::delta(0, r#"{"content":"a"}"#),
            canned::finish(0, "stop"),
            canned::finish(1, "stop"),
        ])
    };
    stage.upstream.queue(two());
    stage.upstream.queue(two());
    let mut body = question(false);
    body["n"] = json!(2);
    let whole = stage.ask(WEB, &body).await.json();
    body["stream"] = json!(true);
    let choices = canned::choices(&stage.ask(WEB, &body).await.body);
    for (index, text, count) in [(0, "a", 2), (1, "b [2]", 3)] {
        let expected = format!("{BLOCK}{text}");
        assert_eq!(canned::content(&choices, index), expected);
        let message = &whole["choices"][index]["message"];
        assert_eq!(message["content"], expected);
        assert_eq!(cited(&expected, &message["annotations"]).len(), count);
    }
}

async fn json_and_tool_calls_have_no_block(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let mut wants_json = question(false);
    wants_json["response_format"] = json!({"type": "json_object"});
    stage
        .upstream
        .queue(canned::stream_text(&[r#"{"height":"[1]"}"#]));
    let message = stage.ask(WEB, &wants_json).await.json()["choices"][0]["message"].take();
    let content = message["content"].as_str().unwrap();
    assert_eq!(content, r#"{"height":"[1]"}"#);
    let pieces: Vec<_> = cited(content, &message["annotations"])
        .into_iter()
        .map(|(piece, _, url)| (piece, url))
        .collect();
    assert_eq!(
        pieces,
        [
            ("[1]".to_owned(), "https://a.example/brocken".to_owned()),
            (String::new(), "https://b.example/".to_owned()),
        ]
    );

    let call = r#"{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}"#;
    stage.upstream.queue(canned::stream(&[
        canned::delta(0, call),
        canned::finish(0, "tool_calls"),
    ]));
    let mut with_tools = question(false);
    with_tools["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
    let message = stage.ask(WEB, &with_tools).await.json()["choices"][0]["message"].take();
    assert_eq!(message["content"], Value::Null);
    assert_eq!(message["annotations"].as_array().unwrap().len(), 2);
}

async fn a_grpc_caller_gets_the_same(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let request = json!({
        "model": MODEL, "messages": [{"role": "user", "content": QUESTION}], "web_search": true, "stream": false,
    });
    let mut command = grpcurl();
    command.args([
        "-plaintext",
        "-v",
        "-d",
        &request.to_string(),
        &stage.instance.grpc().to_string(),
        "llm2api.v1.ChatService/Chat",
    ]);
    let output = run(&mut command).await;
    assert!(output.status.success(), "{output:?}");
    assert!(
        output.stdout.contains("\nx-llm2api-search: ok\n"),
        "{output:?}"
    );
    let begin = output.stdout.find("\n{").unwrap();
    let mut objects = serde_json::Deserializer::from_str(&output.stdout[begin..]).into_iter();
    let response: Value = objects.next().unwrap().unwrap();
    let events = response["events"].as_array().unwrap();
    assert_eq!(events[0]["start"]["search"], "ok");
    assert_eq!(events[1]["delta"]["content"], format!("{BLOCK}1141 m [1]."));
    assert_eq!(
        events[1]["delta"]["annotations"][1]["url"],
        "https://b.example/"
    );
    assert_woven(&stage.sent(0).await[0], QUESTION);
}

async fn a_chat_ui_gets_the_results_too(deployment: Deployment) {
    let site = ScriptedChatUi::start(Setup::new(Family::New, MODEL)).await;
    site.answer(Reply::text(&["1141 m [", "1]."]));
    let searxng = ScriptedSearxng::start().await;
    searxng.answers(found());
    let instance = instance(deployment)
        .setting("UPSTREAM_URL", &site.url())
        .setting("UPSTREAM_KIND", "chat-ui")
        .setting("SEARXNG_URL", &searxng.url())
        .start()
        .await;
    let request = Request::post_json(WEB, question(true).to_string());
    let answer = instance.exchange(&request).await;
    let choices = canned::choices(&answer.body);
    assert_eq!(canned::content(&choices, 0), format!("{BLOCK}1141 m [1]."));
    site.has_deleted(1).await;
    let conversations = site.conversations();
    let inputs = conversations[0].inputs().unwrap();
    assert_woven(&json!({"content": inputs}), QUESTION);
    assert_eq!(conversations[0].preprompt.as_deref(), Some("Be brief."));
}

async fn the_command_line_searches(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let mut command = Command::new(binary());
    command
        .args(["chat", "--web", QUESTION])
        .env_clear()
        .env("LLM2API_URL", format!("http://{}", stage.instance.grpc()))
        .env("ADMIN_KEY", ADMIN_KEY)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let output = run(&mut command).await;
    assert_eq!(output.stdout, format!("{BLOCK}1141 m [1].\n"), "{output:?}");
}
