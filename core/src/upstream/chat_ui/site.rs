//! One chat-ui instance: where it is, and how it is asked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, COOKIE, ORIGIN},
};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::task::TaskTracker;

use super::{
    super::{
        AddressError, Failure, FailureKind,
        bounded_body::{Incomplete, read_bounded},
        http_client::{HttpClients, ResponseBody, Target},
    },
    base_url::Paths,
    clean_up::Job,
    models::{self, SiteModel},
    refusal::{Call, Refusal, dropped_session, not_understood},
    root_message::{self, Created},
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

    /// The models that anybody, or a session, sees.
    ///
    /// # Errors
    ///
    /// Why there are none; an empty list too is one that could not be loaded.
    pub(super) async fn models(
        &self,
        session: Option<&Session>,
    ) -> Result<Vec<SiteModel>, Failure> {
        let reply = self.get(&self.paths.models(), session).await?;
        let mut listed = reply.models();
        let mut last = reply;
        if listed.is_none() {
            last = self.get(&self.paths.old_models(), session).await?;
            listed = last.models();
        }
        match listed {
            Some(models) if !models.is_empty() => Ok(models),
            Some(_) => Err(Failure::new(
                FailureKind::Unavailable,
                format!("{} lists no model", self.address()),
            )),
            None => Err(self.refused(last, Call::List, session)),
        }
    }

    /// Makes a conversation.
    ///
    /// # Errors
    ///
    /// Why it was not made.
    pub(super) async fn create(
        &self,
        session: &Session,
        model: &str,
        preprompt: Option<&str>,
    ) -> Result<Created, Failure> {
        let body = match preprompt {
            Some(preprompt) => serde_json::json!({"model": model, "preprompt": preprompt}),
            None => serde_json::json!({"model": model}),
        };
        let body = Bytes::from(body.to_string());
        let create = || self.post_json(self.paths.conversations(), session, body.clone());
        let mut reply = create().await?;
        if reply.refusal().wants_disclaimer() {
            let accept = Bytes::from_static(br#"{"ethicsModalAccepted":true}"#);
            self.post_json(self.paths.settings(), session, accept)
                .await?;
            reply = create().await?;
        }
        if session.is_dropped_by(&reply.headers, &self.cookie_name) {
            return Err(dropped_session(self.address()));
        }
        match root_message::of_creation(&reply.body) {
            Some(created) if reply.status.is_success() => Ok(created),
            _ => Err(self.refused(reply, Call::Create, Some(session))),
        }
    }

    /// Finds the root message of a conversation that was just made, where each version tells it.
    ///
    /// # Errors
    ///
    /// Where no place tells it.
    pub(super) async fn root_message(
        &self,
        session: &Session,
        id: &str,
    ) -> Result<String, Failure> {
        let places = self.paths.messages(id);
        let first = self.root_place.load(Ordering::Relaxed);
        let mut last = None;
        for place in (first..first + places.len()).map(|place| place % places.len()) {
            let reply = self.get(&places[place], Some(session)).await?;
            if let Some(root) = root_message::of_messages(&reply.body)
                && reply.status.is_success()
            {
                self.root_place.store(place, Ordering::Relaxed);
                return Ok(root);
            }
            last = Some(reply);
        }
        Err(match last {
            Some(reply) => self.refused(reply, Call::Read, Some(session)),
            None => not_understood(self.address()),
        })
    }

    /// Sends a message and returns when the answer's head is here.
    ///
    /// # Errors
    ///
    /// What became of the connection.
    pub(super) async fn send(
        &self,
        session: &Session,
        id: &str,
        content_type: String,
        body: Bytes,
    ) -> Result<http::Response<ResponseBody>, Failure> {
        let content_type =
            HeaderValue::try_from(content_type).map_err(|_| not_understood(self.address()))?;
        let path = self.paths.conversation(id);
        self.ask(Method::POST, &path, Some(session), Some(content_type), body)
            .await
    }

    /// Tells the instance to stop what a conversation generates.
    ///
    /// # Errors
    ///
    /// What became of the connection.
    pub(super) async fn stop(&self, session: &Session, id: &str) -> Result<StatusCode, Failure> {
        let path = self.paths.stop(id);
        let reply = self
            .reply(Method::POST, &path, Some(session), None, Bytes::new())
            .await?;
        Ok(reply.status)
    }

    /// Deletes a conversation.
    ///
    /// # Errors
    ///
    /// What became of the connection.
    pub(super) async fn delete(&self, session: &Session, id: &str) -> Result<StatusCode, Failure> {
        let path = self.paths.conversation(id);
        let reply = self
            .reply(Method::DELETE, &path, Some(session), None, Bytes::new())
            .await?;
        Ok(reply.status)
    }

    async fn get(&self, path: &str, session: Option<&Session>) -> Result<Reply, Failure> {
        self.reply(Method::GET, path, session, None, Bytes::new())
            .await
    }

    async fn post_json(
        &self,
        path: String,
        session: &Session,
        body: Bytes,
    ) -> Result<Reply, Failure> {
        let json = Some(HeaderValue::from_static("application/json"));
        self.reply(Method::POST, &path, Some(session), json, body)
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
        let secret = session.and_then(Session::secret);
        reply.refusal().into_failure(call, self.address(), secret)
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
            headers.insert(COOKIE, session.header().clone());
        }
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, content_type);
        }
        self.clients.call(method, &target, headers, body).await
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
