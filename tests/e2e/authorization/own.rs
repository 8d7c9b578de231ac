//! An instance that is its own authority.

use llm2api_test_support::Deployment;

use super::{call, serves_clients, state, upstream};
use crate::stage::instance;

both_deployments! {
    an_instance_alone_authorizes_itself_and_a_foreign_code_is_named_and_not_used,
}

async fn an_instance_alone_authorizes_itself_and_a_foreign_code_is_named_and_not_used(
    deployment: Deployment,
) {
    let upstream = upstream().await;
    let instance = instance(deployment)
        .setting("UPSTREAM_URL", &upstream.url())
        .setting("AUTH_CODE", "a-code-of-somebody-else")
        .start()
        .await;
    let core = instance.core_process();
    core.logs("AUTH_CODE was not issued by this instance").await;
    assert_eq!(state(&instance).await, ("valid".into(), String::new()));
    serves_clients(&instance).await;
    let shown = call(&instance, "GetAuthorization", serde_json::json!({})).await;
    assert_eq!(shown["authorization"]["authority"], "own");
    assert_eq!(shown["authorization"]["code"]["subject"], "this instance");
    assert!(!instance.log().contains("a-code-of-somebody-else"));

    // The same code after a restart.
    let instance = instance.kill().await.start_again().await;
    let again = call(&instance, "GetAuthorization", serde_json::json!({})).await;
    assert_eq!(
        again["authorization"]["code"],
        shown["authorization"]["code"]
    );
}
