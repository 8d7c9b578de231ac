//! A configuration that changes while it is in use.

use llm2api_test_support::{Deployment, Llm2Api, Request, Script, ScriptedUpstream, within};

use crate::{
    canned,
    stage::{MODEL, instance},
};

both_deployments! {
    a_changed_file_is_taken_over,
    a_faulty_file_changes_nothing_and_says_so,
    a_running_answer_finishes_though_its_upstream_is_gone,
    keys_that_leave_the_file_are_used_no_more,
    clients_keys_change_with_the_file,
}

fn entry(name: &str, upstream: &ScriptedUpstream, rest: &str) -> String {
    format!(
        "[[upstreams]]\nname = \"{name}\"\nkind = \"openai\"\nurl = \"{}\"\n{rest}\n",
        upstream.url()
    )
}

/// Who lists a model now.
async fn owner(instance: &Llm2Api, model: &str) -> Option<String> {
    let request = Request::get("/v1/models").bearer("client");
    let list = instance.exchange(&request).await.json();
    let models = list["data"].as_array().cloned().unwrap_or_default();
    let model = models.iter().find(|listed| listed["id"] == model)?;
    model["owned_by"].as_str().map(str::to_owned)
}

/// Waits until the configuration was read anew for this time.
async fn read_anew(instance: &Llm2Api, times: usize) {
    let all = async {
        while instance
            .log()
            .matches("the configuration was read anew")
            .count()
            < times
        {
            tokio::task::yield_now().await;
        }
    };
    within("the configuration to be read anew", all).await;
}

async fn a_changed_file_is_taken_over(deployment: Deployment) {
    let one = ScriptedUpstream::start(&[MODEL]).await;
    let two = ScriptedUpstream::start(&["two"]).await;
    let instance = instance(deployment)
        .file(&entry("one", &one, ""))
        .start()
        .await;
    assert_eq!(owner(&instance, MODEL).await.as_deref(), Some("one"));

    // Without a signal: it is seen.
    let both = format!(
        "model_aliases = {{ \"short\" = \"two\" }}\n{}{}",
        entry("one", &one, ""),
        entry("second", &two, "")
    );
    instance.replace_file(&both);
    read_anew(&instance, 1).await;
    assert_eq!(owner(&instance, MODEL).await.as_deref(), Some("one"));
    assert_eq!(owner(&instance, "two").await.as_deref(), Some("second"));
    assert_eq!(owner(&instance, "short").await.as_deref(), Some("second"));

    instance.replace_file(&entry("second", &two, ""));
    instance.core_process().hang_up();
    read_anew(&instance, 2).await;
    assert_eq!(owner(&instance, MODEL).await, None);
    let answer = instance.chat(canned::ask(false)).await;
    assert_eq!(answer.json()["error"]["code"], "model_not_found");
}

async fn a_faulty_file_changes_nothing_and_says_so(deployment: Deployment) {
    let one = ScriptedUpstream::start(&[MODEL]).await;
    one.answer(MODEL, canned::stream_text(&["Hello"]));
    let instance = instance(deployment)
        .file(&entry("one", &one, ""))
        .start()
        .await;
    for faulty in [
        format!("{}prize = 1\n", entry("two", &one, "")),
        entry("two", &one, "proxy = \"ftp://127.0.0.1\""),
        "[[upstreams]".to_owned(),
    ] {
        let told = instance.log().matches("what was goes on").count();
        instance.replace_file(&faulty);
        instance.core_process().hang_up();
        let seen = async {
            while instance.log().matches("what was goes on").count() == told {
                tokio::task::yield_now().await;
            }
        };
        within("the fault to be told", seen).await;
        assert_eq!(
            owner(&instance, MODEL).await.as_deref(),
            Some("one"),
            "{faulty}"
        );
    }
    let answer = instance.chat(canned::ask(false)).await;
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "Hello");
}

async fn a_running_answer_finishes_though_its_upstream_is_gone(deployment: Deployment) {
    let one = ScriptedUpstream::start(&[MODEL]).await;
    let go_on = llm2api_test_support::Signal::new();
    let script = Script::stream()
        .event(canned::role(0))
        .event(canned::text("Hel"))
        .wait_for(&go_on)
        .event(canned::text("lo"))
        .event(canned::finish(0, "stop"))
        .done();
    one.answer(MODEL, script);
    let instance = instance(deployment)
        .file(&entry("one", &one, ""))
        .start()
        .await;
    let mut client = instance.client().await;
    client.send(&Request::chat(canned::ask(true))).await;
    client.head().await;
    client.body_until("Hel").await;

    instance.replace_file("");
    instance.core_process().hang_up();
    read_anew(&instance, 1).await;
    let refused = instance.chat(canned::ask(false)).await;
    assert_eq!(refused.json()["error"]["code"], "no_upstream");
    go_on.open();
    let body = client.body().await;
    assert!(body.ends_with(b"data: [DONE]\n\n"), "{body:?}");
}

async fn keys_that_leave_the_file_are_used_no_more(deployment: Deployment) {
    let one = ScriptedUpstream::start(&[MODEL]).await;
    one.answer(MODEL, canned::stream_text(&["Hello"]));
    let with = |keys: &str| entry("one", &one, keys);
    let file = with("cookies = [\"sk-one\", \"sk-two\"]");
    let instance = instance(deployment).file(&file).start().await;
    let used = async || {
        let before = one.chats().len();
        for _ in 0..4 {
            let answer = instance.chat(canned::ask(false)).await;
            assert_eq!(answer.status, 200);
        }
        let chats = one.chats();
        let mut keys: Vec<_> = chats[before..]
            .iter()
            .filter_map(|chat| chat.bearer_key())
            .collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    };
    assert_eq!(used().await, ["sk-one", "sk-two"]);
    instance.replace_file(&with("cookies = [\"sk-two\", \"sk-three\"]"));
    instance.core_process().hang_up();
    read_anew(&instance, 1).await;
    assert_eq!(used().await, ["sk-three", "sk-two"]);
    instance.replace_file(&with(""));
    instance.core_process().hang_up();
    read_anew(&instance, 2).await;
    assert_eq!(used().await, [] as [&str; 0], "nobody's key is needed");
}

async fn clients_keys_change_with_the_file(deployment: Deployment) {
    let instance = instance(deployment)
        .file("api_key = [\"old\"]\n")
        .start()
        .await;
    let status = async |key: &str| {
        let request = Request::get("/v1/models").bearer(key);
        instance.exchange(&request).await.status
    };
    assert_eq!((status("old").await, status("new").await), (200, 401));
    instance.replace_file("api_key = [\"new\"]\nlisten = \"127.0.0.1:1\"\n");
    instance.core_process().hang_up();
    read_anew(&instance, 1).await;
    // A gateway may keep an answer for a second.
    let changed = async {
        while (status("old").await, status("new").await) != (401, 200) {
            tokio::task::yield_now().await;
        }
    };
    within("the keys to change", changed).await;
}
