//! Prompts of every size arrive intact.

use llm2api_test_support::Deployment;
use serde_json::{Value, json};

use crate::{canned, stage::Stage};

both_deployments! {
    a_prompt_of_one_megabyte_arrives_intact,
    a_prompt_of_ten_megabytes_arrives_intact,
}

async fn a_prompt_of_one_megabyte_arrives_intact(deployment: Deployment) {
    arrives_intact(deployment, 1 << 20).await;
}

async fn a_prompt_of_ten_megabytes_arrives_intact(deployment: Deployment) {
    arrives_intact(deployment, 10 << 20).await;
}

async fn arrives_intact(deployment: Deployment, size_bytes: usize) {
    let stage = Stage::new(deployment).await;
    // Text whose escapes and characters fall on every boundary of a buffer, and a picture in the same request.
    let sample = "a\"\\\n\u{1}é好🌍\u{2028}</script>";
    let text = sample.repeat(size_bytes / 2 / sample.len());
    let picture = format!(
        "data:image/png;base64,{}",
        "iVBORw0K".repeat(size_bytes / 2 / 8)
    );
    let messages = json!([{"role": "user", "content": [
        {"type": "text", "text": text},
        {"type": "image_url", "image_url": {"url": picture}}
    ]}]);
    stage
        .upstream
        .answer("test-model", canned::stream_text(&["Hello"]));
    for stream in [true, false] {
        let request =
            json!({"model": "test-model", "messages": messages, "stream": stream}).to_string();
        assert!(request.len() >= size_bytes * 9 / 10);
        assert_eq!(stage.instance.chat(request).await.status, 200);
    }
    for number in 0..2 {
        let body: Value = stage.upstream.chat(number).await.json();
        // Not assert_eq: nobody wants to read ten megabytes.
        assert!(body["messages"] == messages, "request {number} was changed");
    }
}
