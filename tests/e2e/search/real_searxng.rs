//! At a real SearXNG, with an engine that is not.

use llm2api_proto::v1::{SearchResponse, SearchResult, SearchStatus};
use llm2api_test_support::{Deployment, Script};

use super::{command_line::llm2api, search, searching_at};
use crate::stage::real_searxng;

both_deployments! {
    a_real_searxng_finds_what_its_engine_does,
}

async fn a_real_searxng_finds_what_its_engine_does(deployment: Deployment) {
    let searxng = real_searxng().await;
    searxng.finds(&[
        ("Bees", "https://bees.example/", "They <b>hum</b>."),
        ("Wasps", "https://wasps.example/a?b=c", ""),
    ]);
    let instance = searching_at(deployment, &searxng.url(), &[]).await;
    let result = |title: &str, url: &str, snippet: &str| SearchResult {
        title: title.to_owned(),
        url: url.to_owned(),
        snippet: snippet.to_owned(),
    };
    let expected = SearchResponse {
        results: vec![
            result("Bees", "https://bees.example/", "They hum."),
            result("Wasps", "https://wasps.example/a?b=c", ""),
        ],
        status: SearchStatus::Ok.into(),
        status_message: String::new(),
    };
    assert_eq!(search(&instance, "which insects hum").await, expected);
    let output = llm2api(&instance, &["--limit", "1", "which", "insects", "hum"]).await;
    assert_eq!(
        (output.status.code(), output.stdout.as_str()),
        (
            Some(0),
            "[1] Bees\n    https://bees.example/\n    They hum.\n"
        )
    );

    searxng.finds(&[]);
    assert_eq!(
        search(&instance, "nothing").await.status(),
        SearchStatus::Empty
    );
    searxng.engine_answers(Script::answer(429, "text/plain", "Too Many Requests"));
    let blocked = search(&instance, "anything").await;
    assert_eq!(blocked.status(), SearchStatus::Blocked, "{blocked:?}");
}
