//! What is searched for, and what the upstream is sent.

use llm2api_test_support::{Deployment, ScriptedSearxng, ScriptedUpstream, scripted_searxng};
use serde_json::{Value, json};

use super::{BLOCK, QUESTION, Stage, WEB, assert_woven, found, question};
use crate::{
    canned,
    stage::{MODEL, instance},
};

both_deployments! {
    all_chats_are_searched_for_where_the_operator_wants_it,
    what_only_the_options_mark_is_left_to_an_upstream_that_searches,
    a_client_says_how_much_it_wants_and_where_it_is,
    where_search_is_off_chats_are_answered_without,
    the_model_writes_the_query_where_the_operator_wants_it,
    an_answer_sent_back_reaches_the_model_without_its_results,
}

async fn all_chats_are_searched_for_where_the_operator_wants_it(deployment: Deployment) {
    let stage = Stage::with(deployment, found(), &[("TOOL_ALL_IN_ONE", "true")]).await;
    let answer = stage.ask("/v1/chat/completions", &question(false)).await;
    assert_eq!(answer.header("x-llm2api-search"), Some("ok"));
    let last_is_assistants = json!({"model": MODEL, "messages": [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": "It is"},
    ]});
    let answer = stage.ask("/v1/chat/completions", &last_is_assistants).await;
    assert_eq!(answer.header("x-llm2api-search"), Some("skipped"));
    assert_eq!(
        answer.json()["choices"][0]["message"]["content"],
        "1141 m [1]."
    );
    assert_eq!(stage.searches(), 1);
}

async fn what_only_the_options_mark_is_left_to_an_upstream_that_searches(deployment: Deployment) {
    let upstream = ScriptedUpstream::start(&[MODEL]).await;
    upstream.answer(MODEL, canned::stream_text(&["found by myself"]));
    let searxng = ScriptedSearxng::start().await;
    searxng.answers(found());
    let file = format!(
        r#"
        [[upstreams]]
        name = "searching"
        kind = "openai"
        url = "{}"
        web_search = "upstream"
        "#,
        upstream.url()
    );
    let instance = instance(deployment)
        .file(&file)
        .setting("SEARXNG_URL", &searxng.url())
        .start()
        .await;
    let stage = Stage {
        upstream,
        searxng,
        instance,
    };
    let mut body = question(false);
    body["web_search_options"] = json!({"search_context_size": "low"});
    let answer = stage.ask("/v1/chat/completions", &body).await;
    assert_eq!(answer.header("x-llm2api-search"), Some("skipped"));
    assert_eq!(
        answer.json()["choices"][0]["message"]["content"],
        "found by myself"
    );
    let sent = stage.upstream.chat(0).await.json();
    assert_eq!(sent["web_search_options"], body["web_search_options"]);
    assert_eq!(
        (&sent["messages"], stage.searches()),
        (&body["messages"], 0)
    );

    let answer = stage.ask(WEB, &body).await;
    assert_eq!(answer.header("x-llm2api-search"), Some("ok"));
    let sent = stage.upstream.chat(1).await.json();
    assert_eq!(sent.get("web_search_options"), None);
    assert_woven(&sent["messages"][1], QUESTION);
}

async fn a_client_says_how_much_it_wants_and_where_it_is(deployment: Deployment) {
    let urls: Vec<String> = (1..=30).map(|n| format!("https://{n}.example/")).collect();
    let snippet = "word ".repeat(100);
    let many: Vec<_> = urls
        .iter()
        .map(|url| ("T", url.as_str(), &*snippet))
        .collect();
    let stage = Stage::with(deployment, scripted_searxng::found(&many), &[]).await;
    let ask = async |options: Value| {
        let mut body = question(false);
        body["web_search_options"] = options;
        let answer = stage.ask("/v1/chat/completions", &body).await;
        assert_eq!(answer.header("x-llm2api-search"), Some("ok"));
        answer.json()["citations"].as_array().unwrap().len()
    };
    let table = [("low", 3, 64), ("medium", 5, 100), ("high", 10, 100)];
    for (number, (size, results, words)) in table.into_iter().enumerate() {
        assert_eq!(
            ask(json!({"search_context_size": size})).await,
            results,
            "{size}"
        );
        let sent = stage.sent(number).await[1]["content"].take();
        let counts: Vec<_> = sent
            .as_str()
            .unwrap()
            .lines()
            .filter_map(|line| line.strip_prefix("> "))
            .map(|snippet| snippet.split(' ').count())
            .collect();
        assert_eq!(counts, vec![words; results], "{size}");
    }
    let options = json!({"user_location": {"type": "approximate", "approximate": {"country": "AT", "city": "Wien"}}});
    assert_eq!(ask(options).await, 5);
    let languages: Vec<_> = stage
        .searxng
        .searches()
        .into_iter()
        .flat_map(|search| search.parameters)
        .filter(|(name, _)| name == "language")
        .map(|(_, language)| language)
        .collect();
    assert_eq!(languages, ["auto", "de-AT"]);
}

async fn where_search_is_off_chats_are_answered_without(deployment: Deployment) {
    let settings = [("SEARXNG_URL", "off"), ("TOOL_ALL_IN_ONE", "true")];
    let stage = Stage::with(deployment, found(), &settings).await;
    for path in [WEB, "/v1/chat/completions"] {
        let answer = stage.ask(path, &question(false)).await;
        assert_eq!(answer.header("x-llm2api-search"), Some("skipped"));
        let whole = answer.json();
        assert_eq!(whole["choices"][0]["message"]["content"], "1141 m [1].");
        assert_eq!(whole["x_llm2api"], json!({"search": "skipped"}));
    }
    for number in [0, 1] {
        assert_eq!(stage.sent(number).await[1]["content"], QUESTION);
    }
    assert_eq!(stage.searches(), 0);
}

async fn the_model_writes_the_query_where_the_operator_wants_it(deployment: Deployment) {
    let stage = Stage::with(deployment, found(), &[("SEARCH_REWRITE", "true")]).await;
    let query = canned::stream_text(&["Brocken ", "Höhe"]);
    stage.upstream.queue(query);
    let answer = stage.ask(WEB, &question(true)).await;
    assert_eq!(answer.header("x-llm2api-search"), Some("ok"));
    let choices = canned::choices(&answer.body);
    assert_eq!(canned::content(&choices, 0), format!("{BLOCK}1141 m [1]."));
    assert_eq!(stage.searxng.queries(), ["Brocken Höhe"]);
    assert_woven(&stage.sent(1).await[1], QUESTION);
    assert_eq!(stage.upstream.chats().len(), 2);
}

async fn an_answer_sent_back_reaches_the_model_without_its_results(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let first = stage.ask(WEB, &question(false)).await.json();
    let message = |role: &str, content: &str| json!({"role": role, "content": content});
    let body = json!({"model": MODEL, "messages": [
        message("user", QUESTION),
        first["choices"][0]["message"],
        message("user", "And the Harz?"),
    ]});
    for path in [WEB, "/v1/chat/completions"] {
        stage.ask(path, &body).await;
    }
    for (number, is_searched) in [(1, true), (2, false)] {
        let sent = stage.sent(number).await;
        assert_eq!(sent[0], message("user", QUESTION));
        assert_eq!(sent[1]["content"], "1141 m [1].");
        if is_searched {
            assert_woven(&sent[2], "And the Harz?");
        } else {
            assert_eq!(sent[2], message("user", "And the Harz?"));
        }
    }
}
