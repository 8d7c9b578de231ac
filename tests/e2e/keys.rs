//! Keys that are made while the program runs, and their limits.

mod command_line;
mod limits;
mod made;
mod page;
mod refusals;
mod sdk;

use llm2api_test_support::{Answer, Llm2Api, Request, llm2api::ADMIN_KEY};
use serde_json::Value;

/// Does something as the operator.
async fn operate(instance: &Llm2Api, method: &str, path: &str, body: Option<Value>) -> Answer {
    let request = match body {
        Some(body) => Request::new(method, path)
            .header("Content-Type", "application/json")
            .body(body.to_string()),
        None => Request::new(method, path),
    };
    instance.exchange(&request.bearer(ADMIN_KEY)).await
}

/// A key that was made: its id and its value.
#[derive(Debug, Clone)]
struct Made {
    id: String,
    value: String,
}

impl Made {
    /// Makes one that is limited like this.
    async fn with(instance: &Llm2Api, settings: Value) -> Self {
        let answer = operate(instance, "POST", "/keys", Some(settings)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let made = answer.json();
        let text = |name: &str| made[name].as_str().expect("a text").to_owned();
        Self {
            id: text("id"),
            value: text("key"),
        }
    }

    /// The key as the list shows it.
    async fn shown(&self, instance: &Llm2Api) -> Value {
        let list = operate(instance, "GET", "/keys?limit=1000", None)
            .await
            .json();
        let mut keys = list["data"].as_array().expect("a list").iter();
        let key = keys.find(|key| key["id"] == self.id.as_str());
        key.unwrap_or_else(|| panic!("{list}")).clone()
    }

    /// Asks for a chat with it.
    async fn chat(&self, instance: &Llm2Api, body: String) -> Answer {
        let request = Request::chat(body).bearer(&self.value);
        instance.exchange(&request).await
    }
}
