//! By HTTP.

use llm2api_test_support::{Deployment, Request};
use serde_json::{Value, json};

use super::{EXPIRED, SESSIONS, operate, site, stage};
use crate::{
    canned,
    stage::{MODEL, Stage, instance},
    upstream_errors::verdict,
};

both_deployments! {
    a_cookie_is_added_used_and_removed,
    a_cookie_that_is_refused_is_not_added,
    one_that_is_there_already_is_not_added_twice,
    the_list_comes_in_pages,
    with_no_upstream_there_is_nothing_to_add_to,
    an_upstream_is_connected_used_and_removed,
    what_stands_in_the_configuration_is_changed_there_only,
    a_clients_key_administers_nothing,
}

async fn a_cookie_is_added_used_and_removed(deployment: Deployment) {
    let (site, instance) = stage(deployment).await;
    let body = json!({"cookie": format!("hf-chat={}", SESSIONS[0]), "label": "mine"});
    let added = operate(&instance, "POST", "/cookie/add", Some(body)).await;
    assert_eq!(added.status, 200, "{}", added.text());
    let mut cookie = added.json();
    let id = cookie["id"].as_str().unwrap().to_owned();
    assert!(cookie["added_at"].as_i64().unwrap() > 1_700_000_000);
    cookie["added_at"] = Value::Null;
    cookie["last_checked_at"] = Value::Null;
    assert_eq!(
        cookie,
        json!({
            "id": id, "object": "cookie", "upstream": "chat", "kind": "cookie", "source": "user", "label": "mine",
            "state": "valid", "reason": null, "preview": "hf-chat=…aa01", "in_flight": 0, "requests": 0, "failures": 0,
            "last_error": null, "added_at": null, "last_checked_at": null, "last_used_at": null, "cooldown_until": null,
            "created": true,
        })
    );

    let answer = instance.chat(canned::ask(false)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(site.conversations()[0].cookie, SESSIONS[0]);

    let path = format!("/cookies/{id}");
    let disabled = operate(&instance, "PATCH", &path, Some(json!({"disabled": true}))).await;
    assert_eq!(disabled.json()["state"], "disabled");
    assert_eq!(disabled.json()["requests"], 1);
    let answer = instance.chat(canned::ask(false)).await;
    assert_eq!(
        verdict(&answer).0,
        503,
        "nothing is left: {}",
        answer.text()
    );
    let enabled = operate(&instance, "PATCH", &path, Some(json!({"disabled": false}))).await;
    assert_ne!(enabled.json()["state"], "disabled");
    let checked = operate(&instance, "POST", &format!("{path}/check"), None).await;
    assert_eq!(
        (checked.status, &checked.json()["state"]),
        (200, &json!("valid"))
    );
    let cleared = operate(&instance, "POST", &format!("{path}/clear"), None).await;
    assert_eq!(
        (cleared.status, &cleared.json()["state"]),
        (200, &json!("valid"))
    );

    let removed = operate(&instance, "DELETE", &path, None).await;
    assert_eq!(
        removed.json(),
        json!({"id": id, "object": "cookie", "deleted": true})
    );
    let again = operate(&instance, "DELETE", &path, None).await;
    assert_eq!(
        verdict(&again),
        (
            404,
            json!(["invalid_request_error", null, "cookie_not_found"])
        )
    );
}

async fn a_cookie_that_is_refused_is_not_added(deployment: Deployment) {
    let (_site, instance) = stage(deployment).await;
    let refused = operate(
        &instance,
        "POST",
        "/cookie/add",
        Some(json!({"cookie": EXPIRED})),
    )
    .await;
    assert_eq!(
        (refused.status, &refused.json()["error"]["code"]),
        (400, &json!("cookie_invalid"))
    );
    assert!(!refused.text().contains(EXPIRED));
    let unknown = json!({"cookie": SESSIONS[0], "upstream": "none"});
    let unknown = operate(&instance, "POST", "/cookie/add", Some(unknown)).await;
    assert_eq!(
        verdict(&unknown),
        (
            400,
            json!(["invalid_request_error", "upstream", "invalid_value"])
        )
    );
    let list = operate(&instance, "GET", "/cookies", None).await.json();
    let kinds: Vec<_> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cookie| &cookie["kind"])
        .collect();
    assert_eq!(kinds, ["anonymous"]);
}

async fn one_that_is_there_already_is_not_added_twice(deployment: Deployment) {
    let (_site, instance) = stage(deployment).await;
    let forms = [
        format!("hf-chat={}", SESSIONS[0]),
        SESSIONS[0].to_owned(),
        format!("Cookie: hf-chat={}", SESSIONS[0]),
    ];
    let mut seen = Vec::new();
    for form in forms {
        let body = json!({"cookie": form});
        let added = operate(&instance, "POST", "/cookie/add", Some(body)).await;
        seen.push((added.json()["id"].clone(), added.json()["created"].clone()));
    }
    let id = seen[0].0.clone();
    assert_eq!(
        seen,
        [
            (id.clone(), json!(true)),
            (id.clone(), json!(false)),
            (id, json!(false))
        ]
    );
}

async fn the_list_comes_in_pages(deployment: Deployment) {
    let (_site, instance) = stage(deployment).await;
    for session in SESSIONS {
        let body = json!({"cookie": session});
        operate(&instance, "POST", "/cookie/add", Some(body)).await;
    }
    let (mut after, mut previews, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let path = format!("/cookies?limit=2&upstream=chat&after={after}");
        let page = operate(&instance, "GET", &path, None).await.json();
        pages += 1;
        for cookie in page["data"].as_array().unwrap() {
            previews.push(cookie["preview"].as_str().unwrap().to_owned());
        }
        if page["has_more"] == json!(false) {
            break;
        }
        after = page["last_id"].as_str().unwrap().to_owned();
    }
    assert_eq!(pages, 3);
    assert_eq!(
        previews,
        [
            "hf-chat=…aa01",
            "hf-chat=…bb02",
            "hf-chat=…cc03",
            "hf-chat=…dd04",
            "hf-chat=…ee05"
        ]
    );
    let wrong = operate(&instance, "GET", "/cookies?state=tired", None).await;
    assert_eq!(
        verdict(&wrong),
        (
            400,
            json!(["invalid_request_error", "state", "invalid_value"])
        )
    );
}

async fn with_no_upstream_there_is_nothing_to_add_to(deployment: Deployment) {
    let instance = instance(deployment).start().await;
    let body = json!({"cookie": SESSIONS[0]});
    let answer = operate(&instance, "POST", "/cookie/add", Some(body)).await;
    assert_eq!(
        verdict(&answer),
        (400, json!(["invalid_request_error", null, "no_upstream"]))
    );
    let message = answer.json()["error"]["message"].to_string();
    assert!(
        message.contains("UPSTREAM_URL") && message.contains("/cookie"),
        "{message}"
    );
}

async fn an_upstream_is_connected_used_and_removed(deployment: Deployment) {
    let site = site().await;
    let instance = instance(deployment).start().await;
    let body = |cookie: &str| json!({"url": site.url(), "cookie": cookie, "name": "chat"});
    let refused = operate(&instance, "POST", "/upstreams", Some(body(EXPIRED))).await;
    assert_eq!(
        (refused.status, &refused.json()["error"]["code"]),
        (400, &json!("cookie_invalid"))
    );
    let added = operate(&instance, "POST", "/upstreams", Some(body(SESSIONS[0]))).await;
    assert_eq!(added.status, 200, "{}", added.text());
    let tested = operate(&instance, "POST", "/upstreams/chat/test", None)
        .await
        .json();
    assert_eq!(tested["ok"], json!(true), "{tested}");
    assert_eq!(tested["upstream"]["models"], json!([MODEL]));
    assert_eq!(tested["upstream"]["kind"], json!("chat-ui"));
    assert_eq!(tested["upstream"]["cookies"]["valid"], json!(1));
    assert_eq!(instance.chat(canned::ask(false)).await.status, 200);

    let changed = json!({"aliases": {"gpt-4o": MODEL}, "breaker": false, "cooldown": 5});
    let changed = operate(&instance, "PATCH", "/upstreams/chat", Some(changed))
        .await
        .json();
    assert_eq!(changed["aliases"], json!({"gpt-4o": MODEL}));
    assert_eq!(
        (&changed["breaker"], &changed["cooldown"]),
        (&json!("off"), &json!("5s"))
    );
    let cleared = json!({"aliases": {}, "cooldown": ""});
    let cleared = operate(&instance, "PATCH", "/upstreams/chat", Some(cleared))
        .await
        .json();
    assert_eq!(
        (&cleared["aliases"], &cleared["cooldown"]),
        (&json!({}), &Value::Null)
    );

    let taken = operate(&instance, "POST", "/upstreams", Some(body(SESSIONS[1]))).await;
    assert_eq!(
        verdict(&taken),
        (
            400,
            json!(["invalid_request_error", "name", "invalid_value"])
        )
    );
    let removed = operate(&instance, "DELETE", "/upstreams/chat", None).await;
    assert_eq!(
        removed.json(),
        json!({"id": "chat", "object": "upstream", "deleted": true})
    );
    let list = operate(&instance, "GET", "/upstreams", None).await;
    assert_eq!(
        list.json(),
        json!({"object": "list", "data": [], "has_more": false, "last_id": null})
    );
    let gone = operate(&instance, "POST", "/upstreams/chat/test", None).await;
    assert_eq!(
        verdict(&gone),
        (
            404,
            json!(["invalid_request_error", null, "upstream_not_found"])
        )
    );
}

async fn what_stands_in_the_configuration_is_changed_there_only(deployment: Deployment) {
    let (_site, instance) = stage(deployment).await;
    for (method, body) in [("PATCH", Some(json!({"priority": 1}))), ("DELETE", None)] {
        let answer = operate(&instance, method, "/upstreams/chat", body).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (400, &json!("read_only")),
            "{method}"
        );
    }
}

async fn a_clients_key_administers_nothing(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("API_KEY", "client")]).await;
    for (method, path) in [
        ("GET", "/cookies"),
        ("POST", "/cookie/add"),
        ("GET", "/upstreams"),
        ("DELETE", "/upstreams/default"),
    ] {
        let request = Request::new(method, path);
        let answer = stage
            .instance
            .exchange(&request.clone().bearer("client"))
            .await;
        assert_eq!(
            verdict(&answer),
            (
                403,
                json!(["invalid_request_error", null, "insufficient_permissions"])
            ),
            "{path}"
        );
        let answer = stage.instance.exchange(&request).await;
        assert_eq!(answer.status, 401, "{path}");
    }
}
