//! What a request may ask for that a chat-ui has nothing for, and whose loss would change the answer's meaning.

use llm2api_proto::v1::{ChatRequest, ContentPart, content_part::Part};

use super::attachment;

/// The first field that can't be honoured. `takes_images` tells of the model, where it is known.
pub(super) fn field(request: &ChatRequest, takes_images: Option<bool>) -> Option<&'static str> {
    let has_extra = |name: &str| {
        request
            .extra_fields
            .iter()
            .any(|field| field.name == name && field.value_json.trim() != "null")
    };
    let fields = [
        ("tools", !request.tools.is_empty()),
        ("functions", has_extra("functions")),
        ("n", request.n.is_some_and(|n| n > 1)),
        ("logprobs", request.logprobs == Some(true)),
        (
            "top_logprobs",
            request.top_logprobs.is_some_and(|top| top > 0),
        ),
        (
            "response_format",
            request
                .response_format
                .as_ref()
                .is_some_and(|format| format.r#type != "text"),
        ),
        ("audio", has_extra("audio")),
    ];
    let parts = request
        .messages
        .iter()
        .flat_map(|message| &message.content_parts);
    fields
        .into_iter()
        .find_map(|(name, is_asked_for)| is_asked_for.then_some(name))
        .or_else(|| {
            parts
                .into_iter()
                .find_map(|part| field_of(part, takes_images))
        })
}

/// Whether a request has images, for which the model must be one that sees.
pub(super) fn has_images(request: &ChatRequest) -> bool {
    request
        .messages
        .iter()
        .flat_map(|message| &message.content_parts)
        .filter_map(attachment::of_part)
        .any(|attachment| attachment.is_image)
}

fn field_of(part: &ContentPart, takes_images: Option<bool>) -> Option<&'static str> {
    let name = match &part.part {
        None | Some(Part::Text(_) | Part::Refusal(_)) => return None,
        Some(Part::ImageUrl(_)) => "image_url",
        Some(Part::InputAudio(_)) => "input_audio",
        Some(Part::File(_)) => "file",
        Some(Part::OtherJson(_)) => "messages",
    };
    match attachment::of_part(part) {
        Some(attachment) if !attachment.is_image || takes_images != Some(false) => None,
        _ => Some(name),
    }
}

#[cfg(test)]
mod tests {
    use llm2api_proto::v1::{ImageUrl, InputAudio, Message, RawField, ResponseFormat, Tool};

    use super::*;

    fn with_part(part: Part) -> ChatRequest {
        let part = ContentPart {
            part: Some(part),
            ..ContentPart::default()
        };
        let message = Message {
            content_parts: vec![part],
            ..Message::default()
        };
        ChatRequest {
            messages: vec![message],
            ..ChatRequest::default()
        }
    }

    fn image(url: &str) -> ChatRequest {
        with_part(Part::ImageUrl(ImageUrl {
            url: url.to_owned(),
            ..ImageUrl::default()
        }))
    }

    fn with_format(kind: &str) -> ChatRequest {
        ChatRequest {
            response_format: Some(ResponseFormat {
                r#type: kind.to_owned(),
                ..ResponseFormat::default()
            }),
            ..ChatRequest::default()
        }
    }

    #[test]
    fn what_would_change_the_answer_is_named() {
        let plain = ChatRequest::default;
        let functions = RawField {
            name: "functions".to_owned(),
            value_json: "[]".to_owned(),
        };
        for (request, name) in [
            (
                ChatRequest {
                    tools: vec![Tool::default()],
                    ..plain()
                },
                "tools",
            ),
            (
                ChatRequest {
                    extra_fields: vec![functions],
                    ..plain()
                },
                "functions",
            ),
            (
                ChatRequest {
                    n: Some(2),
                    ..plain()
                },
                "n",
            ),
            (
                ChatRequest {
                    logprobs: Some(true),
                    ..plain()
                },
                "logprobs",
            ),
            (
                ChatRequest {
                    top_logprobs: Some(1),
                    ..plain()
                },
                "top_logprobs",
            ),
            (with_format("json_object"), "response_format"),
            (image("https://example.org/a.png"), "image_url"),
            (
                with_part(Part::InputAudio(InputAudio::default())),
                "input_audio",
            ),
        ] {
            assert_eq!(field(&request, Some(true)), Some(name));
        }
    }

    #[test]
    fn hints_and_what_is_taken_are_not() {
        let hints = ChatRequest {
            n: Some(1),
            logprobs: Some(false),
            temperature: Some(0.5),
            seed: Some(7),
            max_tokens: Some(7),
            stop: vec!["x".to_owned()],
            ..with_format("text")
        };
        assert_eq!(field(&hints, None), None);
    }

    #[test]
    fn images_need_a_model_that_sees() {
        let request = image("data:image/png;base64,aGk=");
        let fields = [None, Some(true), Some(false)].map(|takes| field(&request, takes));
        assert_eq!(fields, [None, None, Some("image_url")]);
        assert!(has_images(&request));
    }
}
