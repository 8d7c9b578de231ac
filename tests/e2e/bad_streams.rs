//! Streams as upstreams really send them: other line ends, comments, lost blank lines, other framings, other content.

use bytes::Bytes;
use llm2api_test_support::{Deployment, Script};
use serde_json::json;

use crate::{canned, stage::Stage};

both_deployments! {
    every_way_to_write_an_event_stream_is_understood,
    a_json_answer_where_a_stream_was_asked_for_is_an_answer,
    an_end_marker_is_not_needed_after_the_finish_reason,
    an_answer_without_text_is_complete_with_its_finish_reason,
    an_event_of_two_megabytes_is_one_delta,
}

async fn every_way_to_write_an_event_stream_is_understood(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let chunks = canned::text_chunks(&["Zwölf ", "Boxkämpfer 🥊"]);
    let plain = String::from_utf8(canned::body(&chunks).to_vec()).unwrap();
    let pretty: String = chunks
        .iter()
        .map(|chunk| {
            let value: serde_json::Value = serde_json::from_str(chunk).unwrap();
            let lines = serde_json::to_string_pretty(&value).unwrap();
            format!("data: {}\n\n", lines.replace('\n', "\ndata: "))
        })
        .collect();
    let ways = [
        ("CRLF", plain.replace('\n', "\r\n")),
        ("CR", plain.replace('\n', "\r")),
        ("a byte order mark", format!("\u{feff}{plain}")),
        ("no space", plain.replace("data: ", "data:")),
        (
            "comments, names, ids",
            plain.replace(
                "data: {",
                ": wait\n\nevent: message\nid: 1\nretry: 5\ndata: {",
            ),
        ),
        ("several lines of data", pretty + "data: [DONE]\n\n"),
        ("no last blank line", plain.trim_end().to_owned()),
    ];
    for (way, stream) in ways {
        let bytes = Bytes::from(stream);
        for script in [
            Script::stream().bytes(bytes.clone()),
            Script::stream().byte_by_byte(bytes.clone()),
            Script::stream_until_close().bytes(bytes.clone()),
            Script::answer(200, "text/event-stream", bytes.clone()),
        ] {
            stage.upstream.queue(script);
            let answer = stage.instance.chat(canned::ask(true)).await;
            let choices = canned::choices(&answer.body);
            assert_eq!(canned::content(&choices, 0), "Zwölf Boxkämpfer 🥊", "{way}");
            assert_eq!(
                canned::finish_reasons(&choices),
                [(0, "stop".to_owned())],
                "{way}"
            );
        }
    }
}

async fn a_json_answer_where_a_stream_was_asked_for_is_an_answer(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let answer = json!({
        "id": "chatcmpl-up", "object": "chat.completion", "created": 1_700_000_000, "model": "test-model",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": "Hello", "refusal": null, "annotations": []},
            "logprobs": null,
            "finish_reason": "stop"
        }],
        "usage": {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13},
        "system_fingerprint": "fp_1"
    });
    stage
        .upstream
        .answer("test-model", Script::json(200, answer.to_string()));

    let streamed = stage.instance.chat(canned::ask(true)).await;
    let whole = stage.instance.chat(canned::ask(false)).await;

    let choices = canned::choices(&streamed.body);
    assert_eq!(canned::content(&choices, 0), "Hello");
    assert_eq!(canned::finish_reasons(&choices), [(0, "stop".to_owned())]);
    assert_eq!(whole.json(), answer);
}

async fn an_end_marker_is_not_needed_after_the_finish_reason(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    for script in [Script::stream(), Script::stream_until_close()] {
        stage.upstream.queue(
            script
                .event(canned::text("Hello"))
                .event(canned::finish(0, "length")),
        );
        let answer = stage.instance.chat(canned::ask(true)).await;
        assert_eq!(
            canned::finish_reasons(&canned::choices(&answer.body)),
            [(0, "length".to_owned())]
        );
    }
}

async fn an_answer_without_text_is_complete_with_its_finish_reason(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage.upstream.answer(
        "test-model",
        canned::stream(&[canned::role(0), canned::finish(0, "content_filter")]),
    );

    let streamed = stage.instance.chat(canned::ask(true)).await;
    let whole = stage.instance.chat(canned::ask(false)).await;

    assert_eq!(
        canned::finish_reasons(&canned::choices(&streamed.body)),
        [(0, "content_filter".to_owned())]
    );
    assert_eq!(
        whole.json()["choices"][0]["finish_reason"],
        "content_filter"
    );
    assert_eq!(stage.upstream.chats().len(), 2);
}

async fn an_event_of_two_megabytes_is_one_delta(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let long = "长文本".repeat(2 * 1024 * 1024 / "长文本".len());
    stage
        .upstream
        .queue(canned::stream_text(&["short", &long, "short"]));

    let answer = stage.instance.chat(canned::ask(true)).await;

    let choices = canned::choices(&answer.body);
    assert!(
        choices
            .iter()
            .any(|choice| choice["delta"]["content"].as_str() == Some(&long)),
        "the long delta came in pieces"
    );
    assert!(canned::content(&choices, 0) == format!("short{long}short"));
}
