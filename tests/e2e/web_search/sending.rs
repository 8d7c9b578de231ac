//! What is done while the search runs: all but the send.

use bytes::Bytes;
use llm2api_test_support::{
    Deployment, Request, Script, ScriptedChatUi, ScriptedSearxng, ScriptedUpstream, Signal,
    scripted_chat_ui::{Family, Reply, Setup},
    within,
};
use serde_json::json;

use super::{BLOCK, QUESTION, Stage, WEB, assert_woven, question};
use crate::{
    canned,
    stage::{MODEL, instance},
};

both_deployments! {
    the_lease_and_the_connection_are_made_while_the_search_runs,
    a_chat_uis_conversation_is_made_while_the_search_runs,
    a_client_that_leaves_ends_the_search_and_what_waits_for_it,
}

/// No search ends by itself, however busy the machine is.
const PATIENT: &str = "60s";

/// What a SearXNG finds once the signal is given.
fn found_after(signal: &Signal) -> Script {
    let results = json!({"results": [
        {"url": "https://a.example/brocken", "title": "Der Brocken 🙂", "content": "Er ist 1141 m hoch."},
        {"url": "https://b.example/", "title": "Harz", "content": ""},
    ]});
    Script::json(200, Bytes::new())
        .wait_for(signal)
        .bytes(results.to_string())
}

/// A stage whose upstream needs to be asked for nothing but chats, and whose searches wait for the signal.
async fn stage(deployment: Deployment, signal: &Signal) -> Stage {
    let upstream = ScriptedUpstream::start(&[]).await;
    upstream.answer(MODEL, canned::stream_text(&["1141 m [", "1]."]));
    let searxng = ScriptedSearxng::start().await;
    searxng.answers(found_after(signal));
    let file = format!(
        r#"
        [[upstreams]]
        name = "one"
        kind = "openai"
        url = "{}"
        models = ["{MODEL}"]
        "#,
        upstream.url()
    );
    let instance = instance(deployment)
        .file(&file)
        .setting("SEARXNG_URL", &searxng.url())
        .setting("SEARCH_TIMEOUT", PATIENT)
        .start()
        .await;
    Stage {
        upstream,
        searxng,
        instance,
    }
}

impl Stage {
    /// How many leases of the upstream's one credential are taken.
    async fn leases(&self) -> u64 {
        let list = self.instance.administer(Request::get("/cookies")).await;
        list.json()["data"][0]["in_flight"].as_u64().unwrap()
    }
}

async fn the_lease_and_the_connection_are_made_while_the_search_runs(deployment: Deployment) {
    let signal = Signal::new();
    let stage = stage(deployment, &signal).await;
    let known = stage.upstream.connections();
    let mut client = stage.instance.client().await;
    let request = Request::post_json(WEB, question(true).to_string());
    client.send(&request).await;

    stage.searxng.has_searches(1).await;
    stage.upstream.has_connections(known + 1).await;
    assert_eq!(stage.leases().await, 1);
    assert_eq!(stage.upstream.chats().len(), 0);

    signal.open();
    let answer = client.answer(false).await;
    let choices = canned::choices(&answer.body);
    assert_eq!(canned::content(&choices, 0), format!("{BLOCK}1141 m [1]."));
    assert_woven(&stage.sent(0).await[1], QUESTION);
    // It came on the connection that was there already.
    assert_eq!(
        (
            stage.upstream.chat(0).await.connection,
            stage.upstream.connections()
        ),
        (known, known + 1)
    );
}

async fn a_chat_uis_conversation_is_made_while_the_search_runs(deployment: Deployment) {
    let site = ScriptedChatUi::start(Setup::new(Family::New, MODEL)).await;
    site.answer(Reply::text(&["1141 m [", "1]."]));
    let (searxng, signal) = (ScriptedSearxng::start().await, Signal::new());
    searxng.answers(found_after(&signal));
    let instance = instance(deployment)
        .setting("UPSTREAM_URL", &site.url())
        .setting("UPSTREAM_KIND", "chat-ui")
        .setting("SEARXNG_URL", &searxng.url())
        .setting("SEARCH_TIMEOUT", PATIENT)
        .start()
        .await;
    let mut client = instance.client().await;
    let request = Request::post_json(WEB, question(true).to_string());
    client.send(&request).await;

    searxng.has_searches(1).await;
    let made = site.conversation(0, "made", |_| true).await;
    assert_eq!(made.inputs(), None);

    signal.open();
    let answer = client.answer(false).await;
    let choices = canned::choices(&answer.body);
    assert_eq!(canned::content(&choices, 0), format!("{BLOCK}1141 m [1]."));
    site.has_deleted(1).await;
    let conversations = site.conversations();
    let [conversation] = conversations.as_slice() else {
        panic!("{conversations:?}")
    };
    assert_woven(&json!({"content": conversation.inputs()}), QUESTION);
}

async fn a_client_that_leaves_ends_the_search_and_what_waits_for_it(deployment: Deployment) {
    let signal = Signal::new();
    let stage = stage(deployment, &signal).await;
    for (number, stream) in [true, false].into_iter().enumerate() {
        let mut client = stage.instance.client().await;
        let request = Request::post_json(WEB, question(stream).to_string());
        client.send(&request).await;
        stage.searxng.has_searches(number + 1).await;
        client.leave();
        stage.searxng.has_connections_at_most(0).await;
        let free = async {
            while stage.leases().await > 0 {
                tokio::task::yield_now().await;
            }
        };
        within("the lease to come back", free).await;
    }
    assert_eq!(stage.upstream.chats().len(), 0);
}
