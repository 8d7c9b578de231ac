//! An upstream whose kind the operator left open: one question tells what it is.
//!
//! It is asked when somebody first wants something of it, and again until it answers: an upstream may start after us.

use std::sync::OnceLock;

use llm2api_proto::v1::ChatRequest;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tonic::async_trait;

use super::{
    AddressError, Answer, ChatCall, Clock, Credential, Failure, FailureKind, Journal, ListedModel,
    Upstream, chat_ui::ChatUi, openai::OpenAi,
};
use crate::{
    config::{Config, UpstreamConfig, UpstreamKind},
    store::StoredConversation,
};

/// An upstream that is what it shows to be.
pub(super) struct Detecting {
    open_ai: OpenAi,
    chat_ui: ChatUi,
    /// Which of the two it is, once it has answered.
    is_chat_ui: OnceLock<bool>,
    /// Held while it is asked, so that many who come at once ask once.
    asking: Mutex<()>,
}

impl Detecting {
    /// The adapter for a configured upstream.
    ///
    /// # Errors
    ///
    /// [`AddressError`].
    pub(super) fn new(config: &UpstreamConfig, general: &Config) -> Result<Self, AddressError> {
        Ok(Self {
            open_ai: OpenAi::new(config, general)?,
            chat_ui: ChatUi::new(config, general)?,
            is_chat_ui: OnceLock::new(),
            asking: Mutex::default(),
        })
    }

    /// What it is, where that is known.
    fn known(&self) -> Option<&dyn Upstream> {
        self.is_chat_ui.get().map(|&is_chat_ui| -> &dyn Upstream {
            match is_chat_ui {
                true => &self.chat_ui,
                false => &self.open_ai,
            }
        })
    }

    /// What it is; asks it where nobody has.
    async fn found(&self, credential: &Credential) -> Result<&dyn Upstream, Failure> {
        if let Some(known) = self.known() {
            return Ok(known);
        }
        let _asking = self.asking.lock().await;
        if let Some(known) = self.known() {
            return Ok(known);
        }
        match self.chat_ui.is_one(credential).await {
            Ok(Some(is_chat_ui)) => {
                // Nobody else sets it while this is held.
                let _ = self.is_chat_ui.set(is_chat_ui);
            }
            // It isn't there: another connection would take as long to show that.
            Err(failure) if failure.kind == FailureKind::Clock(Clock::Connect) => {
                return Err(failure);
            }
            // What fails at the question may answer at its usual address; the next one asks again.
            Ok(None) | Err(_) => {}
        }
        Ok(self.known().unwrap_or(&self.open_ai))
    }
}

#[async_trait]
impl Upstream for Detecting {
    fn kind(&self) -> UpstreamKind {
        self.known().map_or(UpstreamKind::Auto, Upstream::kind)
    }

    fn unsupported_field(&self, request: &ChatRequest, model: &str) -> Option<&'static str> {
        self.known()?.unsupported_field(request, model)
    }

    async fn chat(&self, call: ChatCall<'_>) -> Result<Answer, Failure> {
        self.found(call.credential).await?.chat(call).await
    }

    async fn list_models(&self, credential: &Credential) -> Result<Vec<ListedModel>, Failure> {
        self.found(credential).await?.list_models(credential).await
    }

    async fn check(&self, credential: &Credential) -> Option<Result<(), Failure>> {
        match self.found(credential).await {
            Ok(found) => found.check(credential).await,
            Err(failure) => Some(Err(failure)),
        }
    }

    fn keep_in(&self, journal: Journal, left: Vec<StoredConversation>) {
        self.chat_ui.keep_in(journal, left);
    }

    async fn run(&self, ending: CancellationToken) {
        self.chat_ui.run(ending).await;
    }
}
