//! The list of models.

use llm2api_test_support::{Deployment, Request, ScriptedUpstream};
use serde_json::{Value, json};

use crate::{
    stage::{Stage, instance},
    upstream_errors::verdict,
};

both_deployments! {
    all_models_of_all_upstreams_are_listed,
    one_model_is_told_by_its_id,
    an_unknown_model_is_not_found,
}

async fn all_models_of_all_upstreams_are_listed(deployment: Deployment) {
    let one = ScriptedUpstream::start(&["b", "a/x:7b@q4"]).await;
    let two = ScriptedUpstream::start(&["b", "c"]).await;
    let file = format!(
        r#"
        model_aliases = ["gpt-4o=c"]

        [[upstreams]]
        name = "one"
        kind = "openai"
        url = "{}"
        aliases = {{ "short" = "a/x:7b@q4" }}

        [[upstreams]]
        name = "two"
        kind = "openai"
        url = "{}"

        [models.fast]
        targets = ["two/c", "one/b"]
        "#,
        one.url(),
        two.url()
    );
    let instance = instance(deployment).file(&file).start().await;

    let list = instance.exchange(&Request::get("/v1/models")).await.json();

    assert_eq!(list["object"], "list");
    let models = list["data"].as_array().unwrap();
    let mut ids: Vec<&str> = models
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    for model in models {
        assert_eq!(model["object"], "model", "{model}");
        assert!(model["created"].as_i64().unwrap() > 0, "{model}");
        assert!(model["owned_by"].is_string(), "{model}");
    }
    ids.sort_unstable();
    assert_eq!(ids, ["a/x:7b@q4", "b", "c", "fast", "gpt-4o", "short"]);
    let owner = |id: &str| -> &Value {
        let model = models.iter().find(|model| model["id"] == id).unwrap();
        &model["owned_by"]
    };
    assert_eq!(
        [owner("a/x:7b@q4"), owner("c"), owner("fast")],
        ["one", "two", "llm2api"]
    );
}

async fn one_model_is_told_by_its_id(deployment: Deployment) {
    let upstream = ScriptedUpstream::start(&["test-model", "org/model:7b@q4"]).await;
    let instance = instance(deployment)
        .setting("UPSTREAM_URL", &upstream.url())
        .start()
        .await;
    for (path, id) in [
        ("/v1/models/test-model", "test-model"),
        ("/v1/models/org/model:7b@q4", "org/model:7b@q4"),
        ("/v1/models/org%2Fmodel%3A7b%40q4", "org/model:7b@q4"),
    ] {
        let answer = instance.exchange(&Request::get(path)).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(
            answer.json(),
            json!({"id": id, "object": "model", "created": 1_700_000_000, "owned_by": "default"}),
            "{path}"
        );
    }
}

async fn an_unknown_model_is_not_found(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    for path in ["/v1/models/unknown", "/v1/models/test-model/x"] {
        let answer = stage.instance.exchange(&Request::get(path)).await;
        assert_eq!(
            verdict(&answer),
            (
                404,
                json!(["invalid_request_error", null, "model_not_found"])
            ),
            "{path}"
        );
    }
}
