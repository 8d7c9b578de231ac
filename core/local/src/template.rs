//! The chat template: a conversation as the text that the model was trained on.
//!
//! Templates are Jinja programs in the model's file. A template writes control tokens as text, and so can a user: the user's are
//! broken by a guard character before the template sees them, so that only the template's become control tokens
//! ([`Tokenizer::guard`]).

use minijinja::{Environment, Error, ErrorKind, Value, context, syntax::SyntaxConfig};

use crate::{
    gguf::{Gguf, GgufError},
    tokenizer::Tokenizer,
};

/// Instructions that a template may take for one conversation, so that a hostile file can't hold a thread. A message costs
/// some twenty.
const FUEL: u64 = 10_000_000;

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Who made the application. Models of this family know them as system.
    Developer,
    /// Who sets the model up.
    System,
    /// Who asks.
    User,
    /// The model.
    Assistant,
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// By whom.
    pub role: Role,
    /// What.
    pub content: String,
}

/// A conversation that the model's template refuses.
#[derive(Debug, thiserror::Error)]
#[error("the model's chat template refuses this conversation")]
pub struct TemplateError(#[source] Error);

/// Why there is no template in a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TemplateLoadError {
    /// The file.
    #[error(transparent)]
    File(#[from] GgufError),
    /// What it has is no program.
    #[error("has a chat template that can't be read")]
    Syntax(#[source] Error),
}

/// A model's chat template.
#[derive(Debug)]
pub(crate) struct Template {
    environment: Environment<'static>,
}

const NAME: &str = "chat";

impl Template {
    /// Reads a file's template.
    ///
    /// # Errors
    ///
    /// [`TemplateLoadError`] where there is none, or none that can be read.
    pub(crate) fn load(file: &Gguf) -> Result<Self, TemplateLoadError> {
        Self::parse(file.text("tokenizer.chat_template")?)
    }

    fn parse(source: &str) -> Result<Self, TemplateLoadError> {
        let mut environment = Environment::new();
        // As transformers does, for which templates are written.
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(TemplateLoadError::Syntax)?;
        environment.set_syntax(syntax);
        environment.set_fuel(Some(FUEL));
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function(
            "raise_exception",
            |reason: String| -> Result<String, Error> {
                Err(Error::new(ErrorKind::InvalidOperation, reason))
            },
        );
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(TemplateLoadError::Syntax)?;
        Ok(Self { environment })
    }

    /// The tokens of a conversation, up to where the model is to answer.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] where the template fails.
    pub(crate) fn encode(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
    ) -> Result<Vec<u32>, TemplateError> {
        let guard = unused_character(messages);
        let messages: Vec<Value> = messages
            .iter()
            .map(|message| {
                let role = match message.role {
                    Role::Developer | Role::System => "system",
                    Role::User => "user",
                    Role::Assistant => "assistant",
                };
                context! { role, content => tokenizer.guard(&message.content, guard) }
            })
            .collect();
        let text = self
            .environment
            .get_template(NAME)
            .and_then(|template| {
                template.render(context! {
                    messages,
                    add_generation_prompt => true,
                    bos_token => tokenizer.begin_text(),
                    eos_token => tokenizer.end_text(),
                })
            })
            .map_err(TemplateError)?;
        Ok(tokenizer.encode(&text, guard))
    }
}

/// A character that nobody said: of those that mean nothing to anybody.
fn unused_character(messages: &[Message]) -> char {
    ('\u{FDD0}'..='\u{FDEF}')
        .chain('\u{F0000}'..)
        .find(|&character| {
            !messages
                .iter()
                .any(|message| message.content.contains(character))
        })
        .expect("a conversation that has all 130,000 of them is longer than any that is let in")
}

#[cfg(test)]
mod tests;
