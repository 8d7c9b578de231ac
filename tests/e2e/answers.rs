//! All that an answer may hold beside text, streamed and whole.

use llm2api_test_support::Deployment;
use serde_json::{Value, json};

use crate::{canned, stage::Stage};

both_deployments! {
    choices_that_interleave_stay_apart,
    log_probabilities_arrive_digit_by_digit,
    a_refusal_is_a_refusal,
    reasoning_is_read_and_written_under_both_names,
    speech_arrives_in_pieces_and_whole,
    sources_arrive,
    members_that_nobody_knows_arrive_at_every_level,
    figures_of_usage_arrive_with_their_details,
    foreign_finish_reasons_become_openais,
}

async fn choices_that_interleave_stay_apart(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage.upstream.answer(
        "test-model",
        canned::stream(&[
            canned::role(0),
            canned::role(1),
            canned::delta(1, r#"{"content":"un"}"#),
            canned::delta(0, r#"{"content":"one"}"#),
            canned::delta(1, r#"{"content":" deux"}"#),
            canned::finish(0, "stop"),
            canned::delta(1, r#"{"content":" trois"}"#),
            canned::finish(1, "length"),
            canned::usage(),
        ]),
    );
    let request = |stream: bool| {
        json!({"model": "test-model", "messages": [{"role": "user", "content": "Count."}], "stream": stream, "n": 2})
            .to_string()
    };

    let streamed = canned::choices(&stage.instance.chat(request(true)).await.body);
    let whole = stage.instance.chat(request(false)).await.json();

    // The second choice speaks first; clients count choices in the order in which they hear of them.
    assert_eq!([&streamed[0]["index"], &streamed[1]["index"]], [0, 1]);
    assert_eq!(canned::content(&streamed, 0), "one");
    assert_eq!(canned::content(&streamed, 1), "un deux trois");
    assert_eq!(
        canned::finish_reasons(&streamed),
        [(0, "stop".to_owned()), (1, "length".to_owned())]
    );
    for index in 0..2 {
        assert_eq!(
            canned::member(&streamed, index, "role"),
            "assistant",
            "the role comes once a choice"
        );
    }
    let choice = |index: usize, content: &str, reason: &str| {
        json!({
            "index": index,
            "message": {"role": "assistant", "content": content, "refusal": null, "annotations": []},
            "logprobs": null,
            "finish_reason": reason
        })
    };
    assert_eq!(
        whole["choices"],
        json!([
            choice(0, "one", "stop"),
            choice(1, "un deux trois", "length")
        ])
    );
    assert_eq!(stage.upstream.chat(0).await.json()["n"], 2);
}

async fn log_probabilities_arrive_digit_by_digit(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let token = |token: &str, logprob: &str| {
        format!(
            r#"{{"token":"{token}","logprob":{logprob},"bytes":[240,159],"top_logprobs":[{{"token":"{token}","logprob":{logprob},"bytes":null}},{{"token":"x","logprob":-9999.0,"bytes":[120]}}]}}"#
        )
    };
    let first = token("Hel", "-0.000012345678901234567");
    let second = token("lo", "-1e-7");
    let with = |content: &str, token: &str| {
        canned::chunk(&format!(
            r#"{{"index":0,"delta":{{"content":"{content}"}},"logprobs":{{"content":[{token}],"refusal":null}},"finish_reason":null}}"#
        ))
    };
    stage.upstream.answer(
        "test-model",
        canned::stream(&[
            canned::role(0),
            with("Hel", &first),
            with("lo", &second),
            canned::finish(0, "stop"),
        ]),
    );
    let request = |stream: bool| {
        json!({"model": "test-model", "messages": [{"role": "user", "content": "hi"}], "stream": stream, "logprobs": true, "top_logprobs": 2})
            .to_string()
    };

    let streamed = canned::choices(&stage.instance.chat(request(true)).await.body);
    let whole = stage.instance.chat(request(false)).await.json();

    let tokens: Vec<Value> = [first, second]
        .iter()
        .map(|token| serde_json::from_str(token).unwrap())
        .collect();
    let sent: Vec<&Value> = streamed
        .iter()
        .map(|choice| &choice["logprobs"])
        .filter(|logprobs| !logprobs.is_null())
        .collect();
    assert_eq!(
        sent,
        [
            &json!({"content": [tokens[0]], "refusal": null}),
            &json!({"content": [tokens[1]], "refusal": null})
        ]
    );
    assert_eq!(
        whole["choices"][0]["logprobs"],
        json!({"content": tokens, "refusal": null})
    );
}

async fn a_refusal_is_a_refusal(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage.upstream.answer(
        "test-model",
        canned::stream(&[
            canned::delta(0, r#"{"role":"assistant","content":null,"refusal":""}"#),
            canned::delta(0, r#"{"refusal":"I can't "}"#),
            canned::delta(0, r#"{"refusal":"do that."}"#),
            canned::finish(0, "stop"),
        ]),
    );

    let streamed = canned::choices(&stage.instance.chat(canned::ask(true)).await.body);
    let whole = stage.instance.chat(canned::ask(false)).await.json();

    assert_eq!(canned::member(&streamed, 0, "refusal"), "I can't do that.");
    assert_eq!(canned::content(&streamed, 0), "");
    assert_eq!(
        whole["choices"][0]["message"],
        json!({"role": "assistant", "content": null, "refusal": "I can't do that.", "annotations": []})
    );
}

async fn reasoning_is_read_and_written_under_both_names(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    for delta in [
        r#"{"reasoning_content":"Hm, "}"#,
        r#"{"reasoning":"Hm, "}"#,
        r#"{"reasoning":"Hm, ","reasoning_content":"Hm, "}"#,
    ] {
        let script = canned::stream(&[
            canned::role(0),
            canned::delta(0, delta),
            canned::delta(0, &delta.replace("Hm, ", "well.")),
            canned::text("Yes."),
            canned::finish(0, "stop"),
        ]);
        stage.upstream.queue(script.clone());
        stage.upstream.queue(script);

        let streamed = canned::choices(&stage.instance.chat(canned::ask(true)).await.body);
        let whole = stage.instance.chat(canned::ask(false)).await.json();

        for name in ["reasoning", "reasoning_content"] {
            assert_eq!(
                canned::member(&streamed, 0, name),
                "Hm, well.",
                "{name} of {delta}"
            );
            assert_eq!(
                whole["choices"][0]["message"][name], "Hm, well.",
                "{name} of {delta}"
            );
        }
        assert_eq!(canned::content(&streamed, 0), "Yes.");
        assert_eq!(whole["choices"][0]["message"]["content"], "Yes.");
    }
}

async fn speech_arrives_in_pieces_and_whole(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    stage.upstream.answer(
        "test-model",
        canned::stream(&[
            canned::delta(
                0,
                r#"{"role":"assistant","audio":{"id":"audio_1","transcript":"Hel"}}"#,
            ),
            canned::delta(0, r#"{"audio":{"transcript":"lo","data":"UklG"}}"#),
            canned::delta(0, r#"{"audio":{"data":"RiQA"}}"#),
            canned::delta(0, r#"{"audio":{"expires_at":1700003600}}"#),
            canned::finish(0, "stop"),
        ]),
    );

    let streamed = canned::choices(&stage.instance.chat(canned::ask(true)).await.body);
    let whole = stage.instance.chat(canned::ask(false)).await.json();

    let pieces = |name: &str| -> Vec<Value> {
        streamed
            .iter()
            .filter_map(|choice| choice["delta"]["audio"].get(name).cloned())
            .collect()
    };
    assert_eq!(pieces("id"), ["audio_1"]);
    assert_eq!(pieces("transcript"), ["Hel", "lo"]);
    assert_eq!(pieces("data"), ["UklG", "RiQA"]);
    assert_eq!(pieces("expires_at"), [1_700_003_600]);
    assert_eq!(
        whole["choices"][0]["message"]["audio"],
        json!({"id": "audio_1", "data": "UklGRiQA", "transcript": "Hello", "expires_at": 1_700_003_600})
    );
}

async fn sources_arrive(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let source = json!({
        "type": "url_citation",
        "url_citation": {"start_index": 0, "end_index": 5, "url": "https://example.org/?q=ä", "title": "Ex"}
    });
    stage.upstream.answer(
        "test-model",
        canned::stream(&[
            canned::role(0),
            canned::text("Hello"),
            canned::delta(0, &json!({"annotations": [source]}).to_string()),
            canned::finish(0, "stop"),
        ]),
    );

    let streamed = canned::choices(&stage.instance.chat(canned::ask(true)).await.body);
    let whole = stage.instance.chat(canned::ask(false)).await.json();

    let sent: Vec<&Value> = streamed
        .iter()
        .filter_map(|choice| choice["delta"].get("annotations"))
        .collect();
    assert_eq!(sent, [&json!([source])]);
    assert_eq!(
        whole["choices"][0]["message"]["annotations"],
        json!([source])
    );
}

async fn members_that_nobody_knows_arrive_at_every_level(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let odd = r#"{"b":1e-7,"a":9223372036854775807,"text":"\ud83d\ude00"}"#;
    stage.upstream.answer(
        "test-model",
        canned::stream(&[
            canned::role(0),
            format!(
                r#"{{"id":"chatcmpl-up","created":1700000000,"model":"test-model","top_odd":{odd},"choices":[{{"index":0,"choice_odd":{odd},"delta":{{"content":"Hello","delta_odd":{odd}}},"finish_reason":null}}]}}"#
            ),
            canned::delta(
                0,
                &format!(
                    r#"{{"tool_calls":[{{"index":0,"id":"call_1","type":"function","call_odd":{odd},"function":{{"name":"f","arguments":"{{}}"}}}}]}}"#
                ),
            ),
            canned::finish(0, "tool_calls"),
            format!(
                r#"{{"id":"chatcmpl-up","created":1700000000,"model":"test-model","choices":[],"usage":{{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2,"usage_odd":{odd}}}}}"#
            ),
        ]),
    );
    let request = |stream: bool| {
        let mut request: Value = serde_json::from_str(&canned::ask(stream)).unwrap();
        if stream {
            request["stream_options"] = json!({"include_usage": true});
        }
        request.to_string()
    };

    let streamed = stage.instance.chat(request(true)).await;
    let whole = stage.instance.chat(request(false)).await;

    for name in [
        "top_odd",
        "choice_odd",
        "delta_odd",
        "call_odd",
        "usage_odd",
    ] {
        let expected = format!(r#""{name}":{odd}"#);
        assert_eq!(
            streamed.text().matches(&expected).count(),
            1,
            "{name} in {}",
            streamed.text()
        );
        assert_eq!(
            whole.text().matches(&expected).count(),
            1,
            "{name} in {}",
            whole.text()
        );
    }
    let odd: Value = serde_json::from_str(odd).unwrap();
    let whole = whole.json();
    assert_eq!(whole["top_odd"], odd);
    assert_eq!(whole["choices"][0]["choice_odd"], odd);
    assert_eq!(whole["choices"][0]["message"]["delta_odd"], odd);
    assert_eq!(
        whole["choices"][0]["message"]["tool_calls"][0]["call_odd"],
        odd
    );
    assert_eq!(whole["usage"]["usage_odd"], odd);
}

async fn figures_of_usage_arrive_with_their_details(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let usage = json!({
        "prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29,
        "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0, "image_tokens": 3},
        "completion_tokens_details": {
            "reasoning_tokens": 4, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0
        },
        "cost": 0.000_012
    });
    stage.upstream.queue(canned::stream(&[
        canned::text("Hello"),
        canned::finish(0, "stop"),
        canned::usage().replace(canned::USAGE, &usage.to_string()),
    ]));

    let whole = stage.instance.chat(canned::ask(false)).await.json();

    assert_eq!(whole["usage"], usage);
}

async fn foreign_finish_reasons_become_openais(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    for (foreign, openais) in [
        ("end_turn", "stop"),
        ("eos", "stop"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("tool_use", "tool_calls"),
        ("safety", "content_filter"),
        ("function_call", "function_call"),
    ] {
        stage.upstream.queue(canned::stream(&[
            canned::text("Hello"),
            canned::finish(0, foreign),
        ]));
        let answer = stage.instance.chat(canned::ask(true)).await;
        assert_eq!(
            canned::finish_reasons(&canned::choices(&answer.body)),
            [(0, openais.to_owned())],
            "{foreign}"
        );
    }
}
