//! On the page, in a real browser: the checks themselves are in tests/browser.

use std::path::Path;

use llm2api_test_support::{
    Deployment, ScriptedUpstream,
    command::{node, run_well},
    llm2api::ADMIN_KEY,
};
use serde_json::json;

use crate::{
    canned,
    stage::{MODEL, instance},
};

/// The pictures of the page are here when the test has ended.
const PICTURES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/pages");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_makes_limits_watches_and_revokes_keys() {
    let upstream = ScriptedUpstream::start(&[MODEL]).await;
    upstream.answer(MODEL, canned::stream_text(&["Hello"]));
    let instance = instance(Deployment::Split)
        .setting("UPSTREAM_URL", &upstream.url())
        .setting("API_PATH", "prefix")
        .start()
        .await;
    std::fs::create_dir_all(PICTURES).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/key_page.mjs");
    let setup = json!({
        "page": format!("http://{}/prefix/key", instance.http()),
        "key": ADMIN_KEY,
        "pictures": PICTURES,
    });
    let output = run_well(node().arg(script).arg(setup.to_string())).await;
    assert!(output.ends_with("all checks passed\n"), "{output}");
}
