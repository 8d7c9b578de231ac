//! Translation both ways, and refusals. That the model answers is tested from outside, with a real one.

use llm2api_local::{Message, Request, Role, Sampling};
use llm2api_proto::v1::{
    self, ContentPart, FunctionTool, ImageUrl, InputAudio, RawField, ResponseFormat, Tool,
    ToolChoice, content_part::Part, tool, tool_choice::Choice,
};

use super::{
    super::{ANONYMOUS, failure::UpstreamError},
    *,
};

fn message(role: &str, content: &str) -> v1::Message {
    v1::Message {
        role: role.to_owned(),
        content: Some(content.to_owned()),
        ..v1::Message::default()
    }
}

fn parts(role: &str, parts: Vec<Part>) -> v1::Message {
    v1::Message {
        role: role.to_owned(),
        content_parts: parts
            .into_iter()
            .map(|part| ContentPart {
                part: Some(part),
                extra_fields: Vec::new(),
            })
            .collect(),
        ..v1::Message::default()
    }
}

fn asks(messages: Vec<v1::Message>) -> ChatRequest {
    ChatRequest {
        model: "local".to_owned(),
        messages,
        ..ChatRequest::default()
    }
}

fn extra(name: &str, json: &str) -> RawField {
    RawField {
        name: name.to_owned(),
        value_json: json.to_owned(),
    }
}

fn translated(request: &ChatRequest) -> Request {
    request::translate(request).expect("nothing is out of range")
}

#[test]
fn a_request_of_text_becomes_the_engines() {
    let request = translated(&ChatRequest {
        temperature: Some(0.5),
        top_p: Some(0.25),
        seed: Some(-1),
        stop: vec!["END".to_owned()],
        max_tokens: Some(7),
        max_completion_tokens: Some(5),
        frequency_penalty: Some(-2.0),
        presence_penalty: Some(2.0),
        extra_fields: vec![extra("top_k", "40"), extra("user", "\"u\"")],
        ..asks(vec![
            message("developer", "be brief"),
            message("system", "be kind"),
            parts(
                "user",
                vec![Part::Text("one".to_owned()), Part::Text("two".to_owned())],
            ),
            parts("assistant", vec![Part::Refusal("no".to_owned())]),
            v1::Message {
                role: "assistant".to_owned(),
                refusal: Some("never".to_owned()),
                ..v1::Message::default()
            },
        ])
    });
    let said = |role, content: &str| Message {
        role,
        content: content.to_owned(),
    };
    assert_eq!(
        request.messages,
        [
            said(Role::Developer, "be brief"),
            said(Role::System, "be kind"),
            said(Role::User, "one\ntwo"),
            said(Role::Assistant, "no"),
            said(Role::Assistant, "never"),
        ]
    );
    assert_eq!(
        request.sampling,
        Sampling {
            temperature: 0.5,
            top_p: 0.25,
            top_k: Some(40),
            seed: Some(u64::MAX),
            frequency_penalty: -2.0,
            presence_penalty: 2.0,
        }
    );
    assert_eq!(request.stop, ["END"]);
    assert_eq!(request.max_tokens, Some(5));
}

#[test]
fn what_is_not_said_is_left_to_the_engine() {
    let request = translated(&asks(vec![message("user", "hi")]));
    assert_eq!(request.sampling, Sampling::default());
    assert_eq!(
        (request.stop, request.max_tokens),
        (Vec::<String>::new(), None)
    );
    for all in ["0", "-1", "null"] {
        let request = translated(&ChatRequest {
            extra_fields: vec![extra("top_k", all)],
            ..asks(vec![message("user", "hi")])
        });
        assert_eq!(request.sampling.top_k, None, "{all}");
    }
}

#[test]
fn a_number_out_of_its_range_is_the_clients_mistake() {
    let usual = || asks(vec![message("user", "hi")]);
    let requests = [
        ChatRequest {
            temperature: Some(f64::NAN),
            ..usual()
        },
        ChatRequest {
            temperature: Some(-0.1),
            ..usual()
        },
    ];
    for request in requests {
        let failure = request::translate(&request).unwrap_err();
        assert_eq!(
            (failure.kind, failure.upstream_error),
            (
                FailureKind::Rejected,
                Some(UpstreamError {
                    message: "Invalid value for 'temperature': expected a number from 0 to 2."
                        .to_owned(),
                    param: Some("temperature".to_owned()),
                    code: Some("invalid_value".to_owned()),
                    ..UpstreamError::default()
                })
            )
        );
    }
}

#[test]
fn the_first_field_that_it_cannot_honour_is_named() {
    let usual = || asks(vec![message("user", "hi")]);
    let tools = || {
        vec![Tool {
            tool: Some(tool::Tool::Function(FunctionTool::default())),
            extra_fields: Vec::new(),
        }]
    };
    let mode = |mode: &str| {
        Some(ToolChoice {
            choice: Some(Choice::Mode(mode.to_owned())),
        })
    };
    let form = |form: &str| {
        Some(ResponseFormat {
            r#type: form.to_owned(),
            ..ResponseFormat::default()
        })
    };
    let cases = [
        (None, usual()),
        (
            Some("tools"),
            ChatRequest {
                tools: tools(),
                n: Some(2),
                ..usual()
            },
        ),
        (
            None,
            ChatRequest {
                tools: tools(),
                tool_choice: mode("none"),
                ..usual()
            },
        ),
        (
            Some("tool_choice"),
            ChatRequest {
                tool_choice: mode("required"),
                ..usual()
            },
        ),
        (
            Some("functions"),
            ChatRequest {
                extra_fields: vec![extra("functions", r#"[{"name":"f"}]"#)],
                ..usual()
            },
        ),
        (
            None,
            ChatRequest {
                response_format: form("text"),
                n: Some(1),
                logprobs: Some(false),
                top_logprobs: Some(0),
                extra_fields: vec![extra("functions", "[]"), extra("modalities", r#"["text"]"#)],
                ..usual()
            },
        ),
        (
            Some("response_format"),
            ChatRequest {
                response_format: form("json_object"),
                ..usual()
            },
        ),
        (
            Some("modalities"),
            ChatRequest {
                extra_fields: vec![extra("modalities", r#"["text","audio"]"#)],
                ..usual()
            },
        ),
        (
            Some("image_url"),
            asks(vec![
                message("user", "hi"),
                parts("user", vec![Part::ImageUrl(ImageUrl::default())]),
            ]),
        ),
        (
            Some("input_audio"),
            asks(vec![parts(
                "user",
                vec![Part::InputAudio(InputAudio::default())],
            )]),
        ),
        (
            Some("content"),
            asks(vec![parts("user", vec![Part::OtherJson("{}".to_owned())])]),
        ),
        (Some("tool_calls"), asks(vec![message("tool", "1")])),
        (
            Some("audio"),
            asks(vec![v1::Message {
                audio_id: "a".to_owned(),
                ..message("assistant", "")
            }]),
        ),
    ];
    for (field, request) in cases {
        assert_eq!(support::unsupported_field(&request), field, "{request:?}");
    }
}

#[test]
fn each_refusal_of_the_engine_is_told_for_what_it_is() {
    let full = refusal(StartError::QueueFull {
        waiting: 16,
        retry_after: Duration::from_secs(12),
    });
    assert_eq!(
        full,
        Failure {
            retry_after: Some(Duration::from_secs(12)),
            ..Failure::new(FailureKind::Busy, "16 requests wait already")
        }
    );
    let overflow = refusal(StartError::ContextOverflow {
        context_length: 2048,
        prompt_tokens: 3000,
    });
    assert_eq!(overflow.kind, FailureKind::Rejected);
    assert_eq!(
        overflow.upstream_error,
        Some(UpstreamError {
            message: "This model's maximum context length is 2048 tokens. However, your messages resulted in 3000 tokens. \
                      Please reduce the length of the messages."
                .to_owned(),
            param: Some("messages".to_owned()),
            code: Some("context_length_exceeded".to_owned()),
            ..UpstreamError::default()
        })
    );
}

#[tokio::test]
async fn a_model_that_cannot_be_loaded_is_unusable_and_its_path_stays_here() {
    let local = Local::new("/nowhere/model.gguf".into());
    let request = asks(vec![message("user", "hi")]);
    let call = ChatCall {
        request: &request,
        replacement: None,
        model: "model",
        credential: &ANONYMOUS,
        trace: None,
    };
    let failure = local.chat(call).await.err().expect("there is no file");
    assert_eq!(
        failure,
        Failure::new(
            FailureKind::Unusable,
            "its model can't be loaded: the file can't be read: No such file or directory (os error 2)"
        )
    );
}

#[tokio::test]
async fn who_finds_no_place_to_begin_is_told_to_come_again() {
    let local = Local::new("/nowhere/model.gguf".into());
    let places = Arc::clone(&local.beginning);
    let _all = places.try_acquire_many_owned(20).expect("none has begun");
    let request = asks(vec![message("user", "hi")]);
    let call = ChatCall {
        request: &request,
        replacement: None,
        model: "model",
        credential: &ANONYMOUS,
        trace: None,
    };
    let failure = local.chat(call).await.err().expect("there is no place");
    assert_eq!(
        (failure.kind, failure.retry_after),
        (FailureKind::Busy, Some(SOON))
    );
}
