//! What a code allows.

use llm2api_test_support::{Deployment, Request, ScriptedUpstream};
use serde_json::json;

use super::Authority;
use crate::{
    canned,
    stage::{MODEL, instance},
    upstream_errors::verdict,
};

both_deployments! {
    the_limits_of_a_code_hold_for_all_clients_together,
}

async fn the_limits_of_a_code_hold_for_all_clients_together(deployment: Deployment) {
    let authority = Authority::start().await;
    let limits = json!({"requestsPerMinute": 3, "models": {"names": [MODEL]}, "webSearch": false});
    let issued = authority
        .issue(json!({"subject": "test", "limits": limits}))
        .await;
    let upstream = ScriptedUpstream::start(&[MODEL, "other"]).await;
    upstream.answer(MODEL, canned::stream_text(&["Hello"]));
    let instance = instance(deployment)
        .setting("UPSTREAM_URL", &upstream.url())
        .setting("API_KEY", "one,two,three,four")
        .setting("AUTH_CODE", &issued.code)
        .setting("AUTH_PUBLIC_KEY", &authority.public_key().await)
        .start()
        .await;
    let listed = instance
        .exchange(&Request::get("/v1/models").bearer("one"))
        .await
        .json();
    let ids: Vec<_> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| &model["id"])
        .collect();
    assert_eq!(ids, [MODEL]);

    let invalid = |code: &str| json!(["invalid_request_error", null, code]);
    let other = Request::chat(canned::ask_model("other", false)).bearer("one");
    let (status, told) = verdict(&instance.exchange(&other).await);
    assert_eq!((status, &told[2]), (403, &json!("model_not_allowed")));
    let web = Request::post_json("/web/v1/chat/completions", canned::ask(false)).bearer("one");
    let refused = instance.exchange(&web).await;
    assert_eq!(verdict(&refused), (403, invalid("web_search_not_allowed")));

    for key in ["one", "two", "three"] {
        let request = Request::chat(canned::ask(false)).bearer(key);
        let answer = instance.exchange(&request).await;
        assert_eq!(answer.status, 200, "{key}: {}", answer.text());
    }
    let fourth = Request::chat(canned::ask(false)).bearer("four");
    let refused = instance.exchange(&fourth).await;
    assert_eq!(
        verdict(&refused),
        (
            429,
            json!(["rate_limit_error", null, "rate_limit_exceeded"])
        )
    );
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(
        refused.text().contains("of this instance"),
        "{}",
        refused.text()
    );
    assert_eq!(upstream.chats().len(), 3);
}
