//! What is sent to a chat-ui, and what of its answer is passed on.

use llm2api_test_support::{
    Deployment, Request,
    scripted_chat_ui::{Family, Reply, Setup, UploadedFile},
};
use serde_json::{Value, json};

use super::{FAMILIES, Stage, hello, text};
use crate::{canned, stage::MODEL, upstream_errors::verdict};

both_deployments! {
    a_chat_is_answered_streamed_and_not,
    the_message_is_what_every_version_takes,
    system_text_and_history_go_as_preprompt_and_transcript,
    reasoning_is_told_apart,
    an_answer_in_single_bytes_is_the_same,
    images_go_to_models_that_see,
    images_for_models_that_do_not_see_are_refused,
    documents_are_uploaded,
    models_are_listed,
    a_disclaimer_is_accepted,
    a_stop_text_and_a_bound_of_tokens_end_the_answer,
}

async fn a_chat_is_answered_streamed_and_not(deployment: Deployment) {
    for family in FAMILIES {
        let stage = Stage::new(deployment, family).await;
        stage.site.answer(Reply::text(&["Hel", "lo, ", "世界"]));

        let streamed = stage.say_hello(true).await;
        let choices = canned::choices(&streamed.body);
        assert_eq!(canned::content(&choices, 0), "Hello, 世界", "{family:?}");
        assert_eq!(canned::member(&choices, 0, "role"), "assistant");
        assert_eq!(canned::finish_reasons(&choices), [(0, "stop".to_owned())]);

        let whole = stage.say_hello(false).await;
        assert_eq!(whole.status, 200);
        assert_eq!(whole.header("x-llm2api-usage"), Some("estimated"));
        let body = whole.json();
        assert_eq!(body["model"], MODEL);
        assert_eq!(
            body["choices"],
            json!([{
                "index": 0,
                "message": {"role": "assistant", "content": "Hello, 世界", "refusal": null, "annotations": []},
                "logprobs": null,
                "finish_reason": "stop",
            }])
        );
        assert!(body["usage"]["completion_tokens"].as_i64().unwrap() > 0);
        assert_eq!(body["x_llm2api"], json!({"usage_estimated": true}));
        stage.site.has_deleted(2).await;
    }
}

async fn the_message_is_what_every_version_takes(deployment: Deployment) {
    for family in FAMILIES {
        let stage = Stage::new(deployment, family).await;
        stage.say_hello(true).await;
        stage.say_hello(true).await;
        let [one, other] = &stage.site.conversations()[..] else {
            panic!("each chat has a conversation of its own")
        };
        assert_ne!(one.cookie, other.cookie, "and a session, without a login");
        let mut message = one.message.clone().unwrap();
        let generation = message["generationId"].take();
        assert_eq!(generation.as_str().map(str::len), Some(36));
        assert_eq!(
            message,
            json!({
                "inputs": "Say hello.",
                "id": one.root,
                "is_retry": false,
                "is_continue": false,
                "web_search": false,
                "tools": [],
                "selectedMcpServerNames": [],
                "generationId": null,
            })
        );
        assert_eq!((one.model.as_str(), &one.preprompt), (MODEL, &None));
    }
}

async fn system_text_and_history_go_as_preprompt_and_transcript(deployment: Deployment) {
    let stage = Stage::new(deployment, Family::New).await;
    let messages = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "1 + 1?"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": [{"type": "text", "text": "And 2 + 2?"}]},
    ]);
    assert_eq!(text(&stage.ask(false, messages).await), "Hello");
    let conversation = &stage.site.conversations()[0];
    assert_eq!(conversation.preprompt.as_deref(), Some("Be brief."));
    assert_eq!(
        conversation.inputs(),
        Some(
            "Below is the conversation so far. Continue it with the assistant's next reply only.\n\n\
             [user]\n1 + 1?\n\n[assistant]\n2\n\n[user]\nAnd 2 + 2?\n"
        )
    );
}

async fn reasoning_is_told_apart(deployment: Deployment) {
    let stage = Stage::new(deployment, Family::New).await;
    stage.site.answer(Reply::text(&[
        "<think>Greet",
        " them.",
        "</think>Hello",
        "!",
    ]));
    let streamed = stage.say_hello(true).await;
    let choices = canned::choices(&streamed.body);
    assert_eq!(
        canned::member(&choices, 0, "reasoning_content"),
        "Greet them."
    );
    assert_eq!(canned::content(&choices, 0), "Hello!");
    let whole = stage.say_hello(false).await.json();
    let message = &whole["choices"][0]["message"];
    assert_eq!(
        (&message["reasoning_content"], &message["content"]),
        (&json!("Greet them."), &json!("Hello!"))
    );
}

async fn an_answer_in_single_bytes_is_the_same(deployment: Deployment) {
    for family in FAMILIES {
        let stage = Stage::new(deployment, family).await;
        stage
            .site
            .answer(Reply::text(&["你好", ", wor", "ld\n"]).byte_by_byte());
        let choices = canned::choices(&stage.say_hello(true).await.body);
        assert_eq!(canned::content(&choices, 0), "你好, world\n");
    }
}

fn image_message() -> Value {
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}});
    json!([{"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]}])
}

async fn images_go_to_models_that_see(deployment: Deployment) {
    let setup = Setup {
        models: vec![(MODEL.to_owned(), true)],
        ..Setup::new(Family::New, MODEL)
    };
    let stage = Stage::with(deployment, setup, "").await;
    assert_eq!(text(&stage.ask(false, image_message()).await), "Hello");
    let conversation = &stage.site.conversations()[0];
    assert_eq!(conversation.inputs(), Some("What is it?"));
    assert_eq!(
        conversation.files,
        [UploadedFile {
            filename: "base64;image.png".to_owned(),
            content_type: "image/png".to_owned(),
            body: "aGk=".to_owned(),
        }]
    );
}

async fn images_for_models_that_do_not_see_are_refused(deployment: Deployment) {
    // Whether the list is asked for at the start, or given and asked for when it matters.
    for keys in ["", "models = [\"test-model\"]"] {
        let stage = Stage::with(deployment, Setup::new(Family::New, MODEL), keys).await;
        assert_eq!(
            verdict(&stage.ask(false, image_message()).await),
            (
                400,
                json!([
                    "invalid_request_error",
                    "image_url",
                    "unsupported_parameter"
                ])
            ),
            "{keys}"
        );
        assert!(stage.site.conversations().is_empty());
    }
}

async fn documents_are_uploaded(deployment: Deployment) {
    let stage = Stage::new(deployment, Family::New).await;
    let file = json!({"filename": "a.csv", "file_data": "data:text/csv;base64,YSxi"});
    let content = json!([{"type": "text", "text": "Sum up."}, {"type": "file", "file": file}]);
    let answer = stage
        .ask(false, json!([{"role": "user", "content": content}]))
        .await;
    assert_eq!(text(&answer), "Hello");
    assert_eq!(
        stage.site.conversations()[0].files,
        [UploadedFile {
            filename: "base64;a.csv".to_owned(),
            content_type: "text/csv".to_owned(),
            body: "YSxi".to_owned(),
        }]
    );
}

async fn a_disclaimer_is_accepted(deployment: Deployment) {
    let setup = Setup {
        has_disclaimer: true,
        ..Setup::new(Family::Old, MODEL)
    };
    let stage = Stage::with(deployment, setup, "").await;
    assert_eq!(text(&stage.say_hello(false).await), "Hello");
    stage.site.has_deleted(1).await;
}

async fn models_are_listed(deployment: Deployment) {
    for family in FAMILIES {
        let stage = Stage::new(deployment, family).await;
        let list = stage
            .instance
            .exchange(&Request::get("/v1/models"))
            .await
            .json();
        assert_eq!(list["data"][0]["id"], MODEL, "{family:?}");
        assert_eq!(list["data"][0]["owned_by"], "chat");
    }
}

async fn a_stop_text_and_a_bound_of_tokens_end_the_answer(deployment: Deployment) {
    let stage = Stage::new(deployment, Family::New).await;
    stage
        .site
        .answer(Reply::started().token("one E").token("ND two").think());
    let cases = [
        (json!({"stop": "END"}), "one ", "stop"),
        (json!({"max_tokens": 1}), "one", "length"),
        (json!({"max_completion_tokens": 1}), "one", "length"),
    ];
    for (number, (limits, content, reason)) in cases.into_iter().enumerate() {
        for (stream, number) in [(true, 2 * number), (false, 2 * number + 1)] {
            let mut request = json!({"model": MODEL, "messages": hello(), "stream": stream});
            for (name, value) in limits.as_object().unwrap() {
                request[name] = value.clone();
            }
            let answer = stage.instance.chat(request.to_string()).await;
            if stream {
                let choices = canned::choices(&answer.body);
                assert_eq!(canned::content(&choices, 0), content);
                assert_eq!(canned::finish_reasons(&choices), [(0, reason.to_owned())]);
            } else {
                assert_eq!(text(&answer), content);
                assert_eq!(answer.json()["choices"][0]["finish_reason"], reason);
            }
            // What nobody wants any more is not generated on.
            let conversation = stage
                .site
                .conversation(number, "deleted", |one| one.deleted_at.is_some())
                .await;
            assert!(conversation.stopped_at.is_some(), "{limits}");
            assert!(!conversation.was_deleted_open, "{limits}");
        }
    }
}
