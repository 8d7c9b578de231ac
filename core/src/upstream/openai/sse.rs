//! Reads `text/event-stream` as it arrives.
//!
//! Follows the WHATWG's algorithm (HTML standard, 9.2.6) but for two things that upstreams get wrong: an event that ends with the
//! stream and not with a blank line counts, and a field `error:` (llama.cpp before 2025) is the data of an error event.

use std::{mem, ops::ControlFlow};

use memchr::memchr2;

/// What may stand at the very start and means nothing.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event<'a> {
    /// Its data lines, joined by line feeds. Bytes: it may not be UTF-8.
    pub(super) data: &'a [u8],
    /// Whether its name says that it is an error.
    pub(super) is_error: bool,
}

/// An event or a line is larger than the reader may hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

/// Finds the events in a stream of bytes that is cut anywhere.
///
/// Holds only what is incomplete: an event that lies within one piece is handed out as a slice of it.
#[derive(Debug)]
pub(super) struct SseReader {
    /// The most bytes that a line or an event's data may have.
    limit: usize,
    /// The start of a line that is not complete yet.
    line: Vec<u8>,
    /// The data of the event so far, as far as it came in earlier pieces or in several lines.
    data: Vec<u8>,
    /// Whether the event has data, be it empty.
    has_data: bool,
    is_error: bool,
    /// Whether the piece before ended in a carriage return, so that a line feed now belongs to it.
    after_carriage_return: bool,
    is_first_line: bool,
    /// Bytes of the event so far.
    event_size: usize,
    /// Bytes of what became complete, since [`Self::take_complete_size`] was last called.
    complete_size: usize,
}

/// Where the data of the event at hand lies.
#[derive(Clone, Copy)]
enum Data<'a> {
    /// In the reader: it came in pieces, or there is none.
    Held,
    /// In the piece that is being read.
    InPiece(&'a [u8]),
}

impl SseReader {
    /// A reader at a stream's start.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            data: Vec::new(),
            has_data: false,
            is_error: false,
            after_carriage_return: false,
            is_first_line: true,
            event_size: 0,
            complete_size: 0,
        }
    }

    /// Reads the next piece and hands out each event that it completes, until the callback breaks.
    ///
    /// # Errors
    ///
    /// [`TooLarge`], after which the reader must not be used.
    pub(super) fn read(
        &mut self,
        piece: &[u8],
        mut on_event: impl FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, TooLarge> {
        let mut rest = piece;
        let mut data = Data::Held;
        loop {
            if self.after_carriage_return && !rest.is_empty() {
                self.after_carriage_return = false;
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            }
            let Some(end) = memchr2(b'\n', b'\r', rest) else {
                break;
            };
            self.after_carriage_return = rest[end] == b'\r';
            let line_size = self.line.len() + end;
            if line_size > self.limit {
                return Err(TooLarge);
            }
            let flow = if self.line.is_empty() {
                self.take_line(&rest[..end], &mut data, &mut on_event)?
            } else {
                let mut line = mem::take(&mut self.line);
                line.extend_from_slice(&rest[..end]);
                let mut in_line = Data::Held;
                let flow = self.take_line(&line, &mut in_line, &mut on_event)?;
                self.hold(in_line);
                flow
            };
            if flow.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            rest = &rest[end + 1..];
        }
        self.hold(data);
        if self.line.len() + rest.len() > self.limit {
            return Err(TooLarge);
        }
        self.line.extend_from_slice(rest);
        Ok(ControlFlow::Continue(()))
    }

    /// Hands out what the stream's end completes.
    ///
    /// # Errors
    ///
    /// [`TooLarge`].
    pub(super) fn finish(
        &mut self,
        mut on_event: impl FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, TooLarge> {
        self.read(b"\n\n", &mut on_event)
    }

    /// Bytes of the events and comments that became complete since this was last asked.
    pub(super) fn take_complete_size(&mut self) -> usize {
        mem::take(&mut self.complete_size)
    }

    fn take_line<'a>(
        &mut self,
        mut line: &'a [u8],
        data: &mut Data<'a>,
        on_event: &mut impl FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, TooLarge> {
        // The line's end counts as one byte, whatever it was.
        let line_size = line.len() + 1;
        if mem::take(&mut self.is_first_line) {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        if line.is_empty() {
            self.complete_size += mem::take(&mut self.event_size) + line_size;
            return Ok(self.dispatch(mem::replace(data, Data::Held), on_event));
        }
        if line[0] == b':' {
            self.complete_size += line_size;
            return Ok(ControlFlow::Continue(()));
        }
        self.event_size += line_size;
        let (name, value) = match line.iter().position(|&byte| byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => self.add_data(value, data)?,
            b"error" => {
                self.is_error = true;
                self.add_data(value, data)?;
            }
            b"event" => self.is_error = value == b"error",
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    fn add_data<'a>(&mut self, value: &'a [u8], data: &mut Data<'a>) -> Result<(), TooLarge> {
        if !mem::replace(&mut self.has_data, true) {
            *data = Data::InPiece(value);
            return Ok(());
        }
        self.hold(mem::replace(data, Data::Held));
        if self.data.len() + 1 + value.len() > self.limit {
            return Err(TooLarge);
        }
        self.data.push(b'\n');
        self.data.extend_from_slice(value);
        Ok(())
    }

    /// Keeps data beyond the piece that it came in.
    fn hold(&mut self, data: Data<'_>) {
        if let Data::InPiece(value) = data {
            self.data.extend_from_slice(value);
        }
    }

    fn dispatch(
        &mut self,
        data: Data<'_>,
        on_event: &mut impl FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let is_error = mem::take(&mut self.is_error);
        if !mem::take(&mut self.has_data) {
            return ControlFlow::Continue(());
        }
        // What was held is let go of, so that a quiet stream holds no memory for its largest event.
        let held = mem::take(&mut self.data);
        let data = match data {
            Data::Held => &held,
            Data::InPiece(value) => value,
        };
        on_event(Event { data, is_error })
    }
}

#[cfg(test)]
mod tests;
