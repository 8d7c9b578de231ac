//! The seam between the core and the services that answer: one trait, one folder an adapter.
//!
//! An adapter knows its protocol and nothing else: no pool, no retry, no other upstream. It turns a request of the contract into
//! its service's own, and what comes back into the contract's events; and it says of a failure what it was, so that
//! the attempt loop can decide what follows.

pub(crate) mod bounded_body;
mod challenge;
mod chat_ui;
mod cookie_header;
mod cookie_secret;
pub(crate) mod credential;
mod detecting;
pub(crate) mod failure;
pub(crate) mod http_client;
mod journal;
pub(crate) mod json_repair;
#[cfg(feature = "local")]
mod local;
pub(crate) mod media_type;
mod openai;
mod pasted;
mod preview;
mod scrub;
mod set_cookie;

use std::pin::Pin;

use futures_util::Stream;
use http::{HeaderMap, HeaderName};
use llm2api_proto::{
    TraceContext, TraceState,
    metadata::TRACEPARENT,
    v1::{ChatEvent, ChatRequest},
};
use tokio::sync::SetOnce;
use tokio_util::sync::CancellationToken;
use tonic::async_trait;

pub(crate) use credential::{ANONYMOUS, Credential, Secret};
pub(crate) use failure::{Clock, Failure, FailureKind, LimitedBy};
pub use http_client::AddressError;
pub(crate) use journal::Journal;
#[cfg(feature = "local")]
pub use local::check_model_file;
pub(crate) use pasted::normalised;
pub(crate) use preview::preview;

use crate::{
    config::{Config, UpstreamConfig, UpstreamKind, without_userinfo},
    store::StoredConversation,
};

/// A service that answers chats.
#[async_trait]
pub(crate) trait Upstream: Send + Sync + 'static {
    /// Which protocol it speaks, as far as is known.
    fn kind(&self) -> UpstreamKind;

    /// The first field of the request that this upstream can't honour with a model of its own, and whose loss would change the
    /// answer's meaning.
    fn unsupported_field(&self, request: &ChatRequest, model: &str) -> Option<&'static str>;

    /// Sends a chat and returns when the answer's head is here.
    ///
    /// Dropping the future or the answer closes the upstream's connection.
    ///
    /// # Errors
    ///
    /// A [`Failure`] for whatever the upstream or the way to it did wrong; never for a fault of our own.
    async fn chat(&self, call: ChatCall<'_>) -> Result<Answer, Failure>;

    /// Lists the models that a credential may use.
    ///
    /// # Errors
    ///
    /// A [`Failure`], as with [`Self::chat`].
    async fn list_models(&self, credential: &Credential) -> Result<Vec<ListedModel>, Failure>;

    /// Asks what a credential is worth, where the adapter has a cheap question for that. `None`: it has none.
    ///
    /// # Errors
    ///
    /// `Unauthorized` where the credential isn't let in; else why that can't be told.
    async fn check(&self, _credential: &Credential) -> Option<Result<(), Failure>> {
        None
    }

    /// Has what the adapter begins at its upstream, and must undo there, kept in a journal; `left` was left by an earlier process.
    /// Called once at most, before anything is asked.
    fn keep_in(&self, _journal: Journal, _left: Vec<StoredConversation>) {}

    /// Does what the adapter leaves to the background, until `ending` is cancelled and what was begun is done. The core runs it once.
    async fn run(&self, _ending: CancellationToken) {}
}

/// One attempt's send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChatCall<'a> {
    /// What the client asked; its `model` is not the one to send. To be sent is what [`ready`](Self::ready) gives.
    pub(crate) request: &'a ChatRequest,
    /// Where something is still to be found for it: told once whether another request is to be sent in its place, which differs in the
    /// text of the last message only.
    pub(crate) replacement: Option<&'a SetOnce<Option<ChatRequest>>>,
    /// The model's name at the upstream.
    pub(crate) model: &'a str,
    /// What lets us in.
    pub(crate) credential: &'a Credential,
    /// The trace that the send is part of, where the upstream is to know.
    pub(crate) trace: Option<SentTrace<'a>>,
}

/// A trace as an upstream is told of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SentTrace<'a> {
    /// The span of the request to the upstream.
    pub(crate) context: TraceContext,
    /// What others add to it.
    pub(crate) state: &'a TraceState,
}

impl SentTrace<'_> {
    /// Tells it in a request's head.
    pub(crate) fn insert_into(self, headers: &mut HeaderMap) {
        headers.insert(
            HeaderName::from_static(TRACEPARENT),
            self.context.to_header(),
        );
        self.state.insert_into(headers);
    }
}

impl<'a> ChatCall<'a> {
    /// The request to be sent, once it is known: what can be done before it, such as connecting, is to be done.
    pub(crate) async fn ready(&self) -> &'a ChatRequest {
        match self.replacement {
            Some(replacement) => replacement.wait().await.as_ref().unwrap_or(self.request),
            None => self.request,
        }
    }

    /// Whether the request to be sent is not known yet.
    pub(crate) fn is_waiting(&self) -> bool {
        self.replacement
            .is_some_and(|replacement| !replacement.initialized())
    }
}

/// The answer of an upstream, as it arrives.
///
/// Ends (`None`) only where the upstream said that the answer is complete, by its end marker or a finish reason for each choice;
/// all else is an `Err`, after which nothing follows. The events of one answer keep the contract's order:
///
/// - [`ChatStart`](llm2api_proto::v1::ChatStart) first, with what the upstream said of itself: `id` (empty: none), `create_time`,
///   `upstream_model` (empty: not said), `service_tier`, `system_fingerprint`. The rest is the attempt loop's to fill in.
/// - deltas with tool calls normalised (openai-contract §4.3), reasoning apart from content,
/// - a finish for each choice, once,
/// - [`Usage`](llm2api_proto::v1::Usage) at most once, last, where the upstream reported it.
pub(crate) type Answer = Pin<Box<dyn Stream<Item = Result<Batch, Failure>> + Send>>;

/// What one read of an upstream brought.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The events that are complete now, in order. Empty where there were only comments, or part of an event: a sign of life.
    pub(crate) events: Vec<ChatEvent>,
    /// Bytes of the events and comments that are complete now.
    pub(crate) size_bytes: usize,
    /// Whether the model has begun to answer, though the adapter may keep its text back.
    pub(crate) has_begun: bool,
}

/// A model as an upstream lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedModel {
    /// Its id.
    pub(crate) id: String,
    /// When it was made, Unix seconds, where the upstream says.
    pub(crate) created: Option<i64>,
}

/// The URL that a chat is sent to at an upstream that speaks OpenAI's API, as it may be shown: without a login, and without a query,
/// which may be one.
pub(crate) fn shown_chat_url(config: &UpstreamConfig) -> String {
    let mut url = openai::chat_completions(&config.url);
    url.set_query(None);
    without_userinfo(&url)
}

/// Makes the adapter of a configured upstream.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn connect(
    config: &UpstreamConfig,
    general: &Config,
) -> Result<Box<dyn Upstream>, AddressError> {
    match config.kind {
        UpstreamKind::Auto if !openai::is_address_of_api(&config.url) => {
            Ok(Box::new(detecting::Detecting::new(config, general)?))
        }
        UpstreamKind::Auto | UpstreamKind::OpenAi => {
            Ok(Box::new(openai::OpenAi::new(config, general)?))
        }
        UpstreamKind::ChatUi => Ok(Box::new(chat_ui::ChatUi::new(config, general)?)),
        #[cfg(feature = "local")]
        UpstreamKind::Local => {
            let file = config.file().ok_or(AddressError::File)?;
            Ok(Box::new(local::Local::new(file)))
        }
        #[cfg(not(feature = "local"))]
        UpstreamKind::Local => Err(AddressError::WithoutLocal),
    }
}
