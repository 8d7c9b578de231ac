//! Requests that are wrong: each gets an error that says how, and none reaches an upstream.

use llm2api_test_support::{Deployment, Request};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use crate::{canned, stage::Stage, upstream_errors::verdict};

both_deployments! {
    a_malformed_body_is_told_what_is_wrong,
    whatever_the_body_is_the_answer_is_no_server_error,
    a_body_that_is_not_json_by_its_type_is_refused,
    a_body_that_is_too_large_is_refused,
    a_client_that_is_no_http_client_is_let_go,
}

const HI: &str = r#"{"role":"user","content":"hi"}"#;

/// Bodies with the `param` and `code` of their errors.
fn malformed() -> Vec<(String, Value, &'static str)> {
    let with = |members: &str| format!(r#"{{"model":"test-model","messages":[{HI}]{members}}}"#);
    let message = |message: &str| format!(r#"{{"model":"test-model","messages":[{message}]}}"#);
    let nested = format!(
        r#"{{"model":"test-model","messages":[{HI}],"x":{}{}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    let mut table: Vec<(String, Value, &'static str)> = Vec::new();
    for body in [
        "",
        " ",
        "{",
        "null",
        "true",
        "1",
        "\"text\"",
        "[]",
        "{}}",
        "{\"model\":NaN}",
        "\u{feff}{}",
        "model=test-model",
        "{\"model\":\"test-model\",\"messages\":[],}",
        "\u{0}",
    ] {
        table.push((body.to_owned(), json!(null), "invalid_json"));
    }
    table.push((nested, json!(null), "invalid_json"));
    table.push((with("") + "x", json!(null), "invalid_json"));
    for (body, param, code) in [
        ("{}".to_owned(), "model", "missing_required_parameter"),
        (
            format!(r#"{{"messages":[{HI}]}}"#),
            "model",
            "missing_required_parameter",
        ),
        (
            format!(r#"{{"model":null,"messages":[{HI}]}}"#),
            "model",
            "missing_required_parameter",
        ),
        (
            format!(r#"{{"model":1,"messages":[{HI}]}}"#),
            "model",
            "invalid_type",
        ),
        (
            format!(r#"{{"model":["a"],"messages":[{HI}]}}"#),
            "model",
            "invalid_type",
        ),
        (
            r#"{"model":"test-model"}"#.to_owned(),
            "messages",
            "missing_required_parameter",
        ),
        (
            r#"{"model":"test-model","messages":null}"#.to_owned(),
            "messages",
            "missing_required_parameter",
        ),
        (
            r#"{"model":"test-model","messages":"hi"}"#.to_owned(),
            "messages",
            "invalid_type",
        ),
        (
            r#"{"model":"test-model","messages":{}}"#.to_owned(),
            "messages",
            "invalid_type",
        ),
        (message("1"), "messages[0]", "invalid_type"),
        (
            message(r#"{"content":"hi"}"#),
            "messages[0].role",
            "missing_required_parameter",
        ),
        (
            message(r#"{"role":1,"content":"hi"}"#),
            "messages[0].role",
            "invalid_type",
        ),
        (
            message(r#"{"role":"robot","content":"hi"}"#),
            "messages[0].role",
            "invalid_value",
        ),
        (
            message(r#"{"role":"user","content":1}"#),
            "messages[0].content",
            "invalid_type",
        ),
        (
            message(r#"{"role":"user","content":{"a":1}}"#),
            "messages[0].content",
            "invalid_type",
        ),
        (
            message(r#"{"role":"user","content":[1]}"#),
            "messages[0].content[0]",
            "invalid_type",
        ),
        (with(r#","stream":"yes""#), "stream", "invalid_type"),
        (with(r#","n":"2""#), "n", "invalid_type"),
        (with(r#","n":0"#), "n", "invalid_value"),
        (with(r#","n":129"#), "n", "invalid_value"),
        (with(r#","n":1.5"#), "n", "invalid_type"),
        (
            with(r#","stream_options":{"include_usage":true}"#),
            "stream_options",
            "invalid_value",
        ),
        (
            with(r#","stream":true,"stream_options":1"#),
            "stream_options",
            "invalid_type",
        ),
        (with(r#","tools":"f""#), "tools", "invalid_type"),
        (with(r#","tools":[1]"#), "tools[0]", "invalid_type"),
        (
            with(r#","temperature":"hot""#),
            "temperature",
            "invalid_type",
        ),
        (with(r#","seed":1.5"#), "seed", "invalid_type"),
        (
            with(r#","seed":9223372036854775808"#),
            "seed",
            "invalid_value",
        ),
    ] {
        table.push((body, json!(param), code));
    }
    table
}

async fn a_malformed_body_is_told_what_is_wrong(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let mut client = stage.instance.client().await;
    let mut wrong = Vec::new();
    for (body, param, code) in malformed() {
        let answer = client.exchange(&Request::chat(body.clone())).await;
        let got = verdict(&answer);
        let expected = (400, json!(["invalid_request_error", param, code]));
        if got != expected {
            wrong.push(format!(
                "{body:.120}\n    got {got:?}, expected {expected:?}"
            ));
        }
    }
    for (body, what) in [
        (
            format!(r#"{{"model":"a","model":"test-model","messages":[{HI}]}}"#),
            "two models",
        ),
        (
            format!(r#"{{"model":"test-model","messages":[],"messages":[{HI}]}}"#),
            "two lists of messages",
        ),
        (
            format!(r#"{{"model":"test-model","messages":[{HI}],"x":1,"x":2}}"#),
            "two unknown members of a name",
        ),
        (
            r#"{"model":"test-model","messages":[{"role":"user","role":"system","content":"hi"}]}"#
                .to_owned(),
            "two roles",
        ),
        (
            r#"{"model":"test-model","messages":[{"role":"user","content":"hi","content":"ho"}]}"#
                .to_owned(),
            "two contents",
        ),
        (
            r#"{"model":"test-model","messages":[]}"#.to_owned(),
            "no messages",
        ),
        (
            r#"{"model":"test-model","messages":[{"role":"user","content":"\ud800"}]}"#.to_owned(),
            "half a character",
        ),
    ] {
        let answer = client.exchange(&Request::chat(body.clone())).await;
        if answer.status != 400 || verdict(&answer).1[0] != "invalid_request_error" {
            wrong.push(format!("{what}: got {:?}", answer.body));
        }
    }
    let mut bytes = format!(r#"{{"model":"test-model","messages":[{HI}],"x":"#).into_bytes();
    bytes.extend_from_slice(b"\"\xff\"}");
    let answer = client.exchange(&Request::chat(bytes)).await;
    if answer.status != 400 {
        wrong.push(format!("bytes that are no UTF-8: got {:?}", answer.body));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(stage.upstream.chats().len(), 0);
}

async fn whatever_the_body_is_the_answer_is_no_server_error(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage
        .upstream
        .answer("test-model", canned::stream_text(&["Hello"]));
    let mut client = stage.instance.client().await;
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    for _ in 0..300 {
        let body = mutilated_request()
            .new_tree(&mut runner)
            .expect("the strategy rejects nothing")
            .current();
        let answer = client.exchange(&Request::chat(body.clone())).await;
        assert!(
            answer.status == 200 || (400..500).contains(&answer.status),
            "{} for {:?}",
            answer.status,
            String::from_utf8_lossy(&body)
        );
        if answer.status != 200 {
            verdict(&answer);
        }
    }
}

/// A request in which some bytes are replaced, left out or doubled.
fn mutilated_request() -> impl Strategy<Value = Vec<u8>> {
    let whole = json!({
        "model": "test-model",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "héllo"}, {"type": "image_url", "image_url": {"url": "data:"}}]},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}
        ],
        "stream": true, "stream_options": {"include_usage": true}, "n": 1, "seed": 7, "stop": ["a"],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"a": [1, 2.5, null, true]}}}]
    })
    .to_string()
    .into_bytes();
    let length = whole.len();
    let edits = proptest::collection::vec((0..length, proptest::num::u8::ANY, 0..4u8), 1..6);
    edits.prop_map(move |edits| {
        let mut body = whole.clone();
        for (at, byte, edit) in edits {
            // What is cut off stays out of reach; one byte is always left.
            let at = at.min(body.len() - 1);
            match edit {
                0 => body[at] = byte,
                1 if body.len() > 1 => drop(body.remove(at)),
                1 | 2 => body.insert(at, byte),
                _ => body.truncate(at.max(1)),
            }
        }
        body
    })
}

async fn a_body_that_is_not_json_by_its_type_is_refused(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage
        .upstream
        .answer("test-model", canned::stream_text(&["Hello"]));
    let expected = (
        415,
        json!(["invalid_request_error", null, "unsupported_media_type"]),
    );
    for content_type in [Some("text/plain"), Some("multipart/form-data"), None] {
        let mut request = Request::new("POST", "/v1/chat/completions").body(canned::ask(false));
        if let Some(content_type) = content_type {
            request = request.header("Content-Type", content_type);
        }
        let answer = stage.instance.exchange(&request).await;
        assert_eq!(verdict(&answer), expected, "{content_type:?}");
    }
    for content_type in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/json;charset=UTF-8",
    ] {
        let request = Request::new("POST", "/v1/chat/completions")
            .header("Content-Type", content_type)
            .body(canned::ask(false));
        let answer = stage.instance.exchange(&request).await;
        assert_eq!(answer.status, 200, "{content_type:?}");
    }
}

async fn a_body_that_is_too_large_is_refused(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("MAX_BODY", "64KiB")]).await;
    stage
        .upstream
        .answer("test-model", canned::stream_text(&["Hello"]));
    let request = |size: usize| {
        let body = canned::ask(false);
        let padding = size - body.len() - r#","x":"""#.len();
        body.replace(
            r#""stream":false"#,
            &format!(r#""stream":false,"x":"{}""#, "x".repeat(padding)),
        )
    };
    let fits = stage.instance.chat(request(64 * 1024)).await;
    assert_eq!(fits.status, 200, "{:?}", fits.body);
    let expected = (
        413,
        json!(["invalid_request_error", null, "request_too_large"]),
    );
    let announced = stage.instance.chat(request(64 * 1024 + 1)).await;
    assert_eq!(verdict(&announced), expected);
    assert!(
        announced.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("MAX_BODY")
    );

    let mut client = stage.instance.client().await;
    let body = request(64 * 1024 + 1);
    client
        .send_bytes(
            format!(
                "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
                body.len()
            )
            .as_bytes(),
        )
        .await;
    assert_eq!(verdict(&client.answer(false).await), expected, "chunked");
}

async fn a_client_that_is_no_http_client_is_let_go(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
    ] {
        let mut client = stage.instance.client().await;
        client.send_bytes(bytes).await;
        client.closed().await;
    }
    assert_eq!(
        stage
            .instance
            .exchange(&Request::get("/healthz"))
            .await
            .status,
        200
    );
}
