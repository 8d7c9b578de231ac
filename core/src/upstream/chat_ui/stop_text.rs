//! Stop texts, which chat-ui's messages have no place for: the answer ends before the first one.

/// Looks for stop texts in an answer under way.
#[derive(Debug)]
pub(super) struct StopText {
    stops: Vec<String>,
    /// The end of what came, which may be the beginning of a stop text.
    held: String,
}

impl StopText {
    /// Looks for these; empty ones are none.
    pub(super) fn new(stops: &[String]) -> Self {
        Self {
            stops: stops
                .iter()
                .filter(|stop| !stop.is_empty())
                .cloned()
                .collect(),
            held: String::new(),
        }
    }

    /// Takes the next text. Returns what is no part of a stop text, and whether one came after it.
    pub(super) fn push(&mut self, text: String) -> (String, bool) {
        if self.stops.is_empty() {
            return (text, false);
        }
        self.held.push_str(&text);
        let first = self
            .stops
            .iter()
            .filter_map(|stop| self.held.find(stop.as_str()))
            .min();
        if let Some(start) = first {
            self.held.truncate(start);
            return (std::mem::take(&mut self.held), true);
        }
        let longest = self.stops.iter().map(String::len).max().unwrap_or_default();
        let sure = self
            .held
            .char_indices()
            .map(|(start, _)| start)
            .skip_while(|start| self.held.len() - start >= longest)
            .find(|&start| {
                let end = &self.held[start..];
                self.stops.iter().any(|stop| stop.starts_with(end))
            })
            .unwrap_or(self.held.len());
        let held = self.held.split_off(sure);
        (std::mem::replace(&mut self.held, held), false)
    }

    /// What was held back, when no more comes.
    pub(super) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::StopText;

    /// What comes out, and whether a stop text ended it.
    fn given_out(stops: &[&str], texts: &[&str]) -> (Vec<String>, bool) {
        let stops: Vec<String> = stops.iter().map(|&stop| stop.to_owned()).collect();
        let mut stop_text = StopText::new(&stops);
        let mut given = Vec::new();
        for text in texts {
            let (text, is_stopped) = stop_text.push((*text).to_owned());
            given.push(text);
            if is_stopped {
                return (given, true);
            }
        }
        given.push(stop_text.finish());
        (given, false)
    }

    #[test]
    fn a_stop_text_in_pieces_is_found_and_nothing_of_it_given_out() {
        let (given, is_stopped) = given_out(&["<end>"], &["one <", "e", "nd", "> two"]);
        assert_eq!((given.concat().as_str(), is_stopped), ("one ", true));
        let (given, is_stopped) = given_out(&["aab"], &["a", "a", "a", "b"]);
        assert_eq!((given.concat().as_str(), is_stopped), ("a", true));
        let (given, is_stopped) = given_out(&["c", "ab", ""], &["xxabc"]);
        assert_eq!((given.concat().as_str(), is_stopped), ("xx", true));
    }

    #[test]
    fn what_only_looked_like_one_is_given_out() {
        assert_eq!(
            given_out(&["<end>", "世界"], &["a <e", "lse 世", "人 <e"]),
            (
                ["a ", "<else ", "世人 ", "<e"].map(str::to_owned).to_vec(),
                false
            )
        );
    }

    #[test]
    fn without_stop_texts_nothing_is_held() {
        assert_eq!(
            given_out(&[], &["a", "b"]),
            (vec!["a".to_owned(), "b".to_owned(), String::new()], false)
        );
    }
}
