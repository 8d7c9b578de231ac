//! By grpcurl, as a person types it.

use llm2api_test_support::{
    Deployment, Llm2Api,
    command::{Output, grpcurl, run},
    llm2api::ADMIN_KEY,
};
use serde_json::{Value, json};

use super::{EXPIRED, SESSIONS, site};
use crate::stage::{MODEL, instance};

both_deployments! {
    grpcurl_does_all_that_the_page_does,
}

async fn call(instance: &Llm2Api, method: &str, message: &Value) -> Output {
    let mut command = grpcurl();
    command
        .arg("-plaintext")
        .args(["-H", &format!("authorization: Bearer {ADMIN_KEY}")])
        .args(["-d", &message.to_string()])
        .arg(instance.grpc().to_string())
        .arg(format!("llm2api.v1.{method}"));
    run(&mut command).await
}

async fn called(instance: &Llm2Api, method: &str, message: Value) -> Value {
    let output = call(instance, method, &message).await;
    assert!(output.status.success(), "{method}: {output:?}");
    serde_json::from_str(&output.stdout).unwrap()
}

async fn grpcurl_does_all_that_the_page_does(deployment: Deployment) {
    let site = site().await;
    let instance = instance(deployment).start().await;
    let upstream = json!({"name": "chat", "url": site.url(), "cookie": SESSIONS[0]});
    called(&instance, "UpstreamService/AddUpstream", upstream).await;
    let name = json!({"name": "chat"});
    let tested = called(&instance, "UpstreamService/TestUpstream", name.clone()).await;
    assert_eq!(tested["ok"], json!(true), "{tested}");
    assert_eq!(tested["upstream"]["models"], json!([MODEL]));
    let listed = called(&instance, "UpstreamService/ListUpstreams", json!({})).await;
    assert_eq!(listed["upstreams"][0]["name"], json!("chat"));
    let settings = json!({"name": "chat", "settings": {"weight": 3}});
    let updated = called(&instance, "UpstreamService/UpdateUpstream", settings).await;
    assert_eq!(updated["upstream"]["settings"]["weight"], json!(3));

    let refused = json!({"cookie": EXPIRED});
    let refused = call(&instance, "CookieService/AddCookie", &refused).await;
    assert!(refused.stderr.contains("InvalidArgument"), "{refused:?}");
    assert!(refused.stderr.contains("COOKIE_INVALID"), "{refused:?}");
    let cookie = json!({"cookie": SESSIONS[1], "label": "mine"});
    let added = called(&instance, "CookieService/AddCookie", cookie).await;
    assert_eq!(added["created"], json!(true));
    let id = added["cookie"]["id"].clone();
    let page = json!({"page_size": 1, "upstream": "chat"});
    let page = called(&instance, "CookieService/ListCookies", page).await;
    let after = json!({"page_size": 1, "page_token": page["nextPageToken"]});
    let next = called(&instance, "CookieService/ListCookies", after).await;
    assert_eq!(next["cookies"][0]["id"], id);
    let disabled = json!({"id": id, "disabled": true});
    let disabled = called(&instance, "CookieService/UpdateCookie", disabled).await;
    assert_eq!(disabled["cookie"]["state"], json!("disabled"));
    assert_eq!(disabled["cookie"]["label"], json!("mine"));
    let enabled = json!({"id": id, "disabled": false});
    called(&instance, "CookieService/UpdateCookie", enabled).await;
    for method in ["CookieService/CheckCookie", "CookieService/ClearCookie"] {
        let shown = called(&instance, method, json!({"id": id})).await;
        assert_eq!(shown["cookie"]["state"], json!("valid"), "{method}");
    }
    let deleted = called(&instance, "CookieService/DeleteCookie", json!({"id": id})).await;
    assert_eq!(deleted, json!({}));
    called(&instance, "UpstreamService/DeleteUpstream", name).await;
    let listed = called(&instance, "UpstreamService/ListUpstreams", json!({})).await;
    assert_eq!(listed, json!({}));
}
