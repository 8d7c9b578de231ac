//! Traces: one chat, one tree, which says which attempt failed, with which credential, and why.

use llm2api_test_support::{Deployment, Llm2Api, Request};
use serde_json::{Value, json};

use super::shown;
use crate::{
    canned,
    stage::{MODEL, Stage},
};

both_deployments! {
    a_chat_that_was_retried_is_one_tree_that_says_why,
    traces_are_listed_by_what_became_of_them,
    what_was_said_is_in_spans_only_where_the_operator_wants_it,
}

/// Waits until so many traces are kept, and lists them.
async fn traces(instance: &Llm2Api, count: usize) -> Vec<Value> {
    llm2api_test_support::within("the traces to be kept", async {
        loop {
            let listed = shown(instance, "/traces").await;
            let data = listed["data"].as_array().expect("a list");
            if data.len() == count {
                return data.clone();
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

async fn a_chat_that_was_retried_is_one_tree_that_says_why(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("COOKIES", "sk-dead||sk-live")]).await;
    stage.upstream.refuse_key("sk-dead");
    stage
        .upstream
        .answer(MODEL, canned::stream_text(&["Hello"]));
    // One of both comes first, and it need not be the dead one.
    for _ in 0..2 {
        let answer = stage.instance.chat(canned::ask(true)).await;
        assert_eq!(answer.status, 200);
    }
    let listed = traces(&stage.instance, 2).await;
    let retried = listed
        .iter()
        .find(|trace| trace["attempts"] == 2)
        .expect("the dead key was met");
    assert_eq!(
        (&retried["status"], &retried["model"], &retried["upstream"]),
        (&json!("ok"), &json!(MODEL), &json!("default"))
    );
    let id = retried["id"].as_str().expect("an id");
    let trace = shown(&stage.instance, &format!("/traces/{id}")).await;
    let spans = trace["spans"].as_array().expect("spans");
    let find = |name: &str, attempt: Option<u64>| {
        let found = spans.iter().find(|span| {
            let number = span["attributes"]["llm2api.attempt.number"].as_u64();
            span["name"] == name && span["kind"] != "server" && number == attempt
        });
        found.unwrap_or_else(|| panic!("{name}: {spans:#?}"))
    };
    let server = spans
        .iter()
        .find(|span| span["name"] == "llm2api.v1.ChatService/Chat" && span["kind"] == "server")
        .expect("the core's span");
    let chat = format!("chat {MODEL}");
    let (first, second) = (find(&chat, Some(1)), find(&chat, Some(2)));
    for attempt in [first, second] {
        assert_eq!(attempt["parent_id"], server["id"]);
        assert_eq!(attempt["attributes"]["gen_ai.request.model"], MODEL);
    }
    assert_eq!(first["status"], "error");
    assert_eq!(first["attributes"]["error.type"], "401");
    assert_eq!(first["attributes"]["llm2api.attempt.fault"], "credential");
    assert_eq!(second["attributes"]["llm2api.attempt.outcome"], "answered");
    assert_ne!(
        first["attributes"]["llm2api.credential.id"],
        second["attributes"]["llm2api.credential.id"]
    );
    assert_eq!(
        second["attributes"]["gen_ai.response.finish_reasons"],
        json!(["stop"])
    );
    assert_eq!(second["attributes"]["gen_ai.usage.output_tokens"], 2);
    let send = spans
        .iter()
        .find(|span| span["name"] == "POST" && span["parent_id"] == second["id"])
        .expect("the send's span");
    assert_eq!(
        send["attributes"]["url.full"],
        format!("{}/chat/completions", stage.upstream.url())
    );

    // The upstream is near, and is told of the trace: as a part of the send.
    let sent = stage.upstream.chats();
    let traceparent = format!("00-{id}-{}-", send["id"].as_str().expect("an id"));
    let told = sent.iter().any(|request| {
        let header = request.head.header("traceparent");
        header.is_some_and(|value| value.starts_with(&traceparent))
    });
    assert!(told, "{traceparent}");
}

async fn traces_are_listed_by_what_became_of_them(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage
        .upstream
        .answer(MODEL, canned::stream_text(&["Hello"]));
    assert_eq!(stage.instance.chat(canned::ask(true)).await.status, 200);
    let nobodys = canned::ask_model("nobodys", false);
    assert_eq!(stage.instance.chat(nobodys).await.status, 404);
    let all = traces(&stage.instance, 2).await;
    assert_eq!(all[0]["status"], "rejected");
    assert_eq!(all[0]["error_code"], "model_not_found");
    let list = async |query: &str| {
        let listed = shown(&stage.instance, &format!("/traces?{query}")).await;
        let ids: Vec<Value> = listed["data"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|trace| trace["id"].clone())
            .collect();
        (ids, listed["has_more"].clone())
    };
    let ids = [all[0]["id"].clone(), all[1]["id"].clone()];
    let no = json!(false);
    assert_eq!(list("status=ok").await, (vec![ids[1].clone()], no.clone()));
    assert_eq!(
        list("model=nobodys").await,
        (vec![ids[0].clone()], no.clone())
    );
    assert_eq!(list("min_seconds=3600").await, (vec![], no.clone()));
    assert_eq!(list("limit=1").await, (vec![ids[0].clone()], json!(true)));
    let after = ids[0].as_str().expect("an id");
    assert_eq!(
        list(&format!("limit=1&after={after}")).await,
        (vec![ids[1].clone()], no)
    );

    for (path, status, code) in [
        ("/traces?status=well", 400, "invalid_value"),
        ("/traces?after=zz", 400, "invalid_value"),
        (
            "/traces/00000000000000000000000000000001",
            404,
            "trace_not_found",
        ),
        ("/traces/zz", 400, "invalid_value"),
    ] {
        let answer = stage.instance.administer(Request::get(path)).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert_eq!(answer.json()["error"]["code"], code, "{path}");
    }
    let answer = stage.instance.exchange(&Request::get("/traces")).await;
    assert_eq!(answer.status, 401);
}

async fn what_was_said_is_in_spans_only_where_the_operator_wants_it(deployment: Deployment) {
    const CAPTURE: &str = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
    for is_wanted in [false, true] {
        let settings = [(CAPTURE, "true")];
        let settings = if is_wanted { &settings[..] } else { &[] };
        let stage = Stage::with(deployment, settings).await;
        let answer = canned::stream_text(&["Hel", "lo"]);
        stage.upstream.answer(MODEL, answer);
        for is_streamed in [true, false] {
            let asked = stage.instance.chat(canned::ask(is_streamed)).await;
            assert_eq!(asked.status, 200);
        }
        for trace in traces(&stage.instance, 2).await {
            let id = trace["id"].as_str().expect("an id");
            let trace = shown(&stage.instance, &format!("/traces/{id}")).await;
            let spans = trace["spans"].as_array().expect("spans");
            let chat = format!("chat {MODEL}");
            let attempt = spans.iter().find(|span| span["name"] == chat);
            let attributes = &attempt.expect("the attempt's span")["attributes"];
            let messages = |name: &str| {
                let text = attributes[name].as_str()?;
                Some(serde_json::from_str::<Value>(text).expect("JSON"))
            };
            let (input, output) = (
                messages("gen_ai.input.messages"),
                messages("gen_ai.output.messages"),
            );
            if is_wanted {
                let part = |text: &str| json!([{"type": "text", "content": text}]);
                assert_eq!(
                    input,
                    Some(json!([{"role": "user", "parts": part("Say hello.")}]))
                );
                assert_eq!(
                    output,
                    Some(json!([
                        {"role": "assistant", "parts": part("Hello"), "finish_reason": "stop"}
                    ]))
                );
            } else {
                assert_eq!((input, output), (None, None));
            }
        }
    }
}
