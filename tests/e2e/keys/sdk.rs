//! As OpenAI's own SDK sees limits.

use llm2api_test_support::{
    Deployment,
    command::{python, run_well},
};
use serde_json::json;

use super::Made;
use crate::{
    canned,
    stage::{MODEL, Stage},
};

/// Asks twice, where once is allowed; then with a budget that is spent, and all retries allowed.
const SCRIPT: &str = r#"
import sys, time, openai
url, limited, spent = sys.argv[1:]

def ask(key, retries):
    client = openai.OpenAI(base_url=url, api_key=key, max_retries=retries)
    return client.chat.completions.create(model="test-model", messages=[{"role": "user", "content": "hi"}])

def refusal(key, retries):
    try:
        ask(key, retries)
    except openai.RateLimitError as error:
        return error
    raise SystemExit("nothing was refused")

assert ask(limited, 0).choices[0].message.content == "Hello"
error = refusal(limited, 0)
assert (error.status_code, error.code) == (429, "rate_limit_exceeded"), error
assert 0 < int(error.response.headers["retry-after"]) <= 61
assert error.response.headers["x-ratelimit-remaining-requests"] == "0"
begin = time.monotonic()
error = refusal(spent, 5)
assert (error.status_code, error.code) == (429, "insufficient_quota"), error
assert time.monotonic() - begin < 5, "waiting doesn't help, and is not done"
print("all checks passed")
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openai_for_python_raises_a_rate_limit_error_and_retries_only_where_that_helps() {
    let stage = Stage::new(Deployment::Serve).await;
    stage
        .upstream
        .answer(MODEL, canned::stream_text(&["Hello"]));
    let limited = Made::with(&stage.instance, json!({"requests_per_minute": 1})).await;
    let spent = Made::with(&stage.instance, json!({"tokens_total": 1})).await;
    let url = format!("http://{}/v1", stage.instance.http());
    let output = run_well(python().args(["-c", SCRIPT, &url, &limited.value, &spent.value])).await;
    assert!(output.ends_with("all checks passed\n"), "{output}");
}
