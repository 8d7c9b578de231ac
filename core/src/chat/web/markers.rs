//! Finds the numbers in brackets by which a model cites, also where one comes in pieces.

use std::ops::Range;

/// The longest number looked for; no search has as many results.
const MAX_DIGITS: u32 = 3;

/// Reads a text as it arrives.
#[derive(Debug, Default)]
pub(super) struct Markers {
    /// Code points read so far.
    position: i64,
    /// The bracket that is open.
    open: Option<Open>,
}

/// A bracket with the digits so far.
#[derive(Debug, Clone, Copy)]
struct Open {
    begin: i64,
    number: usize,
    digits: u32,
}

impl Markers {
    /// Begins behind so many code points.
    pub(super) fn behind(position: i64) -> Self {
        Self {
            position,
            open: None,
        }
    }

    /// Reads on, and tells of each number where it stands, brackets included.
    pub(super) fn read(&mut self, text: &str, mut found: impl FnMut(usize, Range<i64>)) {
        for character in text.chars() {
            self.open = match (self.open, character) {
                (_, '[') => Some(Open {
                    begin: self.position,
                    number: 0,
                    digits: 0,
                }),
                (Some(open), ']') => {
                    if open.digits > 0 {
                        found(open.number, open.begin..self.position + 1);
                    }
                    None
                }
                (Some(open), _) => open.with(character),
                (None, _) => None,
            };
            self.position += 1;
        }
    }
}

impl Open {
    /// With another digit, where it is one of a number without leading zeros.
    fn with(self, character: char) -> Option<Self> {
        let digit = usize::try_from(character.to_digit(10)?).ok()?;
        let fits = self.digits < MAX_DIGITS && (self.digits > 0 || digit > 0);
        fits.then_some(Self {
            number: self.number * 10 + digit,
            digits: self.digits + 1,
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pieces: &[&str]) -> Vec<(usize, Range<i64>)> {
        let mut markers = Markers::behind(10);
        let mut all = Vec::new();
        for piece in pieces {
            markers.read(piece, |number, place| all.push((number, place)));
        }
        all
    }

    #[test]
    fn numbers_are_found_by_code_points_wherever_the_text_is_cut() {
        let text = "好🙂[1], [12][3] end";
        let expected = vec![(1, 12..15), (12, 17..21), (3, 21..24)];
        assert_eq!(found(&[text]), expected);
        let one_by_one: Vec<String> = text.chars().map(String::from).collect();
        let one_by_one: Vec<&str> = one_by_one.iter().map(String::as_str).collect();
        assert_eq!(found(&one_by_one), expected);
    }

    #[test]
    fn all_else_in_brackets_is_text() {
        assert_eq!(
            found(&["[] [a] [01] [1a] [1 ] [1234] [-1] [", "x", "] 1]"]),
            []
        );
        assert_eq!(found(&["[[2]]"]), [(2, 11..14)]);
    }
}
