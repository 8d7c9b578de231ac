use std::ops::ControlFlow;

use proptest::prelude::*;

use super::{Event, SseReader, TooLarge};

/// An event's data as text, `!` in front where it is an error.
fn show(event: Event<'_>) -> String {
    let mark = if event.is_error { "!" } else { "" };
    format!("{mark}{}", String::from_utf8_lossy(event.data))
}

fn read_pieces<'a>(
    limit: usize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<String>, TooLarge> {
    let mut reader = SseReader::new(limit);
    let mut events = Vec::new();
    let mut on_event = |event: Event<'_>| {
        events.push(show(event));
        ControlFlow::Continue(())
    };
    for piece in pieces {
        let _ = reader.read(piece, &mut on_event)?;
    }
    let _ = reader.finish(&mut on_event)?;
    Ok(events)
}

/// Reads the stream whole, byte by byte, and cut in two at every place; all must bring the same.
fn read_at_all_cuts(limit: usize, stream: &[u8]) -> Result<Vec<String>, TooLarge> {
    let whole = read_pieces(limit, [stream]);
    assert_eq!(read_pieces(limit, stream.chunks(1)), whole, "byte by byte");
    for cut in 0..=stream.len() {
        let (left, right) = stream.split_at(cut);
        assert_eq!(read_pieces(limit, [left, right]), whole, "cut at {cut}");
    }
    whole
}

#[test]
fn events_arrive_however_the_stream_is_written_and_cut() {
    let table: &[(&str, &[u8], &[&str])] = &[
        ("nothing", b"", &[]),
        ("line feeds", b"data: a\n\ndata: b\n\n", &["a", "b"]),
        ("carriage returns", b"data: a\r\rdata: b\r\r", &["a", "b"]),
        ("both", b"data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]),
        ("mixed", b"data: a\r\n\ndata: b\n\r\n\r", &["a", "b"]),
        ("no space after the colon", b"data:a\n\n", &["a"]),
        ("only one space is taken", b"data:  a \n\n", &[" a "]),
        (
            "several lines of data",
            b"data: a\ndata: b\ndata\n\n",
            &["a\nb\n"],
        ),
        ("empty data", b"data:\n\ndata\n\n", &["", ""]),
        ("two empty lines of data", b"data\ndata\n\n", &["\n"]),
        (
            "comments",
            b": hello\n\n:\ndata: a\n: in between\n\n",
            &["a"],
        ),
        (
            "other fields",
            b"id: 1\nretry: 3\ndata: a\nevent: x\nodd\n\n",
            &["a"],
        ),
        (
            "a name without data",
            b"event: error\n\ndata: a\n\n",
            &["a"],
        ),
        (
            "an error by name",
            b"event: error\ndata: a\n\ndata: b\n\n",
            &["!a", "b"],
        ),
        (
            "an error by field",
            b"error: {\"code\":500}\n\n",
            &["!{\"code\":500}"],
        ),
        ("a byte order mark", b"\xEF\xBB\xBFdata: a\n\n", &["a"]),
        (
            "a mark that is none",
            b"data: a\n\n\xEF\xBB\xBFdata: b\n\n",
            &["a"],
        ),
        (
            "no blank line at the end",
            b"data: a\n\ndata: [DONE]\n",
            &["a", "[DONE]"],
        ),
        (
            "no line end at the end",
            b"data: a\n\ndata: [DONE]",
            &["a", "[DONE]"],
        ),
        ("a return at the end", b"data: a\r", &["a"]),
        (
            "characters of two, three and four bytes",
            "data: é好🙂\n\ndata: 🙂\n\n".as_bytes(),
            &["é好🙂", "🙂"],
        ),
        ("no UTF-8", b"data: a\xFFb\n\n", &["a\u{FFFD}b"]),
        ("garbage", b"\x00\x01<html>\n\n{}\n\ndatax: a\n\n", &[]),
    ];
    for (name, stream, events) in table {
        let read = read_at_all_cuts(1024, stream).expect("small");
        assert_eq!(&read, events, "{name}");
    }
}

#[test]
fn reading_stops_where_the_callback_breaks() {
    let mut reader = SseReader::new(1024);
    let mut events = Vec::new();
    let flow = reader.read(b"data: a\n\ndata: b\n\ndata: c\n\n", |event| {
        events.push(show(event));
        if event.data == b"b" {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!(flow, Ok(ControlFlow::Break(())));
    assert_eq!(events, ["a", "b"]);
}

#[test]
fn what_is_too_large_fails_wherever_it_is_cut() {
    let table: &[(&[u8], bool)] = &[
        (b"data: 0123456789\n\n", true),
        (b"data: 01234567890\n\n", false),
        (b"data: 0123456\ndata: 012345678\n\n", false),
        (b": 0123456789012345\n\n", false),
        (b"data: 012345678901234567890", false),
        (b"data: 01\n\ndata: 01\n\ndata: 01\n\ndata: 01\n\n", true),
        (b": 01234\n: 01234\n: 01234\n: 01234\n", true),
    ];
    for (stream, fits) in table {
        let read = read_at_all_cuts(16, stream);
        assert_eq!(read.is_ok(), *fits, "{}", String::from_utf8_lossy(stream));
    }
}

#[test]
fn the_size_counts_events_and_comments_once_they_are_complete() {
    let mut reader = SseReader::new(1024);
    let mut sizes = Vec::new();
    for piece in ["data: a\n", "\n", ": x", "\n", "\n"] {
        let _ = reader.read(piece.as_bytes(), |_| ControlFlow::Continue(()));
        sizes.push(reader.take_complete_size());
    }
    assert_eq!(sizes, [0, 9, 0, 4, 1]);
}

#[test]
fn an_event_that_lies_in_one_piece_is_not_copied() {
    let piece = b"data: hello\n\n";
    let mut reader = SseReader::new(1024);
    let flow = reader.read(piece, |event| {
        assert_eq!(event.data.as_ptr(), piece[6..].as_ptr());
        ControlFlow::Break(())
    });
    assert_eq!(flow, Ok(ControlFlow::Break(())));
}

#[test]
fn a_large_event_in_small_pieces_takes_linear_time() {
    // 8 MiB in pieces of a network packet: a reader that looks at each byte more than a few times takes minutes.
    let mut stream = b"data: ".to_vec();
    stream.resize(8 << 20, b'x');
    stream.extend_from_slice(b"\n\n");
    let events = read_pieces(16 << 20, stream.chunks(1400)).expect("fits");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].len(), (8 << 20) - 6);
}

proptest! {
    #[test]
    fn any_bytes_cut_anywhere_bring_the_same_events(
        parts in prop::collection::vec(
            prop_oneof![
                Just(b"data:".to_vec()),
                Just(b"data: ".to_vec()),
                Just(b"event: error".to_vec()),
                Just(b":".to_vec()),
                Just(b"\n".to_vec()),
                Just(b"\r".to_vec()),
                Just(b"\r\n".to_vec()),
                Just(b"\xEF\xBB\xBF".to_vec()),
                Just("好🙂".as_bytes().to_vec()),
                prop::collection::vec(any::<u8>(), 0..6),
            ],
            0..24,
        ),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        limit in 4usize..64,
    ) {
        let stream = parts.concat();
        let mut places: Vec<usize> =
            cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        places.extend([0, stream.len()]);
        places.sort_unstable();
        let pieces = places.windows(2).map(|pair| &stream[pair[0]..pair[1]]);
        prop_assert_eq!(read_pieces(limit, pieces), read_pieces(limit, [&stream[..]]));
    }
}
