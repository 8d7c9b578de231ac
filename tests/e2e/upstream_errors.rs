//! What a client gets for each way in which an upstream fails.

use llm2api_test_support::{Answer, Deployment, Request, Script};
use serde_json::{Value, json};

use crate::{canned, stage::Stage};

both_deployments! {
    a_clients_own_error_is_passed_on,
    a_rate_limit_is_passed_on_with_its_time,
    a_refused_key_is_not_the_clients_fault,
    a_web_page_is_no_answer,
    an_unknown_model_at_the_upstream_is_unknown,
    a_broken_upstream_is_a_bad_gateway,
    a_spent_quota_is_told_apart_from_a_rate_limit,
    what_an_upstream_says_of_its_secrets_stays_here,
}

/// The status, and the error object's type, param and code.
pub(crate) fn verdict(answer: &Answer) -> (u16, Value) {
    let body = answer.json();
    let error = &body["error"];
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty()),
        "{body}"
    );
    assert_eq!(
        error
            .as_object()
            .map(|error| error.keys().map(String::as_str).collect::<Vec<_>>()),
        Some(vec!["code", "message", "param", "type"]),
        "the four members of OpenAI's error object"
    );
    assert!(answer.header("x-request-id").is_some(), "{:?}", answer.head);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    (
        answer.status,
        json!([error["type"], error["param"], error["code"]]),
    )
}

fn error(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> String {
    json!({"error": {"message": message, "type": kind, "param": param, "code": code}}).to_string()
}

async fn a_clients_own_error_is_passed_on(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    for (status, body, expected) in [
        (
            400,
            error(
                "too hot",
                "invalid_request_error",
                Some("temperature"),
                Some("out_of_range"),
            ),
            json!(["invalid_request_error", "temperature", "out_of_range"]),
        ),
        (
            400,
            error(
                "too long",
                "invalid_request_error",
                Some("messages"),
                Some("context_length_exceeded"),
            ),
            json!([
                "invalid_request_error",
                "messages",
                "context_length_exceeded"
            ]),
        ),
        (
            422,
            error("not so", "invalid_request_error", None, None),
            json!(["invalid_request_error", null, null]),
        ),
    ] {
        for stream in [true, false] {
            let before = stage.upstream.chats().len();
            stage.upstream.queue(Script::json(status, body.clone()));
            let answer = stage.instance.chat(canned::ask(stream)).await;
            assert_eq!(verdict(&answer), (status, expected.clone()));
            let message: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(
                answer.json()["error"]["message"],
                message["error"]["message"]
            );
            assert_eq!(
                stage.upstream.chats().len(),
                before + 1,
                "no second attempt"
            );
        }
    }
}

async fn a_rate_limit_is_passed_on_with_its_time(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage.upstream.queue(
        Script::json(
            429,
            error("slow down", "requests", None, Some("rate_limit_exceeded")),
        )
        .header("Retry-After", "7"),
    );

    let first = stage.instance.chat(canned::ask(true)).await;
    let second = stage.instance.chat(canned::ask(false)).await;

    for answer in [&first, &second] {
        let (status, parts) = verdict(answer);
        assert_eq!((status, &parts[2]), (429, &json!("rate_limit_exceeded")));
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=7).contains(&seconds), "{seconds}");
    }
    assert_eq!(
        stage.upstream.chats().len(),
        1,
        "a credential that cools down is left alone"
    );
}

async fn a_refused_key_is_not_the_clients_fault(deployment: Deployment) {
    for status in [401, 403] {
        let stage = Stage::with(deployment, &[("UPSTREAM_API_KEY", "bad")]).await;
        stage.upstream.answer(
            "test-model",
            Script::json(
                status,
                error(
                    "Incorrect API key",
                    "invalid_request_error",
                    None,
                    Some("invalid_api_key"),
                ),
            )
            .header("WWW-Authenticate", "Bearer"),
        );
        let answer = stage.instance.chat(canned::ask(true)).await;
        assert_eq!(
            verdict(&answer),
            (
                503,
                json!(["service_unavailable_error", null, "no_valid_key"])
            )
        );
        assert_eq!(answer.header("www-authenticate"), None);
    }
}

async fn a_web_page_is_no_answer(deployment: Deployment) {
    let page = "<!doctype html><html><body>Welcome</body></html>";
    for script in [
        Script::answer(200, "text/html; charset=utf-8", page),
        Script::answer(404, "text/html", page),
        Script::answer(404, "text/plain", "404 page not found"),
        Script::answer(302, "text/html", "").header("Location", "/login"),
    ] {
        let stage = Stage::new(deployment).await;
        stage.upstream.answer("test-model", script.clone());
        let answer = stage.instance.chat(canned::ask(true)).await;
        assert_eq!(
            verdict(&answer),
            (502, json!(["server_error", null, "upstream_misconfigured"])),
            "{script:?}"
        );
        assert_eq!(stage.upstream.chats().len(), 1, "{script:?}");
    }
}

async fn an_unknown_model_at_the_upstream_is_unknown(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage.upstream.queue(Script::json(
        404,
        error(
            "The model `test-model` does not exist or you do not have access to it.",
            "invalid_request_error",
            None,
            Some("model_not_found"),
        ),
    ));
    let answer = stage.instance.chat(canned::ask(true)).await;
    assert_eq!(
        verdict(&answer),
        (
            404,
            json!(["invalid_request_error", null, "model_not_found"])
        )
    );
}

async fn a_broken_upstream_is_a_bad_gateway(deployment: Deployment) {
    let answer_with_error = error(
        "The server had an error",
        "server_error",
        None,
        Some("server_error"),
    );
    for script in [
        Script::json(500, answer_with_error.clone()),
        Script::answer(503, "text/html", "<html>down</html>"),
        Script::json(529, "{}"),
        Script::json(200, answer_with_error.clone()),
        Script::stream().event(&answer_with_error).done(),
        Script::stream()
            .event(canned::role(0))
            .event(&answer_with_error)
            .done(),
        Script::stream().event(canned::role(0)),
        Script::stream().done(),
        Script::json(200, "{}"),
        Script::json(200, "not json"),
        Script::stream().event("not json"),
        Script::stream().event(canned::role(0)).close(),
        Script::stream().event(canned::role(0)).reset(),
        Script::reset_at_once(),
        Script::raw("SSH-2.0-OpenSSH_9.2\r\n"),
    ] {
        for stream in [true, false] {
            let stage = Stage::new(deployment).await;
            stage.upstream.answer("test-model", script.clone());
            let answer = stage.instance.chat(canned::ask(stream)).await;
            assert_eq!(
                verdict(&answer),
                (502, json!(["server_error", null, "upstream_error"])),
                "{script:?}"
            );
            assert_eq!(stage.upstream.chats().len(), 3, "{script:?}");
        }
    }
}

async fn a_spent_quota_is_told_apart_from_a_rate_limit(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage.upstream.answer(
        "test-model",
        Script::json(
            429,
            error(
                "You exceeded your quota",
                "insufficient_quota",
                None,
                Some("insufficient_quota"),
            ),
        ),
    );
    let answer = stage.instance.chat(canned::ask(true)).await;
    assert_eq!(answer.status, 429);
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(
        (3_500..=3_600).contains(&seconds),
        "the credential cools for an hour: {seconds}"
    );
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert_eq!(stage.upstream.chats().len(), 1);
}

async fn what_an_upstream_says_of_its_secrets_stays_here(deployment: Deployment) {
    let stage = Stage::with(
        deployment,
        &[("UPSTREAM_API_KEY", "sk-abcdefghijklmnopqrstuvwxyz123456")],
    )
    .await;
    stage.upstream.queue(
        Script::json(
            400,
            error(
                "bad request of key sk-abcdefghijklmnopqrstuvwxyz123456",
                "invalid_request_error",
                None,
                None,
            ),
        )
        .header("Set-Cookie", "session=secret")
        .header("OpenAI-Organization", "org-secret"),
    );
    let answer = stage
        .instance
        .exchange(&Request::chat(canned::ask(true)))
        .await;
    assert_eq!(answer.status, 400);
    assert!(!answer.text().contains("abcdefgh"), "{}", answer.text());
    assert_eq!(answer.header("set-cookie"), None);
    assert_eq!(answer.header("openai-organization"), None);
    assert!(!stage.instance.log().contains("abcdefgh"));
}
