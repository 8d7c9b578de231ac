//! Clients that mean harm.

use llm2api_test_support::{
    Deployment, Llm2Api, RawClient, Request, Script, ScriptedUpstream, llm2api::Process, within,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    canned,
    stage::{MODEL, Stage, binary},
    upstream_errors::verdict,
};

both_deployments! {
    headers_beyond_all_bounds_end_their_connection_and_nothing_else,
    a_pasted_cookie_becomes_no_second_header,
    what_is_pasted_stays_text,
}

async fn headers_beyond_all_bounds_end_their_connection_and_nothing_else(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let huge = format!("X-Long: {}\r\n", "a".repeat(2 << 20));
    let many: String = (0..500)
        .map(|number| format!("X-{number}: a\r\n"))
        .collect();
    for headers in [
        huge.as_str(),
        many.as_str(),
        "no header\r\n",
        "X-Evil : a\r\n",
    ] {
        let status = sent(&stage.instance, headers).await;
        assert!(matches!(status, None | Some(400 | 431)), "{status:?}");
    }
    assert_eq!(sent(&stage.instance, "X-Short: a\r\n").await, Some(200));
}

/// The status of an answer to these headers. `None`: the connection ended without one.
async fn sent(instance: &Llm2Api, headers: &str) -> Option<u16> {
    let mut stream = instance.client().await.into_stream();
    let request =
        format!("GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    // It may be cut off while it still writes.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = within("the connection to end", stream.read_to_end(&mut answer)).await;
    let text = String::from_utf8_lossy(&answer);
    text.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

async fn add(instance: &Llm2Api, body: &Value) -> (u16, Value) {
    let request = Request::post_json("/cookie/add", body.to_string());
    let answer = instance.administer(request).await;
    (answer.status, answer.json())
}

async fn a_pasted_cookie_becomes_no_second_header(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    for (param, body) in [
        ("cookie", json!({"cookie": "sk-a\r\nX-Evil: 1"})),
        (
            "cookie",
            json!({"cookie": "sk-a\nX-Evil: 1", "kind": "api_key"}),
        ),
        (
            "cookie",
            json!({"cookie": "name=value\r\nX-Evil: 1; b=c", "kind": "cookie"}),
        ),
        ("cookie", json!({"cookie": "sk-a\u{0}b", "kind": "api_key"})),
        (
            "user_agent",
            json!({"cookie": "sk-a", "user_agent": "a\r\nX-Evil: 1"}),
        ),
        ("label", json!({"cookie": "sk-a", "label": "a\r\nb"})),
    ] {
        let request = Request::post_json("/cookie/add", body.to_string());
        let answer = stage.instance.administer(request).await;
        let expected = json!(["invalid_request_error", param, "invalid_value"]);
        assert_eq!(verdict(&answer), (400, expected), "{body}");
    }
    // A `Cookie` header among others is taken for what it is, and the others are not.
    let whole = json!({"cookie": "Host: x\r\nCookie: a=b\r\nX-Evil: 1"});
    let (status, told) = add(&stage.instance, &whole).await;
    assert_eq!(status, 200, "{told}");
    stage
        .upstream
        .answer(MODEL, canned::stream_text(&["Hello"]));
    let answer = stage.instance.chat(canned::ask(false)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let chats = stage.upstream.chats();
    assert!(
        chats
            .iter()
            .all(|chat| chat.head.header("x-evil").is_none())
    );
}

async fn what_is_pasted_stays_text(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let script = "<script>alert(1)</script>";
    let (status, told) = add(&stage.instance, &json!({"cookie": "sk-a", "label": script})).await;
    assert_eq!((status, &told["label"]), (200, &json!(script)), "{told}");
    for path in ["/cookies", "/v1/%3Cscript%3Ealert(1)%3C/script%3E"] {
        let answer = stage.instance.administer(Request::get(path)).await;
        assert_eq!(
            answer.header("content-type"),
            Some("application/json"),
            "{path}"
        );
    }
    let page = stage.instance.exchange(&Request::get("/cookie")).await;
    let policy = page.header("content-security-policy").unwrap_or_default();
    assert!(
        policy.contains("default-src 'none'") && policy.contains("script-src 'self'"),
        "{policy}"
    );
    assert!(!page.text().contains("alert(1)"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_writes_lines_of_their_own_into_the_log() {
    let upstream = ScriptedUpstream::start(&[MODEL]).await;
    let data = TempDir::new().unwrap();
    let settings = [
        ("LISTEN", "127.0.0.1:0"),
        ("GRPC_LISTEN", "off"),
        ("SEARXNG_URL", "off"),
        ("LOG", "debug"),
        ("LOG_FORMAT", "text"),
        ("API_KEY", "client"),
        ("UPSTREAM_URL", &upstream.url()),
        ("DATA_DIR", data.path().to_str().unwrap()),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let process = Process::start(binary(), "serve", &settings);
    process.logs("curl http://127.0.0.1:").await;
    let log = process.log();
    let (_, address) = log.split_once("curl http://").unwrap();
    let address = address.split('/').next().unwrap().parse().unwrap();

    let forged = "\r\n2030-01-01T00:00:00Z  INFO llm2api: forged\n";
    let said = Script::json(500, json!({"error": {"message": forged}}).to_string());
    upstream.answer(MODEL, said);
    for body in [
        json!({"model": format!("{MODEL}{forged}"), "messages": [{"role": "user", "content": "hi"}]}),
        json!({"model": MODEL, "messages": [{"role": "user", "content": forged}]}),
        json!({"model": MODEL, forged: 1}),
    ] {
        let request = Request::chat(body.to_string()).bearer("client");
        RawClient::connect(address).await.exchange(&request).await;
    }
    let escaped = Request::get("/v1/models/%0d%0a2030-01-01T00:00:00Z%20forged").bearer("client");
    RawClient::connect(address).await.exchange(&escaped).await;
    let log = process.log();
    let forged_line = log.lines().find(|line| {
        let (_, line) = line.split_once("] ").unwrap_or_default();
        line.trim_start().starts_with("2030")
    });
    assert_eq!(forged_line, None, "{log}");
}
