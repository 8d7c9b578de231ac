//! On the page, in a real browser: the checks themselves are in tests/browser.

use std::path::Path;

use llm2api_test_support::{
    Deployment,
    command::{node, run_well},
    llm2api::ADMIN_KEY,
};
use serde_json::json;

use super::{EXPIRED, SESSIONS, site};
use crate::stage::instance;

/// The pictures of the page are here when the test has ended.
const PICTURES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/pages");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_connects_a_service_and_adds_watches_and_removes_cookies() {
    let site = site().await;
    let instance = instance(Deployment::Split)
        .setting("API_PATH", "prefix")
        .start()
        .await;
    std::fs::create_dir_all(PICTURES).unwrap();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let setup = json!({
        "page": format!("http://{}/prefix/cookie", instance.http()),
        "key": ADMIN_KEY,
        "site": site.url(),
        "valid": SESSIONS,
        "expired": EXPIRED,
        "pictures": PICTURES,
        "cases": tests.join("pasted.json"),
    });
    let script = tests.join("browser/cookie_page.mjs");
    let output = run_well(node().arg(script).arg(setup.to_string())).await;
    assert!(output.ends_with("all checks passed\n"), "{output}");
}
