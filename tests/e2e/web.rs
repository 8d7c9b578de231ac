//! What every HTTP answer has in common: ids, paths, methods, prefixes, other origins, compression.

use llm2api_test_support::{Deployment, Request, within};
use serde_json::json;

use crate::{canned, stage::Stage, upstream_errors::verdict};

both_deployments! {
    what_is_not_there_is_told_so,
    what_takes_another_method_tells_which,
    each_answer_has_an_id,
    everything_lives_under_the_prefix,
    pages_of_other_origins_may_call,
    only_listed_origins_may_call,
    long_json_is_compressed_and_streams_never,
    probes_are_open,
    readiness_tells_of_upstreams_and_the_store,
    the_api_describes_itself,
    long_headers_are_taken,
}

async fn what_is_not_there_is_told_so(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    for path in [
        "/v1/nothing",
        "/chat/completions",
        "/v1/chat/completions/chatcmpl-1",
        "/v1",
        "/v1/embeddings",
        "/v1/responses",
        "//v1/models",
    ] {
        let answer = stage.instance.exchange(&Request::get(path)).await;
        assert_eq!(
            verdict(&answer),
            (404, json!(["invalid_request_error", null, "unknown_url"])),
            "{path}"
        );
    }
    let answer = stage
        .instance
        .exchange(&Request::get("/chat/completions"))
        .await;
    let message = answer.json()["error"]["message"].to_string();
    assert!(message.contains("/v1"), "{message}");
}

async fn what_takes_another_method_tells_which(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    for (method, path, allowed) in [
        ("GET", "/v1/chat/completions", "POST"),
        ("PUT", "/v1/chat/completions", "POST"),
        ("POST", "/v1/models", "GET"),
        ("DELETE", "/v1/models/test-model", "GET"),
    ] {
        let answer = stage.instance.exchange(&Request::new(method, path)).await;
        assert_eq!(
            verdict(&answer),
            (
                405,
                json!(["invalid_request_error", null, "method_not_supported"])
            ),
            "{method} {path}"
        );
        let allow = answer.header("allow").unwrap_or_default();
        assert!(allow.contains(allowed), "{method} {path}: {allow:?}");
    }
}

async fn each_answer_has_an_id(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage
        .upstream
        .answer("test-model", canned::stream_text(&["Hello"]));
    let requests = [
        Request::chat(canned::ask(true)),
        Request::chat(canned::ask(false)),
        Request::chat("{"),
        Request::get("/v1/models"),
        Request::get("/nothing"),
        Request::get("/healthz"),
    ];
    let mut ids = Vec::new();
    for request in &requests {
        let answer = stage.instance.exchange(request).await;
        ids.push(answer.header("x-request-id").unwrap().to_owned());
        let answer = stage
            .instance
            .exchange(&request.clone().header("X-Request-Id", "my.id-1"))
            .await;
        assert_eq!(answer.header("x-request-id"), Some("my.id-1"));
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "no two requests have one id: {ids:?}");
    let long = "x".repeat(1000);
    for odd in ["a b", "\"<script>\"", long.as_str()] {
        let request = Request::get("/healthz").header("X-Request-Id", odd);
        let answer = stage.instance.exchange(&request).await;
        assert_ne!(answer.header("x-request-id"), Some(odd));
    }
}

async fn everything_lives_under_the_prefix(deployment: Deployment) {
    for prefix in ["a/b", "/a/b", "/a/b/"] {
        let stage = Stage::with(deployment, &[("API_PATH", prefix)]).await;
        stage
            .upstream
            .answer("test-model", canned::stream_text(&["Hello"]));
        let get = async |path: &str| stage.instance.exchange(&Request::get(path)).await;
        let chat = Request::post_json("/a/b/v1/chat/completions", canned::ask(true));
        assert_eq!(stage.instance.exchange(&chat).await.status, 200);
        assert_eq!(get("/a/b/v1/models").await.status, 200);
        assert_eq!(get("/a/b/openapi.json").await.status, 200);
        for path in ["/healthz", "/readyz"] {
            assert_eq!(get(path).await.status, 200, "{path}");
        }
        for path in [
            "/",
            "/v1/models",
            "/a",
            "/a/",
            "/a/bb/v1/models",
            "/a/b/healthz",
            "/A/b/v1/models",
            "/a%2Fb/v1/models",
            "//a/b/v1/models",
            "/a/b/nothing",
            "/openapi.json",
        ] {
            let answer = get(path).await;
            assert_eq!(
                verdict(&answer),
                (404, json!(["invalid_request_error", null, "unknown_url"])),
                "{path}"
            );
            let message = answer.json()["error"]["message"].to_string();
            assert!(!message.contains("a/b/"), "{path}: {message}");
        }
        let answer = get("/a/b").await;
        assert!((300..400).contains(&answer.status), "{}", answer.status);
        assert_eq!(answer.header("location"), Some("/a/b/"));
    }
}

async fn pages_of_other_origins_may_call(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage
        .upstream
        .answer("test-model", canned::stream_text(&["Hello"]));
    let preflight = Request::new("OPTIONS", "/v1/chat/completions")
        .header("Origin", "https://chat.example.org")
        .header("Access-Control-Request-Method", "POST")
        .header(
            "Access-Control-Request-Headers",
            "authorization,content-type,x-stainless-lang",
        );
    let answer = stage.instance.exchange(&preflight).await;
    assert!((200..300).contains(&answer.status), "{}", answer.status);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let headers = answer
        .header("access-control-allow-headers")
        .unwrap()
        .to_ascii_lowercase();
    for header in ["authorization", "content-type", "x-stainless-lang"] {
        assert!(headers.contains(header), "{headers}");
    }

    for request in [Request::chat(canned::ask(true)), Request::chat("{")] {
        let answer = stage
            .instance
            .exchange(&request.header("Origin", "https://chat.example.org"))
            .await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        let exposed = answer
            .header("access-control-expose-headers")
            .unwrap()
            .to_ascii_lowercase();
        assert!(exposed.contains("x-request-id"), "{exposed}");
    }
}

async fn only_listed_origins_may_call(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("CORS_ORIGINS", "https://a.example.org")]).await;
    for (origin, allowed) in [
        ("https://a.example.org", Some("https://a.example.org")),
        ("https://b.example.org", None),
    ] {
        let request = Request::get("/v1/models").header("Origin", origin);
        let answer = stage.instance.exchange(&request).await;
        assert_eq!(
            answer.header("access-control-allow-origin"),
            allowed,
            "{origin}"
        );
    }
}

async fn long_json_is_compressed_and_streams_never(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let long = "All work and no play. ".repeat(1000);
    stage
        .upstream
        .answer("test-model", canned::stream_text(&[&long]));
    let with = |stream: bool| {
        Request::chat(canned::ask(stream)).header("Accept-Encoding", "gzip, deflate, br")
    };
    let whole = stage.instance.exchange(&with(false)).await;
    assert_eq!(whole.header("content-encoding"), Some("gzip"));
    assert!(whole.body.len() < long.len() / 10);
    let streamed = stage.instance.exchange(&with(true)).await;
    assert_eq!(streamed.header("content-encoding"), None);
    assert_eq!(canned::content(&canned::choices(&streamed.body), 0), long);
    let plain = stage.instance.chat(canned::ask(false)).await;
    assert_eq!(plain.header("content-encoding"), None);
}

async fn probes_are_open(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("API_KEY", "secret")]).await;
    for path in ["/healthz", "/readyz"] {
        let answer = stage.instance.exchange(&Request::get(path)).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.json().is_object(), "{path}");
        let mut client = stage.instance.client().await;
        let answer = client.exchange(&Request::new("HEAD", path)).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{path}");
    }
}

async fn readiness_tells_of_upstreams_and_the_store(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let well = json!({"status": "ok", "upstreams": "ok", "store": "ok", "authorization": "ok"});
    let told = async {
        while stage
            .instance
            .exchange(&Request::get("/readyz"))
            .await
            .json()
            != well
        {
            tokio::task::yield_now().await;
        }
    };
    within("all to be well", told).await;
}

async fn the_api_describes_itself(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("API_KEY", "secret")]).await;
    let answer = stage
        .instance
        .exchange(&Request::get("/openapi.json"))
        .await;
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for path in ["/v1/chat/completions", "/v1/models", "/healthz", "/readyz"] {
        assert!(document["paths"].get(path).is_some(), "{path}");
    }
}

async fn long_headers_are_taken(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    // What a browser with many cookies sends; OpenAI asks for less than 64 KiB in all.
    let request = Request::get("/v1/models").header("Cookie", &"c=1; ".repeat(10_000));
    assert_eq!(stage.instance.exchange(&request).await.status, 200);
}
