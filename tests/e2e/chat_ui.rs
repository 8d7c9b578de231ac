//! Chats at an upstream that is a chat-ui.

mod answers;
mod killed;
mod kinds;
mod leaving;
mod limits;
mod many_sessions;
mod secrets;
mod sessions;
mod streams;

use llm2api_test_support::{
    Answer, Deployment, Llm2Api, Request, ScriptedChatUi,
    llm2api::Starting,
    scripted_chat_ui::{Family, Setup},
    within,
};
use serde_json::{Value, json};

use crate::stage::{MODEL, instance};

/// Both families of versions.
const FAMILIES: [Family; 2] = [Family::New, Family::Old];

/// A chat-ui and an instance whose only upstream it is.
struct Stage {
    site: ScriptedChatUi,
    instance: Llm2Api,
}

impl Stage {
    /// Sets it up without login.
    async fn new(deployment: Deployment, family: Family) -> Self {
        Self::with(deployment, Setup::new(family, MODEL), "").await
    }

    /// Sets it up with these keys in the upstream's entry of the file.
    async fn with(deployment: Deployment, setup: Setup, keys: &str) -> Self {
        Self::start(instance(deployment), setup, keys).await
    }

    /// Sets it up with this instance.
    async fn start(instance: Starting, setup: Setup, keys: &str) -> Self {
        Self::at(ScriptedChatUi::start(setup).await, instance, keys).await
    }

    /// Sets an instance up before a chat-ui that runs already.
    async fn at(site: ScriptedChatUi, instance: Starting, keys: &str) -> Self {
        let file = format!(
            "[[upstreams]]\nname = \"chat\"\nkind = \"chat-ui\"\nurl = \"{}\"\n{keys}\n",
            site.url()
        );
        let instance = instance.file(&file).start().await;
        Self { site, instance }
    }

    /// Its credentials, as an administrator sees them.
    async fn cookies(&self) -> Vec<Value> {
        cookies(&self.instance).await
    }

    /// Waits until its credentials are as a test wants them.
    async fn cookies_are(&self, what: &str, are_so: impl Fn(&[Value]) -> bool) {
        let seen = async { while !are_so(&self.cookies().await) {} };
        within(&format!("the cookies to be {what}"), seen).await;
    }

    /// Asks with these messages, and reads the whole answer.
    async fn ask(&self, stream: bool, messages: Value) -> Answer {
        self.instance.chat(request(stream, messages)).await
    }

    /// Asks with one message, and reads the whole answer.
    async fn say_hello(&self, stream: bool) -> Answer {
        self.ask(stream, hello()).await
    }
}

/// The credentials of an instance, as an administrator sees them.
async fn cookies(instance: &Llm2Api) -> Vec<Value> {
    let list = instance
        .administer(Request::get("/cookies?limit=1000"))
        .await;
    list.json()["data"].as_array().unwrap().clone()
}

fn hello() -> Value {
    json!([{"role": "user", "content": "Say hello."}])
}

fn request(stream: bool, messages: Value) -> String {
    json!({"model": MODEL, "messages": messages, "stream": stream}).to_string()
}

/// The text of an answer that was not streamed.
#[track_caller]
fn text(answer: &Answer) -> String {
    let body = answer.json();
    let content = body["choices"][0]["message"]["content"].as_str();
    content
        .unwrap_or_else(|| panic!("no text: {body}"))
        .to_owned()
}
