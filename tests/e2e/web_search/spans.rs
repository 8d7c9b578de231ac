//! What the trace of a searched chat says of its search.

use llm2api_test_support::{Deployment, Request, within};
use serde_json::Value;

use super::{Stage, WEB, question};

both_deployments! {
    a_search_is_a_span_and_its_share_of_the_first_tokens_time_is_told,
}

async fn a_search_is_a_span_and_its_share_of_the_first_tokens_time_is_told(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let request = Request::post_json(WEB, question(true).to_string());
    assert_eq!(stage.instance.exchange(&request).await.status, 200);

    let ask = async |path: &str| stage.instance.administer(Request::get(path)).await.json();
    let id = within("the trace to be kept", async {
        loop {
            let listed = ask("/traces").await;
            if let Some(id) = listed["data"][0]["id"].as_str() {
                return id.to_owned();
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let trace = ask(&format!("/traces/{id}")).await;
    let spans = trace["spans"].as_array().expect("spans");
    let named = |name: &str, kind: &str| -> &Value {
        let mut found = spans
            .iter()
            .filter(|span| span["name"] == name && span["kind"] == kind);
        let first = found.next();
        assert!(found.next().is_none(), "one {name}: {spans:#?}");
        first.unwrap_or_else(|| panic!("{name}: {spans:#?}"))
    };
    let server = named("llm2api.v1.ChatService/Chat", "server");
    let search = named("search", "client");
    assert_eq!(search["parent_id"], server["id"]);
    assert_eq!(search["attributes"]["llm2api.search.status"], "ok");
    assert_eq!(search["attributes"]["llm2api.search.results"], 2);
    let seconds = |name: &str| server["attributes"][name].as_f64().expect("a number");
    let (waited, first_token) = (
        seconds("llm2api.search.wait"),
        seconds("llm2api.first_token"),
    );
    assert!(
        0.0 < waited && waited < first_token,
        "{waited} {first_token}"
    );
}
