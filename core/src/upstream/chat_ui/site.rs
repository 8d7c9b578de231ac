//! One chat-ui instance: where it is, and how anything is asked of it. What can be asked is in [`calls`].

mod calls;

use std::{
    sync::{Arc, OnceLock, atomic::AtomicUsize},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, ORIGIN},
};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::task::TaskTracker;

use super::{
    super::{
        AddressError, Failure, FailureKind, Journal,
        bounded_body::{Incomplete, read_bounded},
        http_client::{HttpClients, ResponseBody, Target},
    },
    base_url::Paths,
    clean_up::Job,
    models::{self, SiteModel},
    refusal::{Call, Refusal, not_understood},
    session::Session,
};
use crate::config::{Config, UpstreamConfig};

/// Bytes that the answer to a small question may have; a list of models of 1 MB has been seen.
const MAX_REPLY_SIZE: usize = 8 * 1024 * 1024;

/// How long a small question may take in all.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// Jobs that wait to be begun. Each is a conversation whose answer is over, of some hundred bytes; they are begun at once.
const QUEUE_SIZE: usize = 4096;

/// One chat-ui instance.
#[derive(Debug)]
pub(super) struct Site {
    clients: HttpClients,
    home: Target,
    paths: Paths,
    /// In each request.
    headers: HeaderMap,
    cookie_name: String,
    /// Which of [`Paths::messages`] told a root message last: versions don't change while they run.
    root_place: AtomicUsize,
    /// Has a token of each conversation that is to be deleted.
    pub(super) conversations: TaskTracker,
    pub(super) jobs: mpsc::Sender<Job>,
    /// Where conversations are kept that are to be deleted. Empty: nowhere.
    pub(super) journal: OnceLock<Journal>,
}

/// The whole answer to a small question.
pub(super) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Site {
    /// The instance of a configured upstream, and what it leaves to be cleaned up.
    ///
    /// # Errors
    ///
    /// [`AddressError`].
    pub(super) fn new(
        config: &UpstreamConfig,
        general: &Config,
    ) -> Result<(Self, mpsc::Receiver<Job>), AddressError> {
        let clients = HttpClients::new(config, general)?;
        let chat_ui = &config.chat_ui;
        let mut headers = chat_ui.headers.clone();
        // With `text/html`, or without any, errors come as pages.
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        // Forms without it are refused.
        let origin = chat_ui.origin.as_ref().unwrap_or(&config.url).origin();
        let origin = HeaderValue::try_from(origin.ascii_serialization());
        headers.insert(ORIGIN, origin.map_err(|_| AddressError::Url)?);
        let (jobs, queue) = mpsc::channel(QUEUE_SIZE);
        let site = Self {
            home: clients.target(config.url.clone())?,
            clients,
            paths: Paths::new(&config.url),
            headers,
            cookie_name: chat_ui.cookie_name.clone(),
            root_place: AtomicUsize::new(0),
            conversations: TaskTracker::new(),
            jobs,
            journal: OnceLock::new(),
        };
        Ok((site, queue))
    }

    /// How failures name the instance: `host:port`.
    pub(super) fn address(&self) -> &Arc<str> {
        self.clients.address()
    }

    /// The HTTP clients.
    pub(super) fn clients(&self) -> &HttpClients {
        &self.clients
    }

    /// The name of the instance's session cookie.
    pub(super) fn cookie_name(&self) -> &str {
        &self.cookie_name
    }

    async fn get(&self, path: &str, session: Option<&Session>) -> Result<Reply, Failure> {
        self.reply(Method::GET, path, session, None, Bytes::new())
            .await
    }

    /// Asks a small question, whose answer is read whole.
    async fn reply(
        &self,
        method: Method,
        path: &str,
        session: Option<&Session>,
        content_type: Option<HeaderValue>,
        body: Bytes,
    ) -> Result<Reply, Failure> {
        let asked = async {
            let response = self.ask(method, path, session, content_type, body).await?;
            self.whole(response).await
        };
        timeout(REPLY_TIMEOUT, asked).await.unwrap_or_else(|_| {
            Err(Failure::new(
                FailureKind::Unavailable,
                format!(
                    "{} did not answer within {} s",
                    self.address(),
                    REPLY_TIMEOUT.as_secs()
                ),
            ))
        })
    }

    /// Reads an answer to its end.
    ///
    /// # Errors
    ///
    /// Where it breaks off.
    pub(super) async fn whole(
        &self,
        response: http::Response<ResponseBody>,
    ) -> Result<Reply, Failure> {
        let (head, body) = response.into_parts();
        let body = read_bounded(body, MAX_REPLY_SIZE, REPLY_TIMEOUT).await;
        match body.incomplete {
            Some(Incomplete::Broken(error)) => Err(self.clients.failure(&error)),
            Some(Incomplete::TooLarge | Incomplete::TimedOut) | None => Ok(Reply {
                status: head.status,
                headers: head.headers,
                body: body.bytes,
            }),
        }
    }

    /// The failure that an answer is.
    pub(super) fn refused(&self, reply: Reply, call: Call, session: Option<&Session>) -> Failure {
        if reply.status.is_success() {
            return not_understood(self.address());
        }
        let hidden = session.map(Session::texts_to_hide).unwrap_or_default();
        reply.refusal().into_failure(call, self.address(), &hidden)
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        session: Option<&Session>,
        content_type: Option<HeaderValue>,
        body: Bytes,
    ) -> Result<http::Response<ResponseBody>, Failure> {
        let target = self
            .home
            .at(path)
            .map_err(|_| not_understood(self.address()))?;
        let mut headers = self.headers.clone();
        if let Some(session) = session {
            session.authorize(&mut headers);
        }
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, content_type);
        }
        let proxy = session.and_then(Session::proxy);
        self.clients
            .call(method, &target, proxy, headers, body)
            .await
    }
}

impl Reply {
    fn models(&self) -> Option<Vec<SiteModel>> {
        self.status
            .is_success()
            .then(|| models::read(&self.body))
            .flatten()
    }

    /// What it says of why it is none.
    fn refusal(&self) -> Refusal {
        Refusal::new(self.status, &self.headers, &self.body)
    }

    /// Its text.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }
}
