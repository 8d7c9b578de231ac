//! Which upstream answers, under which name.

use llm2api_test_support::{Deployment, Llm2Api, Request, Script, ScriptedUpstream};
use serde_json::{Value, json};

use crate::{
    canned,
    stage::{Stage, instance},
    upstream_errors::verdict,
};

both_deployments! {
    another_upstream_answers_where_the_first_fails,
    upstreams_of_equal_priority_share_the_load,
    a_model_may_be_asked_of_one_upstream_by_name,
    a_name_of_the_operators_own_tries_its_targets_in_order,
    an_alias_is_answered_under_its_own_name,
    a_fallback_answers_under_the_name_that_answered,
    a_fallback_is_not_for_what_it_cannot_replace,
    a_model_that_nobody_lists_is_unknown,
    an_upstream_whose_list_is_not_known_is_asked_anyway,
    without_an_upstream_the_error_says_what_to_set,
}

/// Two upstreams, `one` before `two`, which both list `test-model` and each one of its own.
struct Pair {
    one: ScriptedUpstream,
    two: ScriptedUpstream,
    instance: Llm2Api,
}

impl Pair {
    async fn new(deployment: Deployment, priority_of_two: u32, rest: &str) -> Self {
        let one = ScriptedUpstream::start(&["test-model", "only/one"]).await;
        let two = ScriptedUpstream::start(&["test-model", "only-two"]).await;
        let file = format!(
            r#"
            [[upstreams]]
            name = "one"
            kind = "openai"
            url = "{}"

            [[upstreams]]
            name = "two"
            kind = "openai"
            url = "{}"
            priority = {priority_of_two}

            {rest}
            "#,
            one.url(),
            two.url()
        );
        let instance = instance(deployment).file(&file).start().await;
        // The first list waits for those of all upstreams: from here on it is known what each has.
        let models = instance.exchange(&Request::get("/v1/models")).await;
        assert_eq!(models.status, 200);
        Self { one, two, instance }
    }
}

/// An answer that tells who gave it.
fn signed(name: &str) -> Script {
    canned::stream_text(&[name])
}

fn text_of(answer: &Value) -> &str {
    answer["choices"][0]["message"]["content"]
        .as_str()
        .unwrap_or_else(|| panic!("no text in {answer}"))
}

async fn another_upstream_answers_where_the_first_fails(deployment: Deployment) {
    for failure in [
        Script::json(500, "{}"),
        Script::reset_at_once(),
        Script::json(429, "{}").header("Retry-After", "9"),
        Script::json(401, "{}"),
        Script::json(
            404,
            r#"{"error":{"message":"The model `test-model` does not exist","code":"model_not_found"}}"#,
        ),
    ] {
        let pair = Pair::new(deployment, 1, "").await;
        pair.one.answer("test-model", failure.clone());
        pair.two.answer("test-model", signed("two"));
        let answer = pair.instance.chat(canned::ask(false)).await.json();
        assert_eq!(text_of(&answer), "two", "{failure:?}");
        assert_eq!(answer["x_llm2api"], json!({"attempts": 2}), "{failure:?}");
        assert_eq!(pair.one.chats().len(), 1, "{failure:?}");
    }
}

async fn upstreams_of_equal_priority_share_the_load(deployment: Deployment) {
    let pair = Pair::new(deployment, 0, "").await;
    pair.one.answer("test-model", signed("one"));
    pair.two.answer("test-model", signed("two"));
    for _ in 0..40 {
        assert_eq!(pair.instance.chat(canned::ask(false)).await.status, 200);
    }
    let counts = [pair.one.chats().len(), pair.two.chats().len()];
    assert_eq!(counts[0] + counts[1], 40);
    assert!(
        counts.iter().all(|count| *count >= 8),
        "one of two equals was left out: {counts:?}"
    );
}

async fn a_model_may_be_asked_of_one_upstream_by_name(deployment: Deployment) {
    let pair = Pair::new(deployment, 1, "").await;
    pair.one.answer("test-model", signed("one"));
    pair.one.answer("only/one", signed("one's own"));
    pair.two.answer("test-model", signed("two"));
    for (model, text) in [
        ("two/test-model", "two"),
        ("one/test-model", "one"),
        ("only/one", "one's own"),
        ("one/only/one", "one's own"),
    ] {
        let answer = pair.instance.chat(canned::ask_model(model, false)).await;
        assert_eq!(text_of(&answer.json()), text, "{model}");
    }
}

async fn a_name_of_the_operators_own_tries_its_targets_in_order(deployment: Deployment) {
    let pair = Pair::new(
        deployment,
        0,
        r#"
        [models.fast]
        targets = ["two/only-two", "one/test-model"]
        "#,
    )
    .await;
    pair.two.answer("only-two", Script::json(500, "{}"));
    pair.one.answer("test-model", signed("one"));
    let answer = pair
        .instance
        .chat(canned::ask_model("fast", false))
        .await
        .json();
    assert_eq!(text_of(&answer), "one");
    assert_eq!(answer["model"], "fast");
    assert_eq!(
        (pair.one.chats().len(), pair.two.chats().len()),
        (1, 1),
        "each target once"
    );

    pair.two.answer("only-two", signed("two"));
    let answer = pair
        .instance
        .chat(canned::ask_model("fast", false))
        .await
        .json();
    assert_eq!(text_of(&answer), "two");
}

async fn an_alias_is_answered_under_its_own_name(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("MODEL_ALIASES", "gpt-4o=test-model,x=y")]).await;
    stage
        .upstream
        .answer("test-model", canned::stream_text(&["Hello"]));

    let whole = stage
        .instance
        .chat(canned::ask_model("gpt-4o", false))
        .await;
    let streamed = stage.instance.chat(canned::ask_model("gpt-4o", true)).await;

    assert_eq!(whole.json()["model"], "gpt-4o");
    assert_eq!(
        whole.json()["x_llm2api"],
        json!({"upstream_model": "test-model"})
    );
    let (chunks, done) = llm2api_test_support::sse::chunks(&streamed.body);
    assert!(done);
    for chunk in &chunks {
        assert_eq!(chunk["model"], "gpt-4o");
    }
    assert_eq!(
        chunks.last().unwrap()["x_llm2api"],
        json!({"upstream_model": "test-model"})
    );
    for answer in [&whole, &streamed] {
        assert_eq!(
            answer.header("x-llm2api-upstream-model"),
            Some("test-model")
        );
    }
    assert_eq!(stage.upstream.chat(0).await.json()["model"], "test-model");
}

async fn a_fallback_answers_under_the_name_that_answered(deployment: Deployment) {
    for failure in [
        Script::json(500, "{}"),
        Script::json(429, "{}").header("Retry-After", "9"),
        Script::json(401, "{}"),
        Script::answer(200, "text/html", "<html></html>"),
    ] {
        let pair = Pair::new(deployment, 1, "").await;
        drop(pair.instance);
        let instance = instance(deployment)
            .file(&format!(
                r#"
                fallback_model = "only-two"

                [[upstreams]]
                name = "one"
                kind = "openai"
                url = "{}"
                models = ["test-model"]

                [[upstreams]]
                name = "two"
                kind = "openai"
                url = "{}"
                models = ["only-two"]
                "#,
                pair.one.url(),
                pair.two.url()
            ))
            .start()
            .await;
        pair.one.answer("test-model", failure.clone());
        pair.two
            .answer("only-two", canned::stream_text_as("only-two", "two"));
        let whole = instance.chat(canned::ask(false)).await;
        let streamed = instance.chat(canned::ask(true)).await;

        let body = whole.json();
        assert_eq!(text_of(&body), "two", "{failure:?}");
        assert_eq!(body["model"], "only-two", "{failure:?}");
        assert_eq!(body["x_llm2api"]["fallback_from"], "test-model");
        let choices = canned::choices(&streamed.body);
        assert_eq!(canned::content(&choices, 0), "two", "{failure:?}");
        for answer in [&whole, &streamed] {
            assert_eq!(answer.header("x-llm2api-fallback"), Some("test-model"));
        }
    }
}

async fn a_fallback_is_not_for_what_it_cannot_replace(deployment: Deployment) {
    let upstream = ScriptedUpstream::start(&["test-model", "small"]).await;
    let instance = instance(deployment)
        .setting("UPSTREAM_URL", &upstream.url())
        .setting("FALLBACK_MODEL", "small")
        .setting("FIRST_TOKEN_TIMEOUT", "300ms")
        // Fewer failures than open the circuit breaker.
        .setting("RETRY_ATTEMPTS", "1")
        .start()
        .await;
    upstream.answer("small", signed("small"));
    let with = |member: &str, value: Value| {
        let mut request: Value = serde_json::from_str(&canned::ask(false)).unwrap();
        request[member] = value;
        request.to_string()
    };

    upstream.answer("test-model", Script::json(500, "{}"));
    for request in [
        with(
            "tools",
            json!([{"type": "function", "function": {"name": "f"}}]),
        ),
        with(
            "response_format",
            json!({"type": "json_schema", "json_schema": {"name": "s"}}),
        ),
        with(
            "messages",
            json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]}]),
        ),
    ] {
        assert_eq!(
            instance.chat(request.clone()).await.status,
            502,
            "{request}"
        );
    }
    upstream.answer("test-model", Script::json(400, "{}"));
    assert_eq!(instance.chat(canned::ask(false)).await.status, 400);
    upstream.answer("test-model", Script::silence());
    assert_eq!(instance.chat(canned::ask(false)).await.status, 504);
    assert_eq!(
        instance
            .chat(canned::ask_model("unknown", false))
            .await
            .status,
        404
    );
    let asked: Vec<String> = upstream
        .chats()
        .iter()
        .filter_map(|chat| chat.model())
        .collect();
    assert!(!asked.contains(&"small".to_owned()), "{asked:?}");
}

async fn a_model_that_nobody_lists_is_unknown(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    for model in ["unknown", "default/unknown", "gpt-4o", "test-model "] {
        let answer = stage.instance.chat(canned::ask_model(model, true)).await;
        assert_eq!(
            verdict(&answer),
            (
                404,
                json!(["invalid_request_error", null, "model_not_found"])
            ),
            "{model}"
        );
        let message = answer.json()["error"]["message"].to_string();
        assert!(message.contains(model), "{message}");
    }
    assert_eq!(stage.upstream.chats().len(), 0);
}

async fn an_upstream_whose_list_is_not_known_is_asked_anyway(deployment: Deployment) {
    for list in [
        Script::json(500, "{}"),
        Script::json(404, "{}"),
        Script::json(200, r#"{"object":"list","data":[]}"#),
    ] {
        let upstream = ScriptedUpstream::start(&[]).await;
        upstream.answer_models(list.clone());
        upstream.answer("anything", signed("here"));
        let instance = instance(deployment)
            .setting("UPSTREAM_URL", &upstream.url())
            .start()
            .await;
        let answer = instance.chat(canned::ask_model("anything", false)).await;
        assert_eq!(text_of(&answer.json()), "here", "{list:?}");
    }
}

async fn without_an_upstream_the_error_says_what_to_set(deployment: Deployment) {
    let instance = instance(deployment).start().await;
    let answer = instance.chat(canned::ask(true)).await;
    assert_eq!(
        verdict(&answer),
        (
            503,
            json!(["service_unavailable_error", null, "no_upstream"])
        )
    );
    let message = answer.json()["error"]["message"].to_string();
    assert!(message.contains("UPSTREAM_URL"), "{message}");
}
