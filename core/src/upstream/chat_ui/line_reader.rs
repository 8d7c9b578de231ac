//! The lines of a message's answer.

use memchr::memchr;

/// A line, or white space for one, is longer than may be held.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

/// Cuts an answer into lines, wherever its pieces end.
///
/// Right after the final answer come 4096 spaces without a line end (to push it through proxies), so a line is trimmed before it is
/// looked at, and lines without anything else are none.
#[derive(Debug)]
pub(super) struct LineReader {
    /// A line that has not ended, without the spaces before it.
    pending: Vec<u8>,
    limit: usize,
}

impl LineReader {
    /// Reads lines of at most so many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            pending: Vec::new(),
            limit,
        }
    }

    /// Takes the next piece; calls `take` with each line that is complete now, until it says to stop.
    ///
    /// # Errors
    ///
    /// [`TooLarge`].
    pub(super) fn read(
        &mut self,
        mut piece: &[u8],
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), TooLarge> {
        while let Some(end) = memchr(b'\n', piece) {
            let (line, rest) = (&piece[..end], &piece[end + 1..]);
            piece = rest;
            let goes_on = if self.pending.is_empty() {
                let line = line.trim_ascii();
                Self::is_in_bounds(line.len(), self.limit)?;
                give(line, &mut take)
            } else {
                self.hold(line)?;
                let line = std::mem::take(&mut self.pending);
                give(&line, &mut take)
            };
            if !goes_on {
                return Ok(());
            }
        }
        self.hold(piece)
    }

    /// Takes the end of the answer: a last line need not have its line end.
    pub(super) fn finish(&mut self, mut take: impl FnMut(&[u8]) -> bool) {
        let line = std::mem::take(&mut self.pending);
        give(&line, &mut take);
    }

    fn hold(&mut self, piece: &[u8]) -> Result<(), TooLarge> {
        let piece = if self.pending.is_empty() {
            piece.trim_ascii_start()
        } else {
            piece
        };
        Self::is_in_bounds(self.pending.len() + piece.len(), self.limit)?;
        self.pending.extend_from_slice(piece);
        Ok(())
    }

    fn is_in_bounds(size: usize, limit: usize) -> Result<(), TooLarge> {
        if size > limit { Err(TooLarge) } else { Ok(()) }
    }
}

fn give(line: &[u8], take: &mut impl FnMut(&[u8]) -> bool) -> bool {
    let line = line.trim_ascii();
    line.is_empty() || take(line)
}

#[cfg(test)]
mod tests {
    use super::{LineReader, TooLarge};

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut reader = LineReader::new(100);
        let mut lines = Vec::new();
        let mut take = |line: &[u8]| {
            lines.push(String::from_utf8(line.to_vec()).expect("whole characters"));
            true
        };
        for piece in pieces {
            reader.read(piece, &mut take).expect("short");
        }
        reader.finish(&mut take);
        lines
    }

    #[test]
    fn lines_are_whole_wherever_the_pieces_end() {
        let spaces = " ".repeat(4096);
        let text = format!("{{\"a\":\"好\"}}\r\n\n{{\"b\":1}}\n{spaces}{{\"c\":2}}\n{spaces}");
        let expected = ["{\"a\":\"好\"}", "{\"b\":1}", "{\"c\":2}"];
        assert_eq!(lines(&[text.as_bytes()]), expected);
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(lines(&bytes), expected);
    }

    #[test]
    fn the_last_line_needs_no_end() {
        assert_eq!(lines(&[b"{\"a\"", b":1}"]), ["{\"a\":1}"]);
    }

    #[test]
    fn a_line_too_long_is_refused_and_padding_is_not() {
        let long = [b'x'; 101];
        let mut reader = LineReader::new(100);
        assert_eq!(reader.read(&long, |_| true), Err(TooLarge));
        let mut reader = LineReader::new(100);
        for _ in 0..3 {
            assert_eq!(reader.read(&[b' '; 100], |_| true), Ok(()));
        }
        assert_eq!(reader.read(&long[..60], |_| true), Ok(()));
        assert_eq!(reader.read(&long[..60], |_| true), Err(TooLarge));
    }

    #[test]
    fn no_line_is_given_after_the_one_that_ends_it() {
        let mut reader = LineReader::new(100);
        let mut count = 0;
        let read = reader.read(b"1\n2\n3\n", |_| {
            count += 1;
            count < 2
        });
        assert_eq!((read, count), (Ok(()), 2));
    }
}
