//! The adapter for a model on this machine's processor: no address, no key, nothing on the way.
//!
//! The engine computes on threads of its own; here a request becomes the engine's, and what it writes becomes events.

mod answer;
mod request;
mod support;
#[cfg(test)]
mod tests;

use std::{
    error::Error,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use llm2api_local::{Engine, Options, StartError, UnsupportedProcessor};
use llm2api_proto::v1::ChatRequest;
use tokio::sync::Semaphore;
use tonic::async_trait;

use self::answer::LocalAnswer;
use super::{Answer, ChatCall, Credential, Failure, FailureKind, ListedModel, Upstream};
use crate::config::UpstreamKind;

/// When to come again where more requests begin at once than there is room for.
const SOON: Duration = Duration::from_secs(1);

/// Looks whether the model of a file can be computed here, as far as that shows without its weights. That this processor can't compute
/// any is the start's to tell.
///
/// # Errors
///
/// What hinders it, to be read after the file's name.
pub fn check_model_file(file: &Path) -> Result<(), String> {
    let Ok(engine) = Engine::open(file, Options::default()) else {
        return Ok(());
    };
    let checked = engine.check();
    checked.map_err(|error| error.source().map(chain).unwrap_or_default())
}

/// A model on this machine's processor.
pub(super) struct Local {
    /// Its engine, where this processor can compute a model.
    engine: Result<Arc<Engine>, UnsupportedProcessor>,
    /// Places for requests that begin: each holds a thread while the model is loaded and its messages are made tokens.
    beginning: Arc<Semaphore>,
}

impl Local {
    /// The adapter for the model of a file, which is loaded when it is first asked. Says in the log where it can't be.
    pub(super) fn new(file: PathBuf) -> Self {
        Self::with(file, Options::default())
    }

    fn with(file: PathBuf, options: Options) -> Self {
        let room = options.max_sequences.get() + options.queue_length;
        let shown = file.display().to_string();
        let engine = Engine::open(file, options).map(Arc::new);
        let problem = match &engine {
            Ok(engine) => engine.check().err().map(|error| chain(&error)),
            Err(error) => Some(chain(error)),
        };
        if let Some(problem) = problem {
            tracing::warn!(
                file = shown,
                "the local model can't answer: {problem}; requests for it fail until the file is replaced, or LOCAL_MODEL names another"
            );
        }
        Self {
            engine,
            beginning: Arc::new(Semaphore::new(room)),
        }
    }
}

#[async_trait]
impl Upstream for Local {
    fn kind(&self) -> UpstreamKind {
        UpstreamKind::Local
    }

    fn unsupported_field(&self, request: &ChatRequest, _model: &str) -> Option<&'static str> {
        support::unsupported_field(request)
    }

    async fn chat(&self, call: ChatCall<'_>) -> Result<Answer, Failure> {
        let engine = match &self.engine {
            Ok(engine) => Arc::clone(engine),
            Err(error) => return Err(Failure::new(FailureKind::Unusable, error.to_string())),
        };
        let request = request::translate(call.ready().await)?;
        let place = Arc::clone(&self.beginning).try_acquire_owned();
        let Ok(place) = place else {
            return Err(busy("too many requests begin at once", SOON));
        };
        // Loads the model at first. Where nobody waits any more, the answer is dropped as it begins.
        let begun = tokio::task::spawn_blocking(move || {
            let begun = engine.start(request);
            drop(place);
            begun
        });
        match begun.await {
            Ok(Ok(generation)) => Ok(Box::pin(LocalAnswer::new(generation))),
            Ok(Err(error)) => Err(refusal(error)),
            Err(_) => Err(Failure::new(
                FailureKind::Unavailable,
                "the local model could not begin an answer",
            )),
        }
    }

    async fn list_models(&self, _credential: &Credential) -> Result<Vec<ListedModel>, Failure> {
        // Its one name comes with the configuration.
        Ok(Vec::new())
    }
}

/// What the engine's refusal is to the attempt loop.
fn refusal(error: StartError) -> Failure {
    match error {
        StartError::QueueFull {
            waiting,
            retry_after,
        } => busy(&format!("{waiting} requests wait already"), retry_after),
        StartError::ContextOverflow {
            context_length,
            prompt_tokens,
        } => request::rejected(
            "context_length_exceeded",
            "messages",
            format!(
                "This model's maximum context length is {context_length} tokens. However, your messages resulted in \
                 {prompt_tokens} tokens. Please reduce the length of the messages."
            ),
        ),
        StartError::Template(error) => {
            request::rejected("invalid_value", "messages", sentence(&chain(&error)))
        }
        StartError::Load(error) => {
            // Without the path, which is the operator's business.
            let reason = error.source().map(chain).unwrap_or_default();
            Failure::new(
                FailureKind::Unusable,
                format!("its model can't be loaded: the file {reason}"),
            )
        }
        error => Failure::new(FailureKind::Unavailable, chain(&error)),
    }
}

fn busy(message: &str, retry_after: Duration) -> Failure {
    Failure {
        retry_after: Some(retry_after),
        ..Failure::new(FailureKind::Busy, message)
    }
}

/// An error with all that caused it.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// A message for the person who asked.
fn sentence(message: &str) -> String {
    let mut characters = message.chars();
    let first = characters.next().map(|first| first.to_uppercase());
    first
        .into_iter()
        .flatten()
        .chain(characters)
        .chain(['.'])
        .collect()
}
