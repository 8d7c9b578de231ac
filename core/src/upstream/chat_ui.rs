//! The adapter for chat-ui, the web app behind HuggingChat, by the calls that its own pages make with a session cookie.
//!
//! There is no public API: the protocol is that of its source, of versions from 2024-05 (v0.9.0) on. What differs between them is
//! taken as it comes, without asking for the version: the list of models and the root message are looked for where each version has
//! them, and unknown lines and members are passed over.
//!
//! One chat is one conversation, whose single message holds the whole history. However the chat ends, the conversation is stopped
//! and deleted behind it.

mod answer;
mod attachment;
mod base_url;
mod clean_up;
mod conversation;
mod decoder;
mod final_answer;
mod line;
mod line_reader;
mod models;
mod multipart;
mod probe;
mod prompt;
mod random;
mod refusal;
mod root_message;
mod run_error;
mod session;
mod site;
mod stop_text;
mod thinking;
mod token_limit;
mod unsupported;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use http::{HeaderMap, header::CONTENT_TYPE, response};
use llm2api_proto::v1::ChatRequest;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::async_trait;

use self::{
    answer::AnswerStream, clean_up::Job, conversation::Conversation, decoder::Decoder, line::Line,
    probe::Finding, prompt::Prompt, refusal::Call, session::Session, site::Site,
    token_limit::TokenLimit,
};
use super::{
    AddressError, Answer, ChatCall, Credential, Failure, FailureKind, Journal, ListedModel, Secret,
    Upstream, failure::UpstreamError,
};
use crate::{
    config::{Config, UpstreamConfig, UpstreamKind},
    pool::InvalidReason,
    store::StoredConversation,
};

/// An upstream that is a chat-ui.
pub(super) struct ChatUi {
    site: Arc<Site>,
    /// What answers leave to be cleaned up; taken by whoever runs the clean-up.
    left: Mutex<Option<Left>>,
    /// Of each listed model, whether it takes images.
    takes_images: ArcSwap<HashMap<String, bool>>,
    max_body_bytes: usize,
}

/// What is to be cleaned up.
struct Left {
    /// By an earlier process.
    earlier: Vec<StoredConversation>,
    /// By answers of this one.
    queue: mpsc::Receiver<Job>,
}

impl ChatUi {
    /// The adapter for a configured upstream.
    ///
    /// # Errors
    ///
    /// [`AddressError`].
    pub(super) fn new(config: &UpstreamConfig, general: &Config) -> Result<Self, AddressError> {
        let (site, queue) = Site::new(config, general)?;
        let left = Left {
            earlier: Vec::new(),
            queue,
        };
        Ok(Self {
            site: Arc::new(site),
            left: Mutex::new(Some(left)),
            takes_images: ArcSwap::default(),
            max_body_bytes: general.max_body_bytes,
        })
    }

    /// Whether what is at the address is a chat-ui at all. `None`: it doesn't tell now.
    ///
    /// # Errors
    ///
    /// What became of the connection.
    pub(super) async fn is_one(&self, credential: &Credential) -> Result<Option<bool>, Failure> {
        let session = self.session(credential)?;
        Ok(match self.site.probe(&session).await? {
            Finding::Accepted | Finding::Refused => Some(true),
            Finding::Barred | Finding::Other => Some(false),
            Finding::Challenged | Finding::Nothing => None,
        })
    }

    /// Asks whether a session is let in; one that is lives two more weeks.
    async fn check_session(&self, credential: &Credential) -> Result<(), Failure> {
        let session = self.session(credential)?;
        let address = self.site.address();
        let (kind, reason, what) = match self.site.probe(&session).await? {
            Finding::Accepted => return Ok(()),
            Finding::Refused => (
                FailureKind::Unauthorized,
                InvalidReason::Expired,
                "does not accept the session",
            ),
            Finding::Barred => (
                FailureKind::Unauthorized,
                InvalidReason::Blocked,
                "does not accept the session",
            ),
            Finding::Challenged => (
                FailureKind::Unauthorized,
                InvalidReason::Challenge,
                "wants to see that a person uses the session",
            ),
            Finding::Other => (
                FailureKind::Misconfigured,
                InvalidReason::Unknown,
                "has no chat-ui at this path",
            ),
            Finding::Nothing => (
                FailureKind::Unavailable,
                InvalidReason::Unknown,
                "does not tell what the session is worth",
            ),
        };
        Err(Failure {
            invalid_reason: reason,
            ..Failure::new(kind, format!("{address} {what}"))
        })
    }

    fn session(&self, credential: &Credential) -> Result<Session, Failure> {
        Session::new(credential, self.site.cookie_name()).map_err(|_| {
            Failure::new(
                FailureKind::Unauthorized,
                format!(
                    "the cookie for {} has characters that no HTTP header can have",
                    self.site.address()
                ),
            )
        })
    }

    fn left(&self) -> MutexGuard<'_, Option<Left>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a model takes images. `None`: not known.
    fn takes_images(&self, model: &str) -> Option<bool> {
        self.takes_images.load().get(model).copied()
    }

    /// Makes sure that images are sent to no model that would not see them: they would be dropped in silence.
    async fn check_images(&self, call: &ChatCall<'_>) -> Result<(), Failure> {
        if !unsupported::has_images(call.request) {
            return Ok(());
        }
        if self.takes_images(call.model).is_none() {
            // Where the operator gave the models, nobody has asked for them yet. Without an answer they are sent.
            let _ = self.list_models(call.credential).await;
        }
        match self.takes_images(call.model) {
            Some(false) => Err(Failure {
                status: Some(400),
                upstream_error: Some(UpstreamError {
                    message: format!("The model `{}` does not take images.", call.model),
                    error_type: Some("invalid_request_error".to_owned()),
                    param: Some("image_url".to_owned()),
                    code: Some("unsupported_parameter".to_owned()),
                }),
                ..Failure::new(FailureKind::Rejected, "the model does not take images")
            }),
            Some(true) | None => Ok(()),
        }
    }

    /// Checks the head that a message was answered with.
    async fn check_head(
        &self,
        head: response::Parts,
        conversation: &mut Conversation,
        session: &Session,
    ) -> Result<(), Failure> {
        if session.is_dropped_by(&head.headers, self.site.cookie_name()) {
            return Err(refusal::dropped_session(self.site.address()));
        }
        let is_success = head.status.is_success();
        if is_success && is_line_stream(&head.headers) {
            return Ok(());
        }
        let response = http::Response::from_parts(head, conversation.take_body());
        let reply = self.site.whole(response).await?;
        if is_success && line::parse(reply.body()) == Some(Line::Redirect) {
            return Err(Failure::unauthorized(
                InvalidReason::Expired,
                format!("{} wants a new login", self.site.address()),
            ));
        }
        Err(self.site.refused(reply, Call::Send, Some(session)))
    }
}

#[async_trait]
impl Upstream for ChatUi {
    fn kind(&self) -> UpstreamKind {
        UpstreamKind::ChatUi
    }

    fn unsupported_field(&self, request: &ChatRequest, model: &str) -> Option<&'static str> {
        unsupported::field(request, self.takes_images(model))
    }

    async fn chat(&self, call: ChatCall<'_>) -> Result<Answer, Failure> {
        let session = Arc::new(self.session(call.credential)?);
        self.check_images(&call).await?;
        if TokenLimit::of(call.request).is_some() {
            TokenLimit::prepare().await;
        }
        let is_waiting = call.is_waiting();
        let mut prompt = Prompt::new(if is_waiting {
            call.request
        } else {
            call.ready().await
        });
        let preprompt = prompt.preprompt.take();
        let (mut conversation, root) =
            Conversation::create(&self.site, &session, call.model, preprompt).await?;
        let root = match root {
            Some(root) => root,
            None => conversation.root_message().await?,
        };
        if is_waiting {
            prompt = Prompt::new(call.ready().await);
        }
        let Prompt {
            inputs,
            attachments,
            ..
        } = prompt;
        let form = multipart::form(&message(&inputs, &root), &attachments);
        let head = conversation.send(form).await?;
        self.check_head(head, &mut conversation, &session).await?;
        let decoder = Decoder::new(call.request, self.max_body_bytes);
        Ok(Box::pin(AnswerStream::new(
            &self.site,
            session,
            conversation,
            decoder,
            self.max_body_bytes,
        )))
    }

    async fn list_models(&self, credential: &Credential) -> Result<Vec<ListedModel>, Failure> {
        let session = match &credential.secret {
            Secret::Anonymous => None,
            Secret::ApiKey(_) | Secret::Cookie(_) => Some(self.session(credential)?),
        };
        let models = self.site.models(session.as_ref()).await?;
        let takes_images = models
            .iter()
            .map(|model| (model.id.clone(), model.takes_images));
        self.takes_images.store(Arc::new(takes_images.collect()));
        Ok(models
            .into_iter()
            .map(|model| ListedModel {
                id: model.id,
                created: None,
            })
            .collect())
    }

    async fn check(&self, credential: &Credential) -> Option<Result<(), Failure>> {
        Some(self.check_session(credential).await)
    }

    fn keep_in(&self, journal: Journal, left: Vec<StoredConversation>) {
        // Nobody sets it twice.
        let _ = self.site.journal.set(journal);
        if let Some(known) = &mut *self.left() {
            known.earlier.extend(left);
        }
    }

    async fn run(&self, ending: CancellationToken) {
        let left = self.left().take();
        if let Some(Left { earlier, queue }) = left {
            self.site.clean_up(earlier, queue, ending).await;
        }
    }
}

/// The data of a message under a parent, with what each version wants for a plain chat.
fn message(inputs: &str, parent: &str) -> String {
    let mut message = serde_json::json!({
        "id": parent,
        "is_retry": false,
        "is_continue": false,
        "web_search": false,
        "tools": [],
        "selectedMcpServerNames": [],
        "generationId": random::uuid(),
    });
    // An empty text is refused where none is taken.
    if !inputs.is_empty() {
        message["inputs"] = inputs.into();
    }
    message.to_string()
}

/// Whether a head announces lines; before 2025-03-05 they are called an event stream.
fn is_line_stream(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    ["application/jsonl", "text/event-stream"]
        .iter()
        .any(|known| essence.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests;
