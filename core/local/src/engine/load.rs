//! Everything that is in memory while the model is loaded.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use super::Options;
use crate::{
    gguf::Gguf,
    model::{Dimensions, Model, Pass},
    pool::Pool,
    template::Template,
    tokenizer::Tokenizer,
};

/// A model that can't be loaded; the source says why.
#[derive(Debug, thiserror::Error)]
#[error("the model {} can't be loaded", path.display())]
pub struct LoadError {
    path: PathBuf,
    #[source]
    problem: Box<dyn std::error::Error + Send + Sync>,
}

impl LoadError {
    pub(super) fn new(
        path: &Path,
        problem: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self {
            path: path.to_owned(),
            problem: Box::new(problem),
        }
    }
}

/// A loaded model.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) model: Model,
    pub(super) pass: Pass,
    pub(super) vocabulary: Vocabulary,
}

/// What turns a conversation into tokens, and tokens into text.
#[derive(Debug)]
pub(super) struct Vocabulary {
    pub(super) tokenizer: Tokenizer,
    pub(super) template: Template,
    /// Tokens that a conversation may have.
    pub(super) context_length: usize,
}

/// Looks whether a file has what a model needs, its weights unread.
pub(super) fn check(path: &Path) -> Result<(), LoadError> {
    let file = Gguf::open(path).map_err(|error| LoadError::new(path, error))?;
    Dimensions::read(&file).map_err(|error| LoadError::new(path, error))?;
    Template::load(&file).map_err(|error| LoadError::new(path, error))?;
    Ok(())
}

/// Loads a model.
pub(super) fn load(path: &Path, options: &Options) -> Result<Loaded, LoadError> {
    let begin = Instant::now();
    let file = Gguf::open(path).map_err(|error| LoadError::new(path, error))?;
    let tokenizer = Tokenizer::load(&file).map_err(|error| LoadError::new(path, error))?;
    let template = Template::load(&file).map_err(|error| LoadError::new(path, error))?;
    let model = Model::load(&file).map_err(|error| LoadError::new(path, error))?;
    let pool = Pool::new(options.threads.get(), options.priority)
        .map_err(|error| LoadError::new(path, error))?;
    let trained = model.dimensions().context_length;
    tracing::info!(
        path = %path.display(),
        duration_ms = begin.elapsed().as_millis() as u64,
        "local model loaded"
    );
    Ok(Loaded {
        vocabulary: Vocabulary {
            tokenizer,
            template,
            context_length: options
                .context_length
                .map_or(trained, |length| length.min(trained)),
        },
        model,
        pass: Pass::new(pool),
    })
}
