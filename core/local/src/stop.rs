//! Stop sequences: an answer ends before the first one, also where it comes in pieces.

/// Looks for stop sequences in a text under way.
#[derive(Debug, Default)]
pub(crate) struct Stops {
    sequences: Vec<String>,
    /// The end of the text, which may be the beginning of a stop sequence.
    held: String,
}

impl Stops {
    /// Looks for these; empty ones are none.
    pub(crate) fn new(mut sequences: Vec<String>) -> Self {
        sequences.retain(|sequence| !sequence.is_empty());
        Self {
            sequences,
            held: String::new(),
        }
    }

    /// Takes the next piece of text. Returns what can be given out, and whether a stop sequence came after it.
    pub(crate) fn push(&mut self, piece: &str) -> (String, bool) {
        self.held.push_str(piece);
        let first = self
            .sequences
            .iter()
            .filter_map(|stop| self.held.find(stop.as_str()))
            .min();
        if let Some(start) = first {
            self.held.truncate(start);
            return (std::mem::take(&mut self.held), true);
        }
        let sure = self
            .held
            .char_indices()
            .map(|(start, _)| start)
            .find(|&start| {
                self.sequences
                    .iter()
                    .any(|stop| stop.starts_with(&self.held[start..]))
            })
            .unwrap_or(self.held.len());
        let held = self.held.split_off(sure);
        (std::mem::replace(&mut self.held, held), false)
    }

    /// What was held back, when no more text comes.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes pieces; returns what was given out after each, until a stop.
    fn given_out(stops: &[&str], pieces: &[&str]) -> (Vec<String>, bool) {
        let mut matcher = Stops::new(stops.iter().map(|&stop| stop.to_owned()).collect());
        let mut given = Vec::new();
        for piece in pieces {
            let (text, stopped) = matcher.push(piece);
            given.push(text);
            if stopped {
                return (given, true);
            }
        }
        given.push(matcher.finish());
        (given, false)
    }

    #[test]
    fn a_stop_in_pieces_is_found_and_nothing_of_it_given_out() {
        let (given, stopped) = given_out(&["<end>"], &["one <", "e", "nd", "> two"]);
        assert_eq!((given.concat().as_str(), stopped), ("one ", true));
    }

    #[test]
    fn what_only_looked_like_a_stop_is_given_out() {
        let (given, stopped) = given_out(&["<end>"], &["a <e", "lse", " <e"]);
        assert_eq!(given, ["a ", "<else", " ", "<e"]);
        assert!(!stopped);
    }

    #[test]
    fn the_first_of_several_stops_counts() {
        let (given, stopped) = given_out(&["c", "ab", ""], &["xxabc"]);
        assert_eq!((given.concat().as_str(), stopped), ("xx", true));
    }

    #[test]
    fn a_stop_that_begins_within_a_failed_one_is_found() {
        let (given, stopped) = given_out(&["aab"], &["a", "a", "a", "b"]);
        assert_eq!((given.concat().as_str(), stopped), ("a", true));
    }

    #[test]
    fn characters_of_several_bytes_are_not_cut() {
        let (given, stopped) = given_out(&["世界"], &["你好世", "人世", "界"]);
        assert_eq!(given, ["你好", "世人", ""]);
        assert!(stopped);
    }
}
