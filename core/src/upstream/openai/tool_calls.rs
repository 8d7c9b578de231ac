//! Puts the pieces of tool calls into the one form that clients understand (openai-contract §4.3).
//!
//! Clients join pieces by `index` and concatenate every text in them. So each piece that leaves here has the right index, and a
//! call's first piece, and no other, has its id and its whole name. Upstreams leave out the index or start it anew, repeat or
//! leave out ids, repeat names or split them, and send whole calls at once.

mod json_progress;

use std::{iter, mem};

use llm2api_proto::v1::{CustomToolCall, FunctionCall, RawField, ToolCall, tool_call};

use self::json_progress::JsonProgress;
use super::{json_value::TextOrJson, wire::ToolCallPiece};

/// Calls that one choice may have: each piece is compared with those before it.
const MAX_CALLS: usize = 1024;

/// A choice has more tool calls than anyone makes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooManyCalls;

/// The tool calls of one choice.
#[derive(Debug, Default)]
pub(super) struct ToolCalls {
    calls: Vec<Call>,
}

#[derive(Debug, Default)]
struct Call {
    /// The index that the upstream gives it, where it gives one.
    upstream_index: Option<i64>,
    /// The id that the upstream gives it, where it gives one.
    upstream_id: Option<String>,
    /// Whether an earlier call has the same id.
    is_id_taken: bool,
    is_custom: bool,
    /// The name, as far as it has come.
    name: String,
    /// Whether its first piece has been handed out.
    is_open: bool,
    /// What came before it was opened.
    held: Held,
    /// How far its input is.
    input: JsonProgress,
}

#[derive(Debug, Default)]
struct Held {
    input: String,
    extra_fields: Vec<RawField>,
    call_extra_fields: Vec<RawField>,
}

/// A piece, whatever kind of call it is of.
#[derive(Debug, Default)]
struct Piece {
    index: Option<i64>,
    id: Option<String>,
    is_custom: bool,
    name: String,
    input: String,
    extra_fields: Vec<RawField>,
    call_extra_fields: Vec<RawField>,
}

impl ToolCalls {
    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Takes the pieces of one delta and returns what clients get. A call is held back until its input begins, since until then its
    /// name may go on.
    ///
    /// # Errors
    ///
    /// [`TooManyCalls`].
    pub(super) fn add(
        &mut self,
        pieces: Vec<ToolCallPiece>,
    ) -> Result<Vec<ToolCall>, TooManyCalls> {
        let mut out = Vec::new();
        let has_several = pieces.len() > 1;
        for (position, piece) in (0i64..).zip(pieces) {
            let mut piece = Piece::from(piece);
            if has_several {
                // Entries of one array are different calls.
                piece.index.get_or_insert(position);
            }
            let place = match self.find(&piece) {
                Some(place) => place,
                None => self.begin(&piece, &mut out)?,
            };
            out.extend(self.calls[place].take(place, piece));
        }
        Ok(out)
    }

    /// Takes the calls of a whole message, each of which is complete.
    ///
    /// # Errors
    ///
    /// [`TooManyCalls`].
    pub(super) fn add_whole(
        &mut self,
        pieces: Vec<ToolCallPiece>,
    ) -> Result<Vec<ToolCall>, TooManyCalls> {
        let mut out = Vec::new();
        for piece in pieces {
            let piece = Piece::from(piece);
            let place = self.begin(&piece, &mut out)?;
            out.extend(self.calls[place].take(place, piece));
        }
        out.extend(self.close());
        Ok(out)
    }

    /// Returns what was held back, at the choice's end.
    pub(super) fn close(&mut self) -> Vec<ToolCall> {
        (0..)
            .zip(&mut self.calls)
            .filter(|(_, call)| !call.is_open && call.says_something())
            .map(|(place, call)| call.open(place))
            .collect()
    }

    /// The call that a piece goes on with. `None`: it begins another.
    fn find(&self, piece: &Piece) -> Option<usize> {
        let last_with = |test: &dyn Fn(&Call) -> bool| self.calls.iter().rposition(test);
        let at_index = || match piece.index {
            Some(index) => last_with(&|call| call.upstream_index == Some(index)),
            None => self.calls.len().checked_sub(1),
        };
        let Some(id) = &piece.id else {
            return at_index().filter(|&place| !self.calls[place].is_ended_by(piece));
        };
        let has_id = |call: &Call| call.upstream_id.as_ref() == Some(id);
        let at_same_index = |call: &Call| has_id(call) && call.upstream_index == piece.index;
        if let Some(place) = last_with(&at_same_index).or_else(|| last_with(&has_id)) {
            let call = &self.calls[place];
            // One id for two calls, at two places or one after the other.
            let is_elsewhere = piece.index.is_some()
                && call.upstream_index.is_some()
                && piece.index != call.upstream_index
                && !piece.name.is_empty();
            return (!is_elsewhere && !call.is_ended_by(piece)).then_some(place);
        }
        // A new id is a new call, unless it is only the late id of one without, or one of those that come anew with each piece.
        at_index().filter(|&place| {
            let call = &self.calls[place];
            if piece.name.is_empty() {
                !call.input.is_complete()
            } else {
                call.upstream_id.is_none() && !call.input.has_begun()
            }
        })
    }

    fn begin(&mut self, piece: &Piece, out: &mut Vec<ToolCall>) -> Result<usize, TooManyCalls> {
        if self.calls.len() == MAX_CALLS {
            return Err(TooManyCalls);
        }
        // Names don't go on once another call has begun.
        for (place, call) in (0..).zip(&mut self.calls) {
            if !call.is_open && !call.name.is_empty() {
                out.push(call.open(place));
            }
        }
        let is_id_taken = self
            .calls
            .iter()
            .any(|call| call.upstream_id.is_some() && call.upstream_id == piece.id);
        self.calls.push(Call {
            upstream_index: piece.index,
            upstream_id: piece.id.clone(),
            is_id_taken,
            is_custom: piece.is_custom,
            ..Call::default()
        });
        Ok(self.calls.len() - 1)
    }
}

impl Call {
    /// Whether a piece that seems to belong here begins another call: it has a name, and this call is past its own.
    fn is_ended_by(&self, piece: &Piece) -> bool {
        !piece.name.is_empty()
            && !self.name.is_empty()
            && self.input.has_begun()
            && (piece.name != self.name
                || (self.input.is_complete() && !piece.input.trim().is_empty()))
    }

    fn says_something(&self) -> bool {
        !self.name.is_empty() || !self.held.input.is_empty()
    }

    fn take(&mut self, place: usize, piece: Piece) -> Option<ToolCall> {
        self.input.add(&piece.input);
        if self.is_open {
            let says_nothing = piece.input.is_empty()
                && piece.extra_fields.is_empty()
                && piece.call_extra_fields.is_empty();
            return (!says_nothing).then(|| {
                self.piece(
                    place,
                    String::new(),
                    String::new(),
                    Held {
                        input: piece.input,
                        extra_fields: piece.extra_fields,
                        call_extra_fields: piece.call_extra_fields,
                    },
                )
            });
        }
        if self.upstream_id.is_none() {
            self.upstream_id = piece.id;
        }
        self.is_custom |= piece.is_custom;
        if piece.name.starts_with(&self.name) {
            // The first of it, all of it once more, or all of it so far.
            self.name = piece.name;
        } else {
            self.name.push_str(&piece.name);
        }
        self.held.input.push_str(&piece.input);
        merge(&mut self.held.extra_fields, piece.extra_fields);
        merge(&mut self.held.call_extra_fields, piece.call_extra_fields);
        (!self.name.is_empty() && !self.held.input.is_empty()).then(|| self.open(place))
    }

    /// The call's first piece, with all that was held.
    fn open(&mut self, place: usize) -> ToolCall {
        self.is_open = true;
        let own_id = self.upstream_id.clone().filter(|_| !self.is_id_taken);
        let id = own_id.unwrap_or_else(call_id);
        let held = mem::take(&mut self.held);
        self.piece(place, id, self.name.clone(), held)
    }

    fn piece(&self, place: usize, id: String, name: String, held: Held) -> ToolCall {
        let call = if self.is_custom {
            tool_call::Call::Custom(CustomToolCall {
                name,
                input: held.input,
                extra_fields: held.call_extra_fields,
            })
        } else {
            tool_call::Call::Function(FunctionCall {
                name,
                arguments: held.input,
                extra_fields: held.call_extra_fields,
            })
        };
        ToolCall {
            index: i32::try_from(place).expect("there are at most MAX_CALLS"),
            id,
            call: Some(call),
            extra_fields: held.extra_fields,
        }
    }
}

impl From<ToolCallPiece> for Piece {
    fn from(piece: ToolCallPiece) -> Self {
        let head = Self {
            index: piece.index.map(|index| index.0),
            id: piece.id.filter(|id| !id.is_empty()),
            is_custom: piece.custom.is_some() || piece.kind.as_deref() == Some("custom"),
            extra_fields: piece.extra_fields,
            ..Self::default()
        };
        let text = |value: Option<TextOrJson>| value.map(TextOrJson::into_text);
        if let Some(custom) = piece.custom {
            return Self {
                name: custom.name.unwrap_or_default(),
                input: text(custom.input).unwrap_or_default(),
                call_extra_fields: custom.extra_fields,
                ..head
            };
        }
        let Some(function) = piece.function else {
            return head;
        };
        Self {
            name: function.name.unwrap_or_default(),
            input: text(function.arguments).unwrap_or_default(),
            call_extra_fields: function.extra_fields,
            ..head
        }
    }
}

/// Adds members, of which a later one replaces an earlier one of the same name.
fn merge(fields: &mut Vec<RawField>, later: Vec<RawField>) {
    fields.retain(|field| later.iter().all(|other| other.name != field.name));
    fields.extend(later);
}

/// An id for a call whose upstream gave none: `call_` and 24 random letters and digits, as OpenAI's look.
fn call_id() -> String {
    let random = iter::repeat_with(fastrand::alphanumeric).take(24);
    "call_".chars().chain(random).collect()
}

#[cfg(test)]
mod tests;
