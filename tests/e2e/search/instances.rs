//! Instances that don't answer, and what it means.

use llm2api_proto::v1::{SearchResponse, SearchResult, SearchStatus};
use llm2api_test_support::{
    Deployment, Script, ScriptedSearxng,
    scripted_searxng::{blocked, found},
};
use tokio::net::TcpListener;

use super::{search, searching_at, stage};

fn failed(message: impl Into<String>) -> SearchResponse {
    SearchResponse {
        results: Vec::new(),
        status: SearchStatus::Failed.into(),
        status_message: message.into(),
    }
}

/// What is found where the last instance is asked.
const BEES: &[(&str, &str, &str)] = &[("Bees", "https://bees.example/", "They hum.")];

fn bees() -> SearchResponse {
    SearchResponse {
        results: vec![SearchResult {
            title: "Bees".to_owned(),
            url: "https://bees.example/".to_owned(),
            snippet: "They hum.".to_owned(),
        }],
        status: SearchStatus::Ok.into(),
        status_message: String::new(),
    }
}

#[tokio::test]
async fn a_refusal_tells_what_to_set_and_is_believed_for_a_minute() {
    let page = Script::answer(200, "text/html; charset=utf-8", "<html>Log in</html>");
    let elsewhere = Script::answer(302, "text/html", "").header("Location", "http://127.0.0.1:9/");
    let table = [
        (
            Script::answer(403, "text/html", "Forbidden"),
            "refuses (403): `search.formats` in its settings.yml must have `json`",
        ),
        (
            Script::answer(429, "text/plain", "Too Many Requests"),
            "limits us (429): `server.limiter` in its settings.yml must be false, or `pass_ip` in its limiter.toml have our address",
        ),
        (
            Script::answer(401, "text/html", "Who are you?"),
            "wants a login (401): put it into SEARXNG_URL, as https://user:password@host",
        ),
        (
            elsewhere,
            "redirects instead of answering, which is never followed: SEARXNG_URL must be its own address",
        ),
        (
            page,
            "answers with a page instead of JSON: SEARXNG_URL must be its own address, with no login page before it",
        ),
    ];
    for (script, what) in table {
        let (searxng, instance) = stage(Deployment::Serve).await;
        let host = searxng.address();
        searxng.answers(script);
        assert_eq!(
            search(&instance, "one").await,
            failed(format!("{host} {what}"))
        );
        searxng.finds(BEES);
        assert_eq!(
            search(&instance, "two").await,
            failed(format!("{host} {what} (left alone for a minute)"))
        );
        assert_eq!(searxng.queries(), ["one"]);
    }
}

#[tokio::test]
async fn a_failure_is_told_and_the_instance_asked_again() {
    let table = [
        (
            Script::json(500, r#"{"error":"search error"}"#),
            "failed (500)",
            2,
        ),
        (Script::json(400, r#"{"error":"no"}"#), "failed (400)", 1),
        (
            Script::answer(502, "text/html", "Bad Gateway"),
            "failed (502)",
            1,
        ),
        (
            Script::json(200, "[1]"),
            "gave an answer that is not SearXNG's JSON",
            1,
        ),
        (
            Script::answer(200, "text/plain", "hello"),
            "gave an answer that is not SearXNG's JSON",
            1,
        ),
        (Script::silence(), "gave no answer in time", 1),
    ];
    for (script, what, asked) in table {
        let searxng = ScriptedSearxng::start().await;
        let timeout = [("SEARCH_TIMEOUT", "1s")];
        let instance = searching_at(Deployment::Serve, &searxng.url(), &timeout).await;
        searxng.answers(script);
        let response = search(&instance, "one").await;
        let host = searxng.address();
        let in_time = failed("no answer came in time");
        assert!(
            response == failed(format!("{host} {what}")) || response == in_time,
            "{response:?}"
        );
        assert_eq!(searxng.queries().len(), asked, "{what}");
        searxng.finds(BEES);
        assert_eq!(search(&instance, "two").await, bees());
    }
}

#[tokio::test]
async fn an_instance_that_nobody_runs_is_named() {
    // The port is free again when the listener is gone.
    let host = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let url = format!("http://{host}");
    let instance = searching_at(Deployment::Serve, &url, &[]).await;
    assert_eq!(
        search(&instance, "bees").await,
        failed(format!("{host} can't be reached: connection refused"))
    );
}

#[tokio::test]
async fn the_next_instance_answers_where_one_does_not() {
    for first in [
        Script::silence(),
        Script::reset_at_once(),
        Script::answer(403, "text/html", ""),
        blocked(&[("brave", "CAPTCHA")]),
    ] {
        let searxng = [
            ScriptedSearxng::start().await,
            ScriptedSearxng::start().await,
        ];
        searxng[0].answers(first);
        searxng[1].finds(BEES);
        let urls = format!("{},{}/search/", searxng[0].url(), searxng[1].url());
        let timeout = [("SEARCH_TIMEOUT", "2s")];
        let instance = searching_at(Deployment::Serve, &urls, &timeout).await;
        assert_eq!(search(&instance, "bees").await, bees());
        assert_eq!(searxng.each_ref().map(|one| one.queries().len()), [1, 1]);
    }
}

#[tokio::test]
async fn an_instance_that_failed_comes_last_for_a_while() {
    let searxng = [
        ScriptedSearxng::start().await,
        ScriptedSearxng::start().await,
    ];
    searxng[0].answers(Script::json(503, "{}"));
    searxng[1].finds(BEES);
    let urls = format!("{},{}", searxng[0].url(), searxng[1].url());
    let instance = searching_at(Deployment::Serve, &urls, &[]).await;
    for query in ["one", "two"] {
        assert_eq!(search(&instance, query).await, bees());
    }
    assert_eq!(
        searxng.each_ref().map(ScriptedSearxng::queries),
        [vec!["one"], vec!["one", "two"]]
    );
}

#[tokio::test]
async fn where_none_answers_each_says_why() {
    let searxng = [
        ScriptedSearxng::start().await,
        ScriptedSearxng::start().await,
    ];
    searxng[0].answers(Script::json(503, "{}"));
    searxng[1].answers(blocked(&[("brave", "CAPTCHA")]));
    let urls = format!("{},{}", searxng[0].url(), searxng[1].url());
    let instance = searching_at(Deployment::Serve, &urls, &[]).await;
    let [first, second] = searxng.each_ref().map(ScriptedSearxng::address);
    let expected = SearchResponse {
        results: Vec::new(),
        status: SearchStatus::Blocked.into(),
        status_message: format!(
            "{first} failed (503); {second}: its search engines refuse it (brave: CAPTCHA)"
        ),
    };
    assert_eq!(search(&instance, "bees").await, expected);
}

#[tokio::test]
async fn a_login_goes_along_and_is_shown_nowhere() {
    let searxng = ScriptedSearxng::start().await;
    searxng.answers(found(&[]));
    let url = format!("http://jane:s3cret@{}/", searxng.address());
    let instance = searching_at(Deployment::Serve, &url, &[("LOG", "trace")]).await;
    search(&instance, "bees").await;
    let searches = searxng.searches();
    // Basic, jane:s3cret.
    assert_eq!(
        searches[0].header("authorization"),
        Some("Basic amFuZTpzM2NyZXQ=")
    );
    let log = instance.log();
    assert!(
        !log.contains("s3cret") && !log.contains("amFuZTpzM2NyZXQ"),
        "{log}"
    );
    // What people search for is their own.
    assert!(!log.contains("bees"), "{log}");
}

#[tokio::test]
async fn searches_go_through_the_egress_proxy() {
    let proxy = ScriptedSearxng::start().await;
    proxy.finds(BEES);
    let settings = [("HTTP_PROXY", proxy.url())];
    let settings = settings
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let instance = searching_at(Deployment::Serve, "http://searxng.example", &settings).await;
    assert_eq!(search(&instance, "bees").await, bees());
    let paths: Vec<_> = proxy
        .searches()
        .into_iter()
        .map(|search| search.path)
        .collect();
    assert_eq!(paths, ["http://searxng.example/search"]);
}
