//! Making, changing, changing the value of, and revoking keys.

use llm2api_test_support::{Deployment, Request, within};
use serde_json::{Value, json};

use super::{Made, operate};
use crate::{
    canned,
    stage::{MODEL, Stage},
    upstream_errors::verdict,
};

both_deployments! {
    a_key_is_made_used_changed_and_revoked,
    another_value_takes_the_place_of_the_first,
    the_list_of_keys_comes_in_pages,
    what_no_key_can_be_is_refused,
    once_there_is_a_key_one_is_needed,
}

/// What a client sends with a key whose answer doesn't matter.
fn models(key: &str) -> Request {
    Request::get("/v1/models").bearer(key)
}

async fn a_key_is_made_used_changed_and_revoked(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let instance = &stage.instance;
    stage
        .upstream
        .answer(MODEL, canned::stream_text(&["Hello"]));
    let body = json!({
        "label": "team a", "expires_at": 4_102_444_800_i64, "models": [MODEL], "networks": ["127.0.0.1", "10.1.2.3/8"],
        "requests_per_minute": 60, "tokens_per_day": 10_000, "tokens_total": 100_000, "introspection": true,
    });
    let answer = operate(instance, "POST", "/keys", Some(body)).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let mut made = answer.json();
    let value = made["key"].take().as_str().unwrap().to_owned();
    let id = made["id"].as_str().unwrap().to_owned();
    assert!(value.starts_with("sk-") && value.len() == 51, "{value}");
    assert!(id.starts_with("key_"), "{id}");
    assert!(made["created_at"].take().as_i64().unwrap() > 1_700_000_000);
    assert_eq!(
        made,
        json!({
            "id": id, "object": "key", "label": "team a", "preview": format!("sk-…{}", &value[47..]), "key": null,
            "state": "active", "created_at": null, "expires_at": 4_102_444_800_i64, "last_used_at": null, "models": [MODEL],
            "networks": ["127.0.0.1/32", "10.0.0.0/8"], "requests_per_minute": 60, "tokens_per_day": 10_000,
            "tokens_total": 100_000, "web_search": true, "introspection": true, "requests": 0, "requests_this_minute": 0,
            "input_tokens": 0, "output_tokens": 0, "tokens_today": 0,
        })
    );

    let key = Made { id, value };
    let answer = key.chat(instance, canned::ask(true)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let shown = key.shown(instance).await;
    let counts = [
        "requests",
        "requests_this_minute",
        "input_tokens",
        "output_tokens",
        "tokens_today",
    ];
    assert_eq!(
        counts.map(|name| shown[name].as_i64().unwrap()),
        [1, 1, 11, 2, 13]
    );
    assert!(shown["last_used_at"].as_i64().unwrap() > 1_700_000_000);
    assert!(shown.get("key").is_none(), "{shown}");

    let path = format!("/keys/{}", key.id);
    let changed = json!({
        "label": "team b", "expires_at": 0, "models": [], "networks": [], "requests_per_minute": 0, "tokens_per_day": 0,
        "tokens_total": 0, "web_search": false, "introspection": false,
    });
    let changed = operate(instance, "PATCH", &path, Some(changed))
        .await
        .json();
    assert_eq!(changed["label"], json!("team b"));
    for name in [
        "expires_at",
        "models",
        "networks",
        "requests_per_minute",
        "tokens_per_day",
        "tokens_total",
    ] {
        assert_eq!(changed[name], Value::Null, "{name}");
    }
    for name in ["web_search", "introspection"] {
        assert_eq!(changed[name], json!(false), "{name}");
    }
    assert_eq!(changed["output_tokens"], json!(2), "what it used stays");
    let unchanged = operate(instance, "PATCH", &path, Some(json!({}))).await;
    assert_eq!(unchanged.json(), changed);

    let removed = operate(instance, "DELETE", &path, None).await;
    assert_eq!(
        removed.json(),
        json!({"id": key.id, "object": "key", "deleted": true})
    );
    for (method, path) in [
        ("DELETE", path.clone()),
        ("POST", format!("{path}/rotate")),
        ("DELETE", "/keys/none".to_owned()),
    ] {
        let again = operate(instance, method, &path, None).await;
        let expected = json!(["invalid_request_error", null, "key_not_found"]);
        assert_eq!(verdict(&again), (404, expected), "{method} {path}");
    }
}

async fn another_value_takes_the_place_of_the_first(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let instance = &stage.instance;
    // Without another, the first would not be refused but needless.
    Made::with(instance, json!({})).await;
    let first = Made::with(instance, json!({"label": "mine"})).await;
    assert_eq!(instance.exchange(&models(&first.value)).await.status, 200);
    let path = format!("/keys/{}/rotate", first.id);
    let rotated = operate(instance, "POST", &path, None).await;
    assert_eq!(rotated.header("cache-control"), Some("no-store"));
    let rotated = rotated.json();
    assert_eq!(
        (&rotated["id"], &rotated["label"]),
        (&json!(first.id), &json!("mine"))
    );
    let second = rotated["key"].as_str().unwrap();
    assert_ne!(second, first.value);
    assert_eq!(instance.exchange(&models(second)).await.status, 200);
    // A gateway may believe in the old one for a second.
    let refused = async {
        while instance.exchange(&models(&first.value)).await.status != 401 {
            tokio::task::yield_now().await;
        }
    };
    within("the old value to be refused", refused).await;
}

async fn the_list_of_keys_comes_in_pages(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let labels = ["a", "b", "c", "d", "e"];
    for label in labels {
        Made::with(&stage.instance, json!({"label": label})).await;
    }
    let (mut after, mut listed, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let path = format!("/keys?limit=2&after={after}");
        let page = operate(&stage.instance, "GET", &path, None).await.json();
        pages += 1;
        for key in page["data"].as_array().unwrap() {
            listed.push(key["label"].as_str().unwrap().to_owned());
        }
        if page["has_more"] == json!(false) {
            break;
        }
        after = page["last_id"].as_str().unwrap().to_owned();
    }
    assert_eq!(
        (pages, listed.as_slice()),
        (3, labels.map(str::to_owned).as_slice())
    );
}

async fn what_no_key_can_be_is_refused(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let label = "x".repeat(201);
    for (body, param) in [
        (json!({"label": label}), "label"),
        (json!({"label": "a\nb"}), "label"),
        (json!({"expires_at": 1_700_000_000}), "expires_at"),
        (json!({"networks": ["10.0.0.0/33"]}), "networks"),
        (json!({"models": [""]}), "models"),
        (json!({"requests_per_minute": -1}), "requests_per_minute"),
        (
            json!({"requests_per_minute": 1_000_001}),
            "requests_per_minute",
        ),
        (json!({"tokens_per_day": -1}), "tokens_per_day"),
        (json!({"tokens_total": -1}), "tokens_total"),
    ] {
        let refused = operate(&stage.instance, "POST", "/keys", Some(body)).await;
        let expected = json!(["invalid_request_error", param, "invalid_value"]);
        assert_eq!(verdict(&refused), (400, expected), "{param}");
    }
    let list = operate(&stage.instance, "GET", "/keys", None).await;
    assert_eq!(
        list.json(),
        json!({"object": "list", "data": [], "has_more": false, "last_id": null})
    );
}

async fn once_there_is_a_key_one_is_needed(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let instance = &stage.instance;
    let nobody = Request::get("/v1/models");
    assert_eq!(instance.exchange(&nobody).await.status, 200);
    let key = Made::with(instance, json!({})).await;
    let closed = async {
        while instance.exchange(&nobody).await.status != 401 {
            tokio::task::yield_now().await;
        }
    };
    within("the gate to be closed", closed).await;
    assert_eq!(instance.exchange(&models(&key.value)).await.status, 200);
    let path = format!("/keys/{}", key.id);
    operate(instance, "DELETE", &path, None).await;
    let open = instance.exchange(&nobody).await;
    assert_eq!(open.status, 200, "{}", open.text());
}
