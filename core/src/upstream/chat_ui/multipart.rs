//! A message as a form, `multipart/form-data` (RFC 7578).

use bytes::Bytes;

use super::{attachment::Attachment, random};

/// A form: its content type and its bytes.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) content_type: String,
    pub(super) body: Bytes,
}

/// The form of a message: its data as a text field, then its files.
pub(super) fn form(data: &str, attachments: &[Attachment<'_>]) -> Form {
    // Nobody who writes the data can guess it.
    with_boundary(&format!("llm2api-{}", random::uuid()), data, attachments)
}

fn with_boundary(boundary: &str, data: &str, attachments: &[Attachment<'_>]) -> Form {
    let files: usize = attachments
        .iter()
        .map(|attachment| attachment.base64.len() + 512)
        .sum();
    let mut body = String::with_capacity(data.len() + files + 256);
    let mut part = |disposition: &str, content: &str| {
        for text in [
            "--",
            boundary,
            "\r\nContent-Disposition: form-data; ",
            disposition,
            "\r\n\r\n",
            content,
            "\r\n",
        ] {
            body.push_str(text);
        }
    };
    part("name=\"data\"", data);
    for attachment in attachments {
        // A name before which `base64;` stands says how the bytes are written.
        let disposition = format!(
            "name=\"files\"; filename=\"base64;{}\"\r\nContent-Type: {}",
            attachment.name, attachment.media_type
        );
        part(&disposition, attachment.base64);
    }
    body.push_str("--");
    body.push_str(boundary);
    body.push_str("--\r\n");
    Form {
        content_type: format!("multipart/form-data; boundary={boundary}"),
        body: body.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_the_data_and_the_files() {
        let attachment = Attachment {
            name: "image.png".to_owned(),
            media_type: "image/png",
            base64: "aGk=",
            is_image: true,
        };
        let form = with_boundary("B", r#"{"inputs":"hi"}"#, &[attachment]);
        assert_eq!(form.content_type, "multipart/form-data; boundary=B");
        assert_eq!(
            form.body,
            "--B\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\n{\"inputs\":\"hi\"}\r\n\
             --B\r\nContent-Disposition: form-data; name=\"files\"; filename=\"base64;image.png\"\r\n\
             Content-Type: image/png\r\n\r\naGk=\r\n--B--\r\n"
        );
    }
}
