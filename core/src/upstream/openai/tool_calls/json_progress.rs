//! Whether JSON that arrives in pieces has come to its end, without keeping it.

/// How far an object's or array's text has come.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct JsonProgress {
    has_begun: bool,
    /// Objects and arrays that are open.
    depth: usize,
    is_in_string: bool,
    is_escaped: bool,
    /// The outermost object or array was closed.
    is_complete: bool,
}

impl JsonProgress {
    /// Takes the next piece.
    pub(super) fn add(&mut self, piece: &str) {
        self.has_begun |= !piece.is_empty();
        for byte in piece.bytes() {
            if self.is_in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => self.is_in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.is_in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.is_complete |= self.depth == 0;
                }
                _ => {}
            }
        }
    }

    /// Whether anything came.
    pub(super) fn has_begun(self) -> bool {
        self.has_begun
    }

    /// Whether the object or array is closed; never so for other text.
    pub(super) fn is_complete(self) -> bool {
        self.is_complete
    }
}

#[cfg(test)]
mod tests {
    use super::JsonProgress;

    #[test]
    fn an_object_is_complete_when_its_brace_closes() {
        let table: &[(&[&str], bool)] = &[
            (&[], false),
            (&["{"], false),
            (&["{}"], true),
            (&["{\"a\":[{", "}]", "}"], true),
            (&["{\"a\":\"}"], false),
            (&["{\"a\":\"\\", "\"}", "\"}"], true),
            (&["free text"], false),
        ];
        for (pieces, is_complete) in table {
            let mut progress = JsonProgress::default();
            for piece in *pieces {
                progress.add(piece);
            }
            assert_eq!(progress.is_complete(), *is_complete, "{pieces:?}");
            assert_eq!(progress.has_begun(), !pieces.is_empty());
        }
    }
}
