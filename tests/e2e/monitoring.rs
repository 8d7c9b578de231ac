//! What is shown of chats: the figures are those of whoever sent them, and each trace says what became of its chat.

mod figures;
mod traces;

use llm2api_test_support::{Llm2Api, Request, within};
use serde_json::Value;

/// What the administrator is shown there.
async fn shown(instance: &Llm2Api, path: &str) -> Value {
    let answer = instance.administer(Request::get(path)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Waits until the figures are such.
async fn status_when(instance: &Llm2Api, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    within(what, async {
        loop {
            let status = shown(instance, "/status").await;
            if is_so(&status) {
                return status;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}
