//! The dashboard, in a real browser: the checks themselves are in tests/browser.

mod relay;

use std::path::Path;

use llm2api_test_support::{
    Deployment, Llm2Api, Script, ScriptedUpstream,
    command::{node, run_well},
    llm2api::ADMIN_KEY,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use self::relay::Relay;
use crate::{
    canned,
    stage::{MODEL, instance},
};

/// The pictures of the page are here when the test has ended.
const PICTURES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/pages");

/// A key that the upstream limits: whoever meets it goes on with the other.
const LIMITED_KEY: &str = "sk-limited-0000000000001111";

const GOOD_KEY: &str = "sk-good-0000000000002222";

/// A model that the upstream fails to answer for.
const BROKEN: &str = "broken-model";

/// A model whose answer begins and never ends.
const ENDLESS: &str = "endless-model";

both_deployments!(
    the_dashboard_shows_what_was_sent_live_and_after_a_restart,
    a_request_opens_into_its_attempts_and_spans,
);

async fn upstream() -> ScriptedUpstream {
    let upstream = ScriptedUpstream::start(&[MODEL, BROKEN, ENDLESS]).await;
    let limited = Script::json(429, r#"{"error":{"message":"slow down"}}"#);
    upstream.answer_key(LIMITED_KEY, limited.header("Retry-After", "600"));
    upstream.answer(MODEL, canned::stream_text(&["Hello", " you"]));
    let broken = Script::json(500, r#"{"error":{"message":"broken"}}"#);
    upstream.answer(BROKEN, broken);
    let endless = Script::stream()
        .event(canned::role(0))
        .event(canned::text("Hello"));
    upstream.answer(ENDLESS, endless.stall());
    upstream
}

async fn start(deployment: Deployment, upstream: &ScriptedUpstream) -> Llm2Api {
    instance(deployment)
        .file(&format!(
            "[[upstreams]]\nname = \"vllm\"\nkind = \"openai\"\nurl = \"{}\"\ncookies = [\"{LIMITED_KEY}\", \"{GOOD_KEY}\"]\n",
            upstream.url()
        ))
        .setting("API_PATH", "prefix")
        .setting("DRAIN_DELAY", "0")
        .start()
        .await
}

/// Runs one of the browser's scripts against the page at this address. `control` is asked when the script wants a restart.
async fn check(script: &str, address: &str, control: Option<&str>, name: &str) {
    std::fs::create_dir_all(PICTURES).unwrap();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let setup = json!({
        "page": format!("http://{address}/prefix/"),
        "key": ADMIN_KEY,
        "control": control,
        "models": {"good": MODEL, "broken": BROKEN, "endless": ENDLESS},
        "pictures": PICTURES,
        "name": name,
    });
    let script = tests.join("browser").join(script);
    let output = run_well(node().arg(script).arg(setup.to_string())).await;
    assert!(output.ends_with("all checks passed\n"), "{output}");
}

async fn the_dashboard_shows_what_was_sent_live_and_after_a_restart(deployment: Deployment) {
    let upstream = upstream().await;
    let instance = start(deployment, &upstream).await;
    let relay = Relay::start(instance.http()).await;
    let control = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let control_url = format!("http://{}/", control.local_addr().unwrap());
    let address = relay.address().to_string();
    let name = format!("dashboard-{deployment:?}").to_lowercase();
    let script = check("dashboard_page.mjs", &address, Some(&control_url), &name);
    // The script asks for the restart, and is told when it is done.
    let restart = async {
        let (mut stream, _) = control.accept().await.unwrap();
        let mut asked = [0; 1024];
        assert!(stream.read(&mut asked).await.unwrap() > 0);
        let stopped = instance.stop().await;
        relay.cut();
        let again = stopped.start_again().await;
        relay.lead_to(again.http());
        let done = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
        stream.write_all(done.as_bytes()).await.unwrap();
        again
    };
    let ((), _again) = tokio::join!(script, restart);
}

async fn a_request_opens_into_its_attempts_and_spans(deployment: Deployment) {
    let upstream = upstream().await;
    let instance = start(deployment, &upstream).await;
    let name = format!("trace-{deployment:?}").to_lowercase();
    check(
        "dashboard_trace.mjs",
        &instance.http().to_string(),
        None,
        &name,
    )
    .await;
}
