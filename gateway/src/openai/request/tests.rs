use llm2api_proto::{
    ContractError,
    v1::{
        ChatRequest, ContentPart, CustomTool, CustomToolCall, ErrorReason, File, FunctionCall,
        FunctionTool, ImageUrl, InputAudio, JsonSchema, Message, RawField, ResponseFormat, Tool,
        ToolCall, ToolChoice, content_part::Part, tool::Tool as ToolKind, tool_call::Call,
        tool_choice::Choice,
    },
};
use proptest::prelude::*;

use super::*;

fn request(json: &str) -> ChatRequest {
    parse(json.as_bytes()).unwrap().request
}

/// A request with this in front of its required members.
fn with(members: &str) -> ChatRequest {
    request(&format!(
        r#"{{{members},"model":"m","messages":[{{"role":"user"}}]}}"#
    ))
}

fn message(json: &str) -> Message {
    request(&format!(r#"{{"model":"m","messages":[{json}]}}"#))
        .messages
        .remove(0)
}

fn parts(json: &str) -> Vec<ContentPart> {
    message(&format!(r#"{{"role":"user","content":{json}}}"#)).content_parts
}

fn part(part: Part) -> ContentPart {
    ContentPart {
        part: Some(part),
        extra_fields: Vec::new(),
    }
}

fn raw(name: &str, value_json: &str) -> RawField {
    RawField {
        name: name.to_owned(),
        value_json: value_json.to_owned(),
    }
}

/// Reason, param and message of what is wrong.
fn fault(json: &str) -> (ErrorReason, Option<String>, String) {
    let ContractError {
        reason,
        param,
        message,
        ..
    } = parse(json.as_bytes()).unwrap_err();
    (reason, param, message)
}

#[test]
fn every_field_of_the_contract_is_typed_and_everything_else_keeps_its_bytes() {
    let json = r#"{
        "model": "m",
        "messages": [{"role": "system", "content": "s", "name": "n", "x": [1e-7,  2]}],
        "stream": true,
        "stream_options": {"include_usage": true, "include_obfuscation": false},
        "parallel_tool_calls": false,
        "temperature": 1e-7,
        "top_p": 1,
        "seed": 9223372036854775807,
        "stop": "a",
        "max_tokens": 1,
        "max_completion_tokens": 2,
        "frequency_penalty": -2,
        "presence_penalty": 0.5,
        "n": 128,
        "logprobs": true,
        "top_logprobs": 20,
        "reasoning_effort": "max",
        "logit_bias": {"50256": -100},
        "metadata": {"b": "1", "a": "\ud800"},
        "top_k": 1152921504606846976,
        "service_tier": null
    }"#;
    let parsed = parse(json.as_bytes()).unwrap();
    assert!(parsed.stream && parsed.include_usage);
    assert_eq!(
        parsed.request,
        ChatRequest {
            model: "m".to_owned(),
            messages: vec![Message {
                role: "system".to_owned(),
                content: Some("s".to_owned()),
                name: "n".to_owned(),
                extra_fields: vec![raw("x", "[1e-7,  2]")],
                ..Message::default()
            }],
            stream: Some(true),
            parallel_tool_calls: Some(false),
            temperature: Some(1e-7),
            top_p: Some(1.0),
            seed: Some(i64::MAX),
            stop: vec!["a".to_owned()],
            max_tokens: Some(1),
            max_completion_tokens: Some(2),
            frequency_penalty: Some(-2.0),
            presence_penalty: Some(0.5),
            n: Some(128),
            logprobs: Some(true),
            top_logprobs: Some(20),
            reasoning_effort: "max".to_owned(),
            stream_option_fields: vec![raw("include_obfuscation", "false")],
            extra_fields: vec![
                raw("logit_bias", r#"{"50256": -100}"#),
                raw("metadata", r#"{"b": "1", "a": "\ud800"}"#),
                raw("top_k", "1152921504606846976"),
                raw("service_tier", "null"),
            ],
            ..ChatRequest::default()
        }
    );
}

#[test]
fn null_is_the_same_as_absent() {
    let nulls = [
        "stream",
        "stream_options",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "temperature",
        "top_p",
        "seed",
        "stop",
        "max_tokens",
        "max_completion_tokens",
        "frequency_penalty",
        "presence_penalty",
        "n",
        "logprobs",
        "top_logprobs",
        "reasoning_effort",
    ];
    let members: Vec<_> = nulls
        .iter()
        .map(|name| format!(r#""{name}":null"#))
        .collect();
    let plain = request(r#"{"model":"m","messages":[{"role":"user"}]}"#);
    assert_eq!(with(&members.join(",")), plain);
    let nulls = [
        "content",
        "name",
        "tool_calls",
        "tool_call_id",
        "refusal",
        "reasoning_content",
        "audio",
        "function_call",
    ];
    let members: Vec<_> = nulls
        .iter()
        .map(|name| format!(r#""{name}":null"#))
        .collect();
    let null_message = format!(r#"{{"role":"user",{}}}"#, members.join(","));
    assert_eq!(message(&null_message), plain.messages[0]);
}

#[test]
fn stop_is_one_text_or_several() {
    assert_eq!(with(r#""stop":["a","b"]"#).stop, ["a", "b"]);
    assert_eq!(with(r#""stop":[]"#).stop, [] as [&str; 0]);
    assert_eq!(fault(r#"{"stop":[1]}"#).1.as_deref(), Some("stop[0]"));
    assert_eq!(fault(r#"{"stop":1}"#).1.as_deref(), Some("stop"));
}

#[test]
fn content_parts_of_every_kind_arrive() {
    let image = |url: &str, detail: &str, extra_fields| {
        part(Part::ImageUrl(ImageUrl {
            url: url.to_owned(),
            detail: detail.to_owned(),
            extra_fields,
        }))
    };
    assert_eq!(
        parts(
            r#"[
                {"type":"text","text":"a","prompt_cache_breakpoint":{"x":1}},
                {"type":"image_url","image_url":{"url":"data:a","detail":"low","y":2}},
                {"type":"image_url","image_url":"https://a"},
                {"type":"input_audio","input_audio":{"data":"AA","format":"wav"}},
                {"type":"file","file":{"filename":"f","file_data":"d","file_id":"i"}},
                {"type":"refusal","refusal":"no"},
                {"type":"video_url","video_url":{"url":"v", "fps":1e-7}},
                {"text":"type comes last","z":0,"type":"text"}
            ]"#
        ),
        [
            ContentPart {
                part: Some(Part::Text("a".to_owned())),
                extra_fields: vec![raw("prompt_cache_breakpoint", r#"{"x":1}"#)],
            },
            image("data:a", "low", vec![raw("y", "2")]),
            image("https://a", "", Vec::new()),
            part(Part::InputAudio(InputAudio {
                data: "AA".to_owned(),
                format: "wav".to_owned(),
                extra_fields: Vec::new(),
            })),
            part(Part::File(File {
                filename: "f".to_owned(),
                file_data: "d".to_owned(),
                file_id: "i".to_owned(),
                extra_fields: Vec::new(),
            })),
            part(Part::Refusal("no".to_owned())),
            part(Part::OtherJson(
                r#"{"type":"video_url","video_url":{"url":"v", "fps":1e-7}}"#.to_owned()
            )),
            ContentPart {
                part: Some(Part::Text("type comes last".to_owned())),
                extra_fields: vec![raw("z", "0")],
            },
        ]
    );
}

#[test]
fn an_assistants_message_keeps_what_it_said_and_called() {
    assert_eq!(
        message(
            r#"{"role":"assistant","content":null,"refusal":"r","reasoning_content":"t","reasoning":"t",
                "audio":{"id":"audio_1","expires_at":1},"function_call":{"name":"f","arguments":"{"},
                "tool_calls":[
                    {"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1e-7}"}},
                    {"id":"call_2","type":"custom","custom":{"name":"c","input":"i"},"x":1}
                ]}"#
        ),
        Message {
            role: "assistant".to_owned(),
            refusal: Some("r".to_owned()),
            reasoning_content: Some("t".to_owned()),
            audio_id: "audio_1".to_owned(),
            function_call: Some(FunctionCall {
                name: "f".to_owned(),
                arguments: "{".to_owned(),
                extra_fields: Vec::new(),
            }),
            tool_calls: vec![
                ToolCall {
                    index: 0,
                    id: "call_1".to_owned(),
                    call: Some(Call::Function(FunctionCall {
                        name: "f".to_owned(),
                        arguments: r#"{"a":1e-7}"#.to_owned(),
                        extra_fields: Vec::new(),
                    })),
                    extra_fields: Vec::new(),
                },
                ToolCall {
                    index: 1,
                    id: "call_2".to_owned(),
                    call: Some(Call::Custom(CustomToolCall {
                        name: "c".to_owned(),
                        input: "i".to_owned(),
                        extra_fields: Vec::new(),
                    })),
                    extra_fields: vec![raw("x", "1")],
                },
            ],
            extra_fields: vec![raw("reasoning", r#""t""#)],
            ..Message::default()
        }
    );
}

#[test]
fn tools_keep_their_schemas_byte_for_byte() {
    assert_eq!(
        with(
            r#""tools":[
                {"type":"function","function":{"name":"f","description":"d","parameters":{"b":1e-7, "a":1152921504606846976},"strict":true}},
                {"type":"custom","custom":{"name":"c","format":{"type":"text"}},"x":1},
                {"type":"web_search","size":"low"}
            ]"#
        )
        .tools,
        [
            Tool {
                tool: Some(ToolKind::Function(FunctionTool {
                    name: "f".to_owned(),
                    description: Some("d".to_owned()),
                    parameters_json: r#"{"b":1e-7, "a":1152921504606846976}"#.to_owned(),
                    strict: Some(true),
                    extra_fields: Vec::new(),
                })),
                extra_fields: Vec::new(),
            },
            Tool {
                tool: Some(ToolKind::Custom(CustomTool {
                    name: "c".to_owned(),
                    description: None,
                    format_json: r#"{"type":"text"}"#.to_owned(),
                    extra_fields: Vec::new(),
                })),
                extra_fields: vec![raw("x", "1")],
            },
            Tool {
                tool: Some(ToolKind::OtherJson(r#"{"type":"web_search","size":"low"}"#.to_owned())),
                extra_fields: Vec::new(),
            },
        ]
    );
}

#[test]
fn the_choice_of_a_tool_is_a_word_a_name_or_carried_whole() {
    let choice = |json: &str| with(&format!(r#""tool_choice":{json}"#)).tool_choice;
    let is = |choice| {
        Some(ToolChoice {
            choice: Some(choice),
        })
    };
    assert_eq!(
        choice(r#""required""#),
        is(Choice::Mode("required".to_owned()))
    );
    assert_eq!(
        choice(r#"{"type":"function","function":{"name":"f"}}"#),
        is(Choice::Function("f".to_owned()))
    );
    assert_eq!(
        choice(r#"{"type":"custom","custom":{"name":"c"}}"#),
        is(Choice::Custom("c".to_owned()))
    );
    let allowed = r#"{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[]}}"#;
    assert_eq!(choice(allowed), is(Choice::OtherJson(allowed.to_owned())));
}

#[test]
fn a_response_format_keeps_its_schema_byte_for_byte() {
    assert_eq!(
        with(r#""response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"b":1, "a":2},"strict":false},"x":1}"#)
            .response_format,
        Some(ResponseFormat {
            r#type: "json_schema".to_owned(),
            json_schema: Some(JsonSchema {
                name: "n".to_owned(),
                description: None,
                schema_json: r#"{"b":1, "a":2}"#.to_owned(),
                strict: Some(false),
                extra_fields: Vec::new(),
            }),
            extra_fields: vec![raw("x", "1")],
        })
    );
}

#[test]
fn what_is_no_json_object_is_told_so() {
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(128), "]".repeat(128));
    for json in [
        "",
        " ",
        "null",
        "[]",
        "1",
        r#""a""#,
        "{",
        r#"{"model":"m"}x"#,
        r#"{"temperature":NaN}"#,
        r#"{"temperature":1e999}"#,
        r#"{"model":"\ud800"}"#,
        "{\"model\":\"\u{1}\"}",
        &deep,
    ] {
        let (reason, param, message) = fault(json);
        assert_eq!(
            (reason, param),
            (ErrorReason::InvalidJson, None),
            "{json}: {message}"
        );
    }
    assert_eq!(
        parse(b"{\"model\":\"\xff\"}").unwrap_err().reason,
        ErrorReason::InvalidJson
    );
}

#[test]
fn a_member_that_comes_twice_is_refused_at_every_level() {
    for json in [
        r#"{"model":"m","model":"m"}"#,
        r#"{"x":1,"x":1}"#,
        r#"{"messages":[{"role":"user","role":"user"}]}"#,
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a","text":"b"}]}]}"#,
        r#"{"messages":[{"role":"user","content":[{"type":"text","type":"text","text":"b"}]}]}"#,
        r#"{"messages":[{"role":"user","content":[{"text":"b","type":"text","type":"text"}]}]}"#,
        r#"{"tools":[{"type":"function","function":{"name":"a","name":"b"}}]}"#,
        r#"{"response_format":{"type":"text","type":"text"}}"#,
    ] {
        let (reason, _, message) = fault(json);
        assert!(
            matches!(reason, ErrorReason::InvalidJson | ErrorReason::InvalidValue),
            "{json}: {message}"
        );
        assert!(
            message.contains("twice") || message.contains("duplicate"),
            "{message}"
        );
    }
}

#[test]
fn a_wrong_type_is_told_by_its_path() {
    for (json, param) in [
        (r#"{"model":1}"#, "model"),
        (r#"{"messages":{}}"#, "messages"),
        (r#"{"messages":[1]}"#, "messages[0]"),
        (
            r#"{"messages":[{"role":"user"},{"role":[]}]}"#,
            "messages[1].role",
        ),
        (
            r#"{"messages":[{"role":"user","content":1}]}"#,
            "messages[0].content",
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":1}]}]}"#,
            "messages[0].content[0].text",
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":1}}]}]}"#,
            "messages[0].content[0].image_url.url",
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":1}]}]}"#,
            "messages[0].content[0].type",
        ),
        (
            r#"{"messages":[{"role":"assistant","tool_calls":[{"function":{"arguments":{}}}]}]}"#,
            "messages[0].tool_calls[0].function.arguments",
        ),
        (
            r#"{"tools":[{"type":"function","function":{"name":1}}]}"#,
            "tools[0].function.name",
        ),
        (r#"{"stream":"yes"}"#, "stream"),
        (
            r#"{"stream_options":{"include_usage":1}}"#,
            "stream_options.include_usage",
        ),
        (r#"{"max_tokens":100.0}"#, "max_tokens"),
        (r#"{"max_tokens":"100"}"#, "max_tokens"),
        (r#"{"temperature":"hot"}"#, "temperature"),
        (r#"{"response_format":"json"}"#, "response_format"),
        (
            r#"{"model":"m","messages":[{"role":"user"}],"tool_choice":1}"#,
            "tool_choice",
        ),
    ] {
        let (reason, found, message) = fault(json);
        assert_eq!(
            (reason, found.as_deref()),
            (ErrorReason::InvalidType, Some(param)),
            "{message}"
        );
        assert!(
            message.starts_with(&format!("Invalid type for '{param}': expected a")),
            "{message}"
        );
    }
}

#[test]
fn a_value_is_never_repeated() {
    let (_, _, message) = fault(r#"{"max_tokens":"my secret, expected it is"}"#);
    assert_eq!(
        message,
        "Invalid type for 'max_tokens': expected an integer."
    );
}

#[test]
fn what_is_missing_is_named() {
    for (json, param) in [
        ("{}", "model"),
        (r#"{"model":"","messages":[]}"#, "model"),
        (r#"{"model":"m"}"#, "messages"),
        (r#"{"model":"m","messages":[{}]}"#, "messages[0].role"),
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{}]}]}"#,
            "messages[0].content[0].type",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]}"#,
            "messages[0].content[0].text",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]}"#,
            "messages[0].content[0].image_url.url",
        ),
        (
            r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[{}]}]}"#,
            "messages[0].tool_calls[0].function",
        ),
        (
            r#"{"model":"m","messages":[{"role":"assistant","audio":{}}]}"#,
            "messages[0].audio.id",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user"}],"tools":[{"type":"function","name":"f"}]}"#,
            "tools[0].function",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user"}],"tools":[{"type":"custom","custom":{}}]}"#,
            "tools[0].custom.name",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user"}],"response_format":{}}"#,
            "response_format.type",
        ),
    ] {
        let (reason, found, message) = fault(json);
        assert_eq!(
            (reason, found.as_deref(), message),
            (
                ErrorReason::MissingRequiredParameter,
                Some(param),
                format!("Missing required parameter: '{param}'.")
            )
        );
    }
}

#[test]
fn a_value_that_cannot_be_is_refused() {
    for (members, param) in [
        (r#""messages":[]"#, "messages"),
        (r#""messages":[{"role":"bot"}]"#, "messages[0].role"),
        (
            r#""messages":[{"role":"user","content":[]}]"#,
            "messages[0].content",
        ),
        (
            r#""messages":[{"role":"user","tool_calls":[{"type":"x"}]}]"#,
            "messages[0].tool_calls[0].type",
        ),
        (r#""messages":[{"role":"user"}],"n":0"#, "n"),
        (r#""messages":[{"role":"user"}],"n":129"#, "n"),
        (
            r#""messages":[{"role":"user"}],"seed":9223372036854775808"#,
            "seed",
        ),
        (
            r#""messages":[{"role":"user"}],"stream_options":{}"#,
            "stream_options",
        ),
        (
            r#""messages":[{"role":"user"}],"stream":false,"stream_options":{"include_usage":true}"#,
            "stream_options",
        ),
    ] {
        let (reason, found, message) = fault(&format!(r#"{{"model":"m",{members}}}"#));
        assert_eq!(
            (reason, found.as_deref()),
            (ErrorReason::InvalidValue, Some(param)),
            "{message}"
        );
    }
}

/// JSON texts, and what is nearly one.
fn bodies() -> impl Strategy<Value = String> {
    let names = [
        "model",
        "messages",
        "role",
        "content",
        "type",
        "text",
        "image_url",
        "url",
        "tools",
        "function",
        "name",
        "arguments",
        "tool_choice",
        "stop",
        "n",
        "seed",
        "stream",
        "stream_options",
        "include_usage",
        "response_format",
        "json_schema",
        "schema",
        "audio",
        "id",
        "tool_calls",
        "custom",
        "x",
    ];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<f64>().prop_map(|value| value.to_string()),
        proptest::sample::select(
            &[
                "user",
                "text",
                "function",
                "image_url",
                "custom",
                "\\ud800",
                "\\u0000",
                "好"
            ][..]
        )
        .prop_map(|value| format!("\"{value}\"")),
        ".{0,8}",
    ];
    let value = leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((proptest::sample::select(names.to_vec()), inner), 0..6)
                .prop_map(|members| {
                    let members: Vec<_> = members
                        .iter()
                        .map(|(name, value)| format!("\"{name}\":{value}"))
                        .collect();
                    format!("{{{}}}", members.join(","))
                }),
        ]
    });
    (value.clone(), value).prop_map(|(rest, messages)| {
        format!(r#"{{"model":"m","messages":[{messages}],"y":{rest}}}"#)
    })
}

proptest! {
    #[test]
    fn no_bytes_are_worse_than_a_400(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Err(error) = parse(&bytes) {
            prop_assert_eq!(crate::error::status(&error).as_u16(), 400);
        }
    }

    #[test]
    fn no_near_request_is_worse_than_a_400(body in bodies()) {
        if let Err(error) = parse(body.as_bytes()) {
            prop_assert_eq!(crate::error::status(&error).as_u16(), 400);
            prop_assert!(!error.message.contains("second try"), "{}", error.message);
        }
    }
}
