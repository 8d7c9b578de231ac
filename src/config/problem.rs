//! What is wrong with a configuration.

use std::fmt;

/// One wrong setting, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The variable, or file and key.
    subject: String,
    /// What is wrong, and what to do.
    message: String,
}

impl Problem {
    /// A problem with this variable or key.
    pub(crate) fn new(subject: impl fmt::Display, message: impl Into<String>) -> Self {
        Self {
            subject: subject.to_string(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line a problem, whatever the text that it quotes.
        let line = format!("{}: {}", self.subject, self.message);
        for character in line.chars() {
            if character.is_control() {
                write!(formatter, "{}", character.escape_default())?;
            } else {
                write!(formatter, "{character}")?;
            }
        }
        Ok(())
    }
}
