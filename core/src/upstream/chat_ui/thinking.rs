//! Reasoning that comes within the text, between `<think>` and `</think>` at its beginning.
//!
//! chat-ui writes it so where the model's server streams it apart, and some models write it so themselves, in whatever pieces. Tags
//! further on are text: someone may be talking about them.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Reasoning.
    Reasoning(String),
    /// Text.
    Content(String),
}

/// Tells reasoning from text.
#[derive(Debug, Default)]
pub(super) struct Thinking {
    place: Place,
    /// The end of what came, which may be the beginning of a tag.
    held: String,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing but white space, or a part of a tag, has come.
    #[default]
    Beginning,
    Inside,
    /// Just behind the closing tag: white space there belongs to it.
    Behind,
    Content,
}

impl Thinking {
    /// Takes the next text; gives out what is sure by now.
    pub(super) fn push(&mut self, text: &str) -> Vec<Piece> {
        self.held.push_str(text);
        let mut pieces = Vec::new();
        loop {
            match self.place {
                Place::Beginning => {
                    let start = self.held.trim_start();
                    if let Some(rest) = start.strip_prefix(OPEN) {
                        self.held = rest.to_owned();
                        self.place = Place::Inside;
                    } else if OPEN.starts_with(start) {
                        return pieces;
                    } else {
                        self.place = Place::Content;
                    }
                }
                Place::Inside => match self.held.find(CLOSE) {
                    Some(end) => {
                        let rest = self.held.split_off(end + CLOSE.len());
                        self.held.truncate(end);
                        pieces.extend(self.take_reasoning());
                        self.held = rest;
                        self.place = Place::Behind;
                    }
                    None => {
                        let rest = self.held.split_off(sure(&self.held, CLOSE));
                        pieces.extend(self.take_reasoning());
                        self.held = rest;
                        return pieces;
                    }
                },
                Place::Behind => {
                    self.held = self.held.trim_start().to_owned();
                    if self.held.is_empty() {
                        return pieces;
                    }
                    self.place = Place::Content;
                }
                Place::Content => {
                    pieces.extend(self.take_content());
                    return pieces;
                }
            }
        }
    }

    /// What was held back, when no more comes.
    pub(super) fn finish(&mut self) -> Option<Piece> {
        match self.place {
            Place::Inside => self.take_reasoning(),
            Place::Beginning | Place::Behind | Place::Content => self.take_content(),
        }
    }

    fn take_reasoning(&mut self) -> Option<Piece> {
        let text = std::mem::take(&mut self.held);
        (!text.is_empty()).then_some(Piece::Reasoning(text))
    }

    fn take_content(&mut self) -> Option<Piece> {
        let text = std::mem::take(&mut self.held);
        (!text.is_empty()).then_some(Piece::Content(text))
    }
}

/// How much of a text can't be the beginning of a tag that goes on.
fn sure(text: &str, tag: &str) -> usize {
    (1..tag.len())
        .rev()
        .find(|&length| text.ends_with(&tag[..length]))
        .map_or(text.len(), |length| text.len() - length)
}

#[cfg(test)]
mod tests {
    use super::{Piece, Thinking};

    /// What comes out, the pieces of a kind that follow each other joined.
    fn split(texts: &[&str]) -> Vec<Piece> {
        let mut thinking = Thinking::default();
        let mut pieces: Vec<Piece> = Vec::new();
        let given = texts
            .iter()
            .map(|text| thinking.push(text))
            .collect::<Vec<_>>()
            .concat();
        for piece in given.into_iter().chain(thinking.finish()) {
            match (pieces.last_mut(), piece) {
                (Some(Piece::Reasoning(whole)), Piece::Reasoning(more))
                | (Some(Piece::Content(whole)), Piece::Content(more)) => whole.push_str(&more),
                (_, piece) => pieces.push(piece),
            }
        }
        pieces
    }

    fn reasoning(text: &str) -> Piece {
        Piece::Reasoning(text.to_owned())
    }

    fn content(text: &str) -> Piece {
        Piece::Content(text.to_owned())
    }

    #[test]
    fn reasoning_is_split_off_in_whatever_pieces_it_comes() {
        let expected = [reasoning("I add 1 < 2."), content("It is 3.")];
        let text = "<think>I add 1 < 2.</think>\n\nIt is 3.";
        assert_eq!(split(&[text]), expected);
        let characters: Vec<&str> = text.split_inclusive(|_| true).collect();
        assert_eq!(split(&characters), expected);
        // As the newest versions write it.
        assert_eq!(
            split(&["<think>I add", " 1 < 2.", "</think>It is", " 3."]),
            expected
        );
    }

    #[test]
    fn tags_that_are_not_at_the_beginning_are_text() {
        let text = "The tags are <think> and </think>.";
        assert_eq!(split(&[text]), [content(text)]);
        assert_eq!(split(&["<th", "ree>"]), [content("<three>")]);
    }

    #[test]
    fn what_is_held_comes_out_at_the_end() {
        assert_eq!(split(&[" <thi"]), [content(" <thi")]);
        assert_eq!(split(&["<think>a</thi"]), [reasoning("a</thi")]);
        assert_eq!(split(&["<think></think>"]), []);
    }

    #[test]
    fn text_is_not_held_back() {
        assert_eq!(Thinking::default().push("Hi"), [content("Hi")]);
    }
}
