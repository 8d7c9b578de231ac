//! Server-sent events as OpenAI's API writes them, read strictly.

/// The data of each event of a whole stream, `[DONE]` included; comments are left out.
///
/// # Panics
///
/// On whatever is not `data: …` on one line with a blank line after it, or a comment with one: what a client that splits naively would
/// fall over.
#[must_use]
#[track_caller]
pub fn events(stream: &[u8]) -> Vec<&str> {
    let stream = std::str::from_utf8(stream).expect("a stream is UTF-8");
    if stream.is_empty() {
        return Vec::new();
    }
    let events = stream
        .strip_suffix("\n\n")
        .unwrap_or_else(|| panic!("the stream ends within an event: {stream:?}"));
    events
        .split("\n\n")
        .filter(|event| !event.starts_with(':'))
        .map(|event| match event.strip_prefix("data: ") {
            Some(data) if !data.contains(['\n', '\r']) => data,
            _ => panic!("not one line of data: {event:?}"),
        })
        .collect()
}

/// The JSON of each event before `[DONE]`, and whether `[DONE]` came; nothing may follow it.
///
/// # Panics
///
/// As [`events`], and where an event is not JSON or `[DONE]` is not the last.
#[must_use]
#[track_caller]
pub fn chunks(stream: &[u8]) -> (Vec<serde_json::Value>, bool) {
    let mut events = events(stream);
    let done = events.last() == Some(&"[DONE]");
    if done {
        events.pop();
    }
    let chunks = events
        .iter()
        .map(|event| {
            serde_json::from_str(event).unwrap_or_else(|error| panic!("{error} in {event:?}"))
        })
        .collect();
    (chunks, done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_event_by_event() {
        assert_eq!(
            events(b": keep-alive\n\ndata: {}\n\ndata: [DONE]\n\n"),
            ["{}", "[DONE]"]
        );
    }

    #[test]
    #[should_panic(expected = "ends within an event")]
    fn a_stream_that_is_cut_is_not_taken_for_whole() {
        let _ = events(b"data: {}\n\ndata: {");
    }

    #[test]
    #[should_panic(expected = "not one line of data")]
    fn an_event_of_two_lines_is_refused() {
        let _ = events(b"data: 1\ndata: 2\n\n");
    }
}
