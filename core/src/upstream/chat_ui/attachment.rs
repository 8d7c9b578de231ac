//! Images and files of a request, as a chat-ui takes them.

use llm2api_proto::v1::{ContentPart, File, ImageUrl, content_part::Part};

/// Types beside `text/…` that chat-ui puts before the prompt as a document; it ignores all others.
const DOCUMENT_TYPES: [&str; 3] = ["application/json", "application/xml", "application/csv"];

/// Bytes of a file's name that are kept.
const MAX_NAME: usize = 128;

/// A file to be uploaded with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attachment<'a> {
    pub(super) name: String,
    pub(super) media_type: &'a str,
    /// The file as base64, which is how it travels here as well.
    pub(super) base64: &'a str,
    pub(super) is_image: bool,
}

/// The attachment in a part. `None`: the part has none that a chat-ui takes.
pub(super) fn of_part(part: &ContentPart) -> Option<Attachment<'_>> {
    match part.part.as_ref()? {
        Part::ImageUrl(image) => of_image(image),
        Part::File(file) => of_file(file),
        Part::Text(_) | Part::Refusal(_) | Part::InputAudio(_) | Part::OtherJson(_) => None,
    }
}

fn of_image(image: &ImageUrl) -> Option<Attachment<'_>> {
    // What lies elsewhere would have to be fetched from here, where other things may be reached than where the client is.
    let (media_type, base64) = data_url(&image.url)?;
    let kind = media_type.strip_prefix("image/")?;
    Some(Attachment {
        name: format!("image.{}", sendable(kind)),
        media_type,
        base64,
        is_image: true,
    })
}

fn of_file(file: &File) -> Option<Attachment<'_>> {
    let (media_type, base64) = data_url(&file.file_data)?;
    let is_image = media_type.starts_with("image/");
    let is_document = media_type.starts_with("text/") || DOCUMENT_TYPES.contains(&media_type);
    let name = match file.filename.as_str() {
        "" => "file".to_owned(),
        name => sendable(name),
    };
    (is_image || is_document).then_some(Attachment {
        name,
        media_type,
        base64,
        is_image,
    })
}

/// Type and data of a `data:` URL in base64 (RFC 2397).
fn data_url(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let head = head.strip_suffix(";base64")?;
    let media_type = head.split(';').next().unwrap_or_default();
    let is_sendable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    (media_type.contains('/') && is_sendable(media_type) && is_sendable(data))
        .then_some((media_type, data))
}

/// A name without what would end it in a header.
fn sendable(name: &str) -> String {
    let mut name = name.replace(
        |character: char| character.is_control() || "\"\\".contains(character),
        "_",
    );
    name.truncate(name.floor_char_boundary(MAX_NAME));
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(url: &str) -> ContentPart {
        let image = ImageUrl {
            url: url.to_owned(),
            ..ImageUrl::default()
        };
        ContentPart {
            part: Some(Part::ImageUrl(image)),
            ..ContentPart::default()
        }
    }

    fn file(filename: &str, file_data: &str) -> ContentPart {
        let file = File {
            filename: filename.to_owned(),
            file_data: file_data.to_owned(),
            ..File::default()
        };
        ContentPart {
            part: Some(Part::File(file)),
            ..ContentPart::default()
        }
    }

    #[test]
    fn images_and_documents_by_value_are_taken() {
        assert_eq!(
            of_part(&image("data:image/png;base64,aGk=")),
            Some(Attachment {
                name: "image.png".to_owned(),
                media_type: "image/png",
                base64: "aGk=",
                is_image: true,
            })
        );
        assert_eq!(
            of_part(&file(
                "a\"\r\n.csv",
                "data:text/csv;charset=utf-8;base64,aGk="
            )),
            Some(Attachment {
                name: "a___.csv".to_owned(),
                media_type: "text/csv",
                base64: "aGk=",
                is_image: false,
            })
        );
    }

    #[test]
    fn what_would_be_ignored_or_fetched_is_not() {
        for part in [
            image("https://example.org/a.png"),
            image("data:image/svg+xml,<svg/>"),
            image("data:text/plain;base64,aGk="),
            file("a.pdf", "data:application/pdf;base64,aGk="),
            file("a.txt", ""),
            file("a.txt", "data:text/plain;base64,a\r\nb"),
        ] {
            assert_eq!(of_part(&part), None, "{part:?}");
        }
    }
}
