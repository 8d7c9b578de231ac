//! What an answer's body is: by its head, else by its first bytes.

use http::{HeaderMap, header::CONTENT_TYPE};

/// The kinds of body that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaType {
    EventStream,
    Json,
    Html,
    /// Not said, or something that may hide any of the others.
    Other,
}

impl MediaType {
    /// What the head says. Servers call streams anything, so that only the first and the third are to be relied on.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let value = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let essence = value
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        match essence.as_str() {
            "text/event-stream" => Self::EventStream,
            "text/html" | "application/xhtml+xml" => Self::Html,
            "application/json" => Self::Json,
            _ if essence.ends_with("+json") => Self::Json,
            _ => Self::Other,
        }
    }
}

/// What a body is by its first bytes. `None`: too few are here, or only white space, which some send to keep a connection busy.
pub(crate) fn sniff(start: &[u8]) -> Option<MediaType> {
    let mark = b"\xEF\xBB\xBF";
    if start.len() < mark.len() && mark.starts_with(start) {
        return None;
    }
    let text = start.strip_prefix(mark).unwrap_or(start);
    match text.trim_ascii_start().first() {
        Some(b'{' | b'[') => Some(MediaType::Json),
        Some(b'<') => Some(MediaType::Html),
        Some(_) => Some(MediaType::EventStream),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{MediaType, sniff};

    #[test]
    fn a_body_is_known_by_its_first_bytes() {
        let table: &[(&[u8], Option<MediaType>)] = &[
            (b"", None),
            (b" \r\n", None),
            (b"\xEF\xBB", None),
            (b"{", Some(MediaType::Json)),
            (b"\xEF\xBB\xBF {", Some(MediaType::Json)),
            (b"\n[{", Some(MediaType::Json)),
            (b"<!DOCTYPE html>", Some(MediaType::Html)),
            (b"data: {", Some(MediaType::EventStream)),
            (b": hello", Some(MediaType::EventStream)),
            (b"\xFFgarbage", Some(MediaType::EventStream)),
        ];
        for (start, kind) in table {
            assert_eq!(sniff(start), *kind, "{start:?}");
        }
    }
}
