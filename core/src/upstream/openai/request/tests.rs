use llm2api_proto::v1::{
    ChatRequest, ContentPart, CustomTool, CustomToolCall, File, FunctionCall, FunctionTool,
    ImageUrl, InputAudio, JsonSchema, Message, RawField, ResponseFormat, Tool, ToolCall,
    ToolChoice, content_part::Part, tool, tool_call::Call, tool_choice::Choice,
};
use serde::de::IgnoredAny;

use super::{SpliceError, encode};

fn raw(name: &str, json: &str) -> RawField {
    RawField {
        name: name.to_owned(),
        value_json: json.to_owned(),
    }
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn encoded(request: &ChatRequest) -> String {
    let body = encode(request, "m-1").expect("good JSON");
    String::from_utf8(body).expect("UTF-8")
}

fn messages(messages: Vec<Message>) -> String {
    let body = encoded(&ChatRequest {
        messages,
        ..ChatRequest::default()
    });
    let body = body.strip_prefix(r#"{"model":"m-1","messages":"#);
    let body = body.and_then(|body| {
        body.strip_suffix(r#","stream":true,"stream_options":{"include_usage":true}}"#)
    });
    body.expect("nothing else").to_owned()
}

fn message(role: &str, content: Option<&str>) -> Message {
    Message {
        role: text(role),
        content: content.map(text),
        ..Message::default()
    }
}

#[test]
fn all_that_the_contract_names_is_written_and_all_else_is_spliced() {
    let request = ChatRequest {
        model: text("the asked one is not sent"),
        messages: vec![message("user", Some("\"好🙂\"\n"))],
        stream: Some(false),
        tools: vec![
            Tool {
                tool: Some(tool::Tool::Function(FunctionTool {
                    name: text("f"),
                    description: Some(text("d")),
                    parameters_json: text(r#"{"z":1e-7, "a":[1152921504606846976]}"#),
                    strict: Some(false),
                    extra_fields: vec![raw("in", "1")],
                })),
                extra_fields: vec![raw("out", "2")],
            },
            Tool {
                tool: Some(tool::Tool::Custom(CustomTool {
                    name: text("c"),
                    description: None,
                    format_json: text(r#"{"type":"text"}"#),
                    extra_fields: vec![],
                })),
                extra_fields: vec![],
            },
            Tool {
                tool: Some(tool::Tool::OtherJson(text(
                    r#"{"type":"web_search", "x":"\ud800"}"#,
                ))),
                extra_fields: vec![],
            },
        ],
        tool_choice: Some(ToolChoice {
            choice: Some(Choice::Function(text("f"))),
        }),
        parallel_tool_calls: Some(false),
        response_format: Some(ResponseFormat {
            r#type: text("json_schema"),
            json_schema: Some(JsonSchema {
                name: text("s"),
                description: Some(text("d")),
                schema_json: text(r#"{"type": "object"}"#),
                strict: Some(true),
                extra_fields: vec![raw("x", "null")],
            }),
            extra_fields: vec![],
        }),
        temperature: Some(0.0),
        top_p: Some(1e-7),
        seed: Some(i64::MAX),
        stop: vec![text("a"), text("b")],
        max_tokens: Some(1),
        max_completion_tokens: Some(2),
        frequency_penalty: Some(-0.5),
        presence_penalty: Some(0.1),
        n: Some(2),
        logprobs: Some(true),
        top_logprobs: Some(0),
        reasoning_effort: text("high"),
        web_search: true,
        web_search_options_json: text(r#"{"search_context_size": "low"}"#),
        stream_option_fields: vec![raw("include_obfuscation", "false")],
        extra_fields: vec![
            raw("top_k", " 40 "),
            raw("weird \"name\"", r#"{"b":1.0,"a":"\ud83d"}"#),
        ],
    };
    let expected = [
        r#"{"model":"m-1","messages":[{"role":"user","content":"\"好🙂\"\n"}],"#,
        r#""tools":[{"type":"function","function":{"name":"f","description":"d","#,
        r#""parameters":{"z":1e-7, "a":[1152921504606846976]},"strict":false,"in":1},"out":2},"#,
        r#"{"type":"custom","custom":{"name":"c","format":{"type":"text"}}},"#,
        r#"{"type":"web_search", "x":"\ud800"}],"parallel_tool_calls":false,"#,
        r#""tool_choice":{"type":"function","function":{"name":"f"}},"#,
        r#""response_format":{"type":"json_schema","json_schema":{"name":"s","description":"d","#,
        r#""schema":{"type": "object"},"strict":true,"x":null}},"#,
        r#""temperature":0.0,"top_p":1e-7,"seed":9223372036854775807,"stop":["a","b"],"#,
        r#""max_tokens":1,"max_completion_tokens":2,"frequency_penalty":-0.5,"#,
        r#""presence_penalty":0.1,"n":2,"logprobs":true,"top_logprobs":0,"reasoning_effort":"high","web_search_options":{"search_context_size": "low"},"#,
        r#""top_k":40,"weird \"name\"":{"b":1.0,"a":"\ud83d"},"#,
        r#""stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}}"#,
    ]
    .concat();
    assert_eq!(encoded(&request), expected);
}

#[test]
fn messages_of_every_role_are_written() {
    let function_call = |name: &str| FunctionCall {
        name: text(name),
        arguments: text("{not json"),
        extra_fields: vec![raw("f", "1")],
    };
    let assistant = Message {
        tool_calls: vec![
            ToolCall {
                index: 0,
                id: text("call_1"),
                call: Some(Call::Function(function_call("f"))),
                extra_fields: vec![raw("extra_content", r#"{"google":{}}"#)],
            },
            ToolCall {
                index: 1,
                id: text("call_2"),
                call: Some(Call::Custom(CustomToolCall {
                    name: text("c"),
                    input: text("in"),
                    extra_fields: vec![],
                })),
                extra_fields: vec![],
            },
        ],
        refusal: Some(text("")),
        reasoning_content: Some(text("hmm")),
        audio_id: text("audio_1"),
        extra_fields: vec![raw("prefix", "true")],
        ..message("assistant", None)
    };
    let written = messages(vec![
        Message {
            name: text("bob"),
            ..message("system", Some(""))
        },
        assistant,
        Message {
            tool_call_id: text("call_1"),
            ..message("tool", Some("42"))
        },
        Message {
            function_call: Some(function_call("g")),
            ..message("assistant", None)
        },
    ]);
    let expected = [
        r#"[{"role":"system","content":"","name":"bob"},"#,
        r#"{"role":"assistant","content":null,"refusal":"","reasoning_content":"hmm","#,
        r#""audio":{"id":"audio_1"},"tool_calls":["#,
        r#"{"id":"call_1","type":"function","function":{"name":"f","arguments":"{not json","f":1},"#,
        r#""extra_content":{"google":{}}},"#,
        r#"{"id":"call_2","type":"custom","custom":{"name":"c","input":"in"}}],"prefix":true},"#,
        r#"{"role":"tool","content":"42","tool_call_id":"call_1"},"#,
        r#"{"role":"assistant","content":null,"#,
        r#""function_call":{"name":"g","arguments":"{not json","f":1}}]"#,
    ]
    .concat();
    assert_eq!(written, expected);
}

#[test]
fn parts_of_every_kind_are_written() {
    let part = |part: Part, extra_fields: Vec<RawField>| ContentPart {
        part: Some(part),
        extra_fields,
    };
    let written = messages(vec![Message {
        content_parts: vec![
            part(
                Part::Text(text("hi")),
                vec![raw("cache_control", r#"{"type":"ephemeral"}"#)],
            ),
            part(
                Part::ImageUrl(ImageUrl {
                    url: text("data:image/png;base64,AA=="),
                    detail: text("low"),
                    extra_fields: vec![raw("x", "1")],
                }),
                vec![],
            ),
            part(
                Part::ImageUrl(ImageUrl {
                    url: text("https://a.example/i"),
                    ..ImageUrl::default()
                }),
                vec![],
            ),
            part(
                Part::InputAudio(InputAudio {
                    data: text("AA=="),
                    format: text("wav"),
                    extra_fields: vec![],
                }),
                vec![],
            ),
            part(
                Part::File(File {
                    filename: text("a.pdf"),
                    file_data: text("data:,"),
                    file_id: text(""),
                    extra_fields: vec![],
                }),
                vec![],
            ),
            part(Part::Refusal(text("no")), vec![]),
            part(
                Part::OtherJson(text(r#"{"type":"video_url", "video_url":{}}"#)),
                vec![],
            ),
        ],
        ..message("user", None)
    }]);
    let expected = [
        r#"[{"role":"user","content":["#,
        r#"{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}},"#,
        r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,AA==","detail":"low","x":1}},"#,
        r#"{"type":"image_url","image_url":{"url":"https://a.example/i"}},"#,
        r#"{"type":"input_audio","input_audio":{"data":"AA==","format":"wav"}},"#,
        r#"{"type":"file","file":{"filename":"a.pdf","file_data":"data:,"}},"#,
        r#"{"type":"refusal","refusal":"no"},"#,
        r#"{"type":"video_url", "video_url":{}}]}]"#,
    ]
    .concat();
    assert_eq!(written, expected);
}

#[test]
fn choices_among_tools_are_written_and_parallel_calls_need_tools() {
    let table = [
        (
            Choice::Mode(text("required")),
            r#""tool_choice":"required","#,
        ),
        (
            Choice::Custom(text("c")),
            r#""tool_choice":{"type":"custom","custom":{"name":"c"}},"#,
        ),
        (
            Choice::OtherJson(text(r#"{"type":"allowed_tools"}"#)),
            r#""tool_choice":{"type":"allowed_tools"},"#,
        ),
    ];
    for (choice, written) in table {
        let body = encoded(&ChatRequest {
            tool_choice: Some(ToolChoice {
                choice: Some(choice),
            }),
            parallel_tool_calls: Some(true),
            ..ChatRequest::default()
        });
        let expected = format!(
            r#"{{"model":"m-1","messages":[],{written}"stream":true,"stream_options":{{"include_usage":true}}}}"#
        );
        assert_eq!(body, expected);
    }
}

#[test]
fn json_that_is_none_or_says_a_member_again_is_refused() {
    let not_json = [
        "",
        "1,\"model\":\"x\"",
        "{",
        "}",
        "nul",
        "1 2",
        "\"\n\"",
        "NaN",
    ];
    for json in not_json {
        let request = ChatRequest {
            extra_fields: vec![raw("x", json)],
            ..ChatRequest::default()
        };
        let refused = encode(&request, "m-1");
        assert_eq!(refused, Err(SpliceError::NotJson(text("x"))), "{json}");
    }
    for name in ["model", "stream", "messages", "stream_options"] {
        let request = ChatRequest {
            extra_fields: vec![raw(name, "1")],
            ..ChatRequest::default()
        };
        let refused = encode(&request, "m-1");
        assert_eq!(refused, Err(SpliceError::KnownName(text(name))), "{name}");
    }
    let request = ChatRequest {
        messages: vec![Message {
            extra_fields: vec![raw("role", "\"system\"")],
            ..message("user", Some("hi"))
        }],
        ..ChatRequest::default()
    };
    assert_eq!(
        encode(&request, "m-1"),
        Err(SpliceError::KnownName(text("role")))
    );
}

#[test]
fn a_body_is_valid_json_whatever_numbers_it_has() {
    let request = ChatRequest {
        temperature: Some(f64::NAN),
        top_p: Some(f64::INFINITY),
        ..ChatRequest::default()
    };
    let body = encode(&request, "m-1").expect("good");
    assert!(serde_json::from_slice::<IgnoredAny>(&body).is_ok());
}
