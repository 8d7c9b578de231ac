//! How a chat-ui's stream may end, and what becomes of the answer.

use llm2api_test_support::{
    Deployment,
    scripted_chat_ui::{Family, Reply},
};
use serde_json::json;

use super::{FAMILIES, Stage, text};
use crate::{canned, upstream_errors::verdict};

both_deployments! {
    a_generation_begun_anew_is_no_answer_to_a_stream,
    a_generation_begun_anew_is_the_answer_to_who_waits_for_all,
    an_error_before_the_first_token_is_tried_again,
    an_error_in_the_middle_ends_the_stream,
    a_cut_answer_never_looks_complete,
    the_run_may_end_without_a_final_answer,
    text_that_was_never_streamed_is_passed_on,
    an_error_of_the_models_server_is_told_by_its_kind,
    an_empty_answer_is_none,
}

/// An answer whose generation began anew after some tokens.
fn restarted() -> Reply {
    Reply::started()
        .token("one ")
        .token("two ")
        .token("one ")
        .token("two")
        .final_answer("one two")
        .finished()
}

async fn a_generation_begun_anew_is_no_answer_to_a_stream(deployment: Deployment) {
    let stage = Stage::new(deployment, Family::New).await;
    stage.site.answer(restarted());
    let (choices, error) = canned::cut(&stage.say_hello(true).await.body);
    assert_eq!(canned::content(&choices, 0), "one two one two");
    assert_eq!(canned::finish_reasons(&choices), []);
    assert_eq!(error["code"], "upstream_error");
    stage.site.has_deleted(1).await;
    assert_eq!(stage.site.conversations().len(), 1, "nothing is sent twice");
}

async fn a_generation_begun_anew_is_the_answer_to_who_waits_for_all(deployment: Deployment) {
    let stage = Stage::new(deployment, Family::New).await;
    stage.site.answer(restarted());
    assert_eq!(text(&stage.say_hello(false).await), "one two");
    stage.site.has_deleted(1).await;
    assert_eq!(stage.site.conversations().len(), 1);
}

async fn an_error_before_the_first_token_is_tried_again(deployment: Deployment) {
    for family in FAMILIES {
        let stage = Stage::new(deployment, family).await;
        for failure in [
            Reply::started().error("terminated", None).finished(),
            Reply::started().error("500 oh", Some(500)),
            Reply::started().keep_alive().close(),
            Reply::started().reset(),
            Reply::started(),
            Reply::refusal(
                500,
                "application/json",
                r#"{"message":"An error occurred","errorId":"e"}"#,
            ),
            Reply::refusal(200, "text/html", "<html>"),
            Reply::refusal(503, "text/html", "<html>"),
        ] {
            stage.site.queue(failure.clone());
            let answer = stage.say_hello(true).await;
            let choices = canned::choices(&answer.body);
            assert_eq!(canned::content(&choices, 0), "Hello", "{failure:?}");
        }
        stage.site.has_deleted(16).await;
    }
}

async fn an_error_in_the_middle_ends_the_stream(deployment: Deployment) {
    for family in FAMILIES {
        let stage = Stage::new(deployment, family).await;
        stage.site.answer(
            Reply::started()
                .token("Hel")
                .error("429 slow down", Some(429))
                .finished(),
        );
        let (choices, error) = canned::cut(&stage.say_hello(true).await.body);
        assert_eq!(canned::content(&choices, 0), "Hel");
        assert_eq!(error["code"], "rate_limit_exceeded");
        stage.site.has_deleted(1).await;
    }
}

async fn a_cut_answer_never_looks_complete(deployment: Deployment) {
    for family in FAMILIES {
        let stage = Stage::new(deployment, family).await;
        let begun = || Reply::started().token("Hel");
        let interrupted = json!({"type": "finalAnswer", "text": "Hel", "interrupted": true});
        for cut in [
            begun(),
            begun().close(),
            begun().reset(),
            begun().line(&interrupted).finished(),
            begun().line(&json!("no object")),
        ] {
            stage.site.queue(cut.clone());
            let (choices, error) = canned::cut(&stage.say_hello(true).await.body);
            assert_eq!(canned::content(&choices, 0), "Hel", "{cut:?}");
            assert_eq!(error["code"], "upstream_error", "{cut:?}");
        }
        // Who waits for all of it gets another attempt.
        stage.site.queue(begun().close());
        assert_eq!(text(&stage.say_hello(false).await), "Hello");
        stage.site.has_deleted(7).await;
    }
}

async fn the_run_may_end_without_a_final_answer(deployment: Deployment) {
    let stage = Stage::new(deployment, Family::New).await;
    stage
        .site
        .answer(Reply::started().token("Hel").token("lo").finished());
    let choices = canned::choices(&stage.say_hello(true).await.body);
    assert_eq!(canned::content(&choices, 0), "Hello");
    assert_eq!(text(&stage.say_hello(false).await), "Hello");
}

async fn text_that_was_never_streamed_is_passed_on(deployment: Deployment) {
    for family in FAMILIES {
        let stage = Stage::new(deployment, family).await;
        for reply in [
            Reply::started().final_answer("Hello, world").finished(),
            Reply::started()
                .token("Hello,")
                .final_answer("Hello, world")
                .line(&json!({"type": "title", "title": "Greeting"})),
        ] {
            stage.site.answer(reply);
            let choices = canned::choices(&stage.say_hello(true).await.body);
            assert_eq!(canned::content(&choices, 0), "Hello, world");
            assert_eq!(text(&stage.say_hello(false).await), "Hello, world");
        }
    }
}

async fn an_error_of_the_models_server_is_told_by_its_kind(deployment: Deployment) {
    for (message, status, expected) in [
        (
            "400 This model's maximum context length is 8192 tokens",
            Some(400),
            (
                400,
                json!(["invalid_request_error", null, "context_length_exceeded"]),
            ),
        ),
        (
            "404 no such model",
            None,
            (
                404,
                json!(["invalid_request_error", null, "model_not_found"]),
            ),
        ),
    ] {
        let stage = Stage::new(deployment, Family::New).await;
        stage.site.answer(Reply::started().error(message, status));
        let (http, body) = verdict(&stage.say_hello(true).await);
        assert_eq!((http, &body[2]), (expected.0, &expected.1[2]), "{message}");
        stage.site.has_deleted(1).await;
    }
}

async fn an_empty_answer_is_none(deployment: Deployment) {
    let stage = Stage::new(deployment, Family::New).await;
    stage.site.answer(Reply::started().finished());
    assert_eq!(
        verdict(&stage.say_hello(true).await),
        (502, json!(["server_error", null, "upstream_error"]))
    );
    stage.site.has_deleted(3).await;
}
