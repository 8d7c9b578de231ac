//! What operators did is there again: after a kill, and when an upstream returns.

use llm2api_test_support::{Deployment, Llm2Api, Request, within};
use serde_json::{Value, json};

use super::{EXPIRED, SESSIONS, operate, site, stage};
use crate::stage::{MODEL, instance};

both_deployments! {
    what_operators_did_is_there_after_a_kill,
    a_cookie_of_the_settings_that_was_removed_stays_removed,
    an_upstream_that_returns_has_its_cookies_again,
    an_upstream_that_is_forgotten_has_none,
}

/// All cookies, without what each use changes.
async fn cookies(instance: &Llm2Api) -> Vec<Value> {
    let list = operate(instance, "GET", "/cookies", None).await.json();
    let mut cookies = list["data"].as_array().unwrap().clone();
    for cookie in &mut cookies {
        for changing in ["last_checked_at", "last_used_at", "requests"] {
            cookie[changing] = Value::Null;
        }
    }
    cookies
}

async fn upstreams(instance: &Llm2Api) -> Value {
    operate(instance, "GET", "/upstreams", None).await.json()
}

async fn add(instance: &Llm2Api, session: &str) -> Value {
    let body = json!({"cookie": session, "upstream": "chat"});
    let added = operate(instance, "POST", "/cookie/add", Some(body)).await;
    assert_eq!(added.status, 200, "{}", added.text());
    added.json()["id"].clone()
}

fn path(id: &Value) -> String {
    format!("/cookies/{}", id.as_str().unwrap())
}

async fn what_operators_did_is_there_after_a_kill(deployment: Deployment) {
    let (site, instance) = stage(deployment).await;
    let [plain, labelled, disabled, removed] = [0, 1, 2, 3].map(|number| SESSIONS[number]);
    add(&instance, plain).await;
    let labelled = path(&add(&instance, labelled).await);
    operate(
        &instance,
        "PATCH",
        &labelled,
        Some(json!({"label": "Анна 安娜"})),
    )
    .await;
    let disabled = path(&add(&instance, disabled).await);
    operate(
        &instance,
        "PATCH",
        &disabled,
        Some(json!({"disabled": true})),
    )
    .await;
    let removed = path(&add(&instance, removed).await);
    operate(&instance, "DELETE", &removed, None).await;
    let refused = json!({"cookie": EXPIRED});
    let refused = operate(&instance, "POST", "/cookie/add", Some(refused)).await;
    assert_eq!(refused.status, 400);
    let second = json!({
        "name": "second", "url": site.url(), "kind": "chat-ui", "cookie": SESSIONS[4], "priority": 2,
        "headers": {"X-Tag": "secret"}, "aliases": {"short": MODEL},
    });
    let second = operate(&instance, "POST", "/upstreams", Some(second)).await;
    assert_eq!(second.status, 200, "{}", second.text());
    let changed = json!({"weight": 3, "cooldown": "5m"});
    let changed = operate(&instance, "PATCH", "/upstreams/second", Some(changed)).await;
    assert_eq!(changed.json()["priority"], 2);

    let (cookies_before, upstreams_before) = (cookies(&instance).await, upstreams(&instance).await);
    assert_eq!(cookies_before.len(), 4);
    let instance = instance.kill().await.start_again().await;
    assert_eq!(cookies(&instance).await, cookies_before);
    // Asked or not yet: the models are those that were last listed.
    let mut upstreams_now = upstreams(&instance).await;
    for upstream in upstreams_now["data"].as_array_mut().unwrap() {
        upstream["state"] = json!("ok");
    }
    assert_eq!(upstreams_now, upstreams_before);
}

async fn a_cookie_of_the_settings_that_was_removed_stays_removed(deployment: Deployment) {
    let site = site().await;
    let instance = instance(deployment)
        .setting("UPSTREAM_URL", &site.url())
        .setting("UPSTREAM_KIND", "chat-ui")
        .setting("COOKIES", &format!("{}||{}", SESSIONS[0], SESSIONS[1]))
        .start()
        .await;
    let both = cookies(&instance).await;
    assert_eq!(both.len(), 2);
    assert_eq!(both[0]["source"], "user");
    let removed = operate(&instance, "DELETE", &path(&both[0]["id"]), None).await;
    assert_eq!(removed.status, 200);
    let instance = instance.kill().await.start_again().await;
    let ids: Vec<_> = cookies(&instance)
        .await
        .iter()
        .map(|cookie| cookie["id"].clone())
        .collect();
    assert_eq!(ids, [both[1]["id"].clone()]);
    // By hand it comes back.
    let body = json!({"cookie": SESSIONS[0]});
    let added = operate(&instance, "POST", "/cookie/add", Some(body)).await;
    assert_eq!(added.json()["created"], true);
    let instance = instance.kill().await.start_again().await;
    assert_eq!(cookies(&instance).await.len(), 2);
}

/// An instance whose file has the site as its upstream `chat`, and that file.
async fn with_file(deployment: Deployment, url: &str) -> (Llm2Api, String) {
    let file = format!("[[upstreams]]\nname = \"chat\"\nkind = \"chat-ui\"\nurl = \"{url}\"\n");
    let instance = instance(deployment).file(&file).start().await;
    (instance, file)
}

/// Replaces the file, and waits until the upstreams are these.
async fn replace_file(instance: &Llm2Api, toml: &str, names: &[&str]) {
    instance.replace_file(toml);
    instance.core_process().hang_up();
    let replaced = async {
        loop {
            let list = upstreams(instance).await;
            let list = list["data"].as_array().unwrap();
            if list.iter().map(|upstream| &upstream["name"]).eq(names) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    within("the upstreams to change", replaced).await;
}

async fn an_upstream_that_returns_has_its_cookies_again(deployment: Deployment) {
    let site = site().await;
    let (instance, file) = with_file(deployment, &site.url()).await;
    let id = add(&instance, SESSIONS[0]).await;
    replace_file(&instance, "", &[]).await;
    assert_eq!(cookies(&instance).await, [] as [Value; 0]);
    let lost = instance.exchange(&Request::get("/v1/models")).await.json();
    assert_eq!(lost["data"], json!([]));
    replace_file(&instance, &file, &["chat"]).await;
    let back = cookies(&instance).await;
    assert_eq!(
        (back.len(), &back[0]["id"], &back[0]["state"]),
        (1, &id, &json!("valid"))
    );

    // Also where the process was another meanwhile.
    replace_file(&instance, "", &[]).await;
    let again = instance.kill().await.start_again().await;
    let back = cookies(&again).await;
    assert_eq!((back.len(), &back[0]["id"]), (1, &id));
}

async fn an_upstream_that_is_forgotten_has_none(deployment: Deployment) {
    let site = site().await;
    let (instance, file) = with_file(deployment, &site.url()).await;
    add(&instance, SESSIONS[0]).await;
    let refused = operate(&instance, "DELETE", "/upstreams/chat", None).await;
    assert_eq!(refused.json()["error"]["code"], "read_only");
    replace_file(&instance, "", &[]).await;
    let forgotten = operate(&instance, "DELETE", "/upstreams/chat", None).await;
    assert_eq!(forgotten.status, 200, "{}", forgotten.text());
    let again = operate(&instance, "DELETE", "/upstreams/chat", None).await;
    assert_eq!(again.json()["error"]["code"], "upstream_not_found");
    replace_file(&instance, &file, &["chat"]).await;
    let kinds: Vec<_> = cookies(&instance)
        .await
        .iter()
        .map(|cookie| cookie["kind"].clone())
        .collect();
    assert_eq!(kinds, ["anonymous"]);
}
