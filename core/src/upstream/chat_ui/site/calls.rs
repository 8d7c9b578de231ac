//! The calls to a chat-ui.

use std::{sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use tokio::time::timeout;

use super::{
    super::{
        super::{Failure, FailureKind, http_client::ResponseBody},
        models::SiteModel,
        probe::{self, Finding, NO_CONVERSATION},
        refusal::{Call, dropped_session, not_understood},
        root_message::{self, Created},
        session::Session,
    },
    Reply, Site,
};

/// How long an instance may take for the cheapest question.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

impl Site {
    /// The models that anybody, or a session, sees.
    ///
    /// # Errors
    ///
    /// Why there are none; an empty list too is one that could not be loaded.
    pub(in super::super) async fn models(
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
    pub(in super::super) async fn create(
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
    pub(in super::super) async fn root_message(
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
    pub(in super::super) async fn send(
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
    pub(in super::super) async fn stop(
        &self,
        session: &Session,
        id: &str,
    ) -> Result<StatusCode, Failure> {
        let path = self.paths.stop(id);
        let reply = self
            .reply(Method::POST, &path, Some(session), None, Bytes::new())
            .await?;
        Ok(reply.status)
    }

    /// Asks the cheapest question, which tells whether this is a chat-ui and what the session is worth.
    ///
    /// # Errors
    ///
    /// What became of the connection.
    pub(in super::super) async fn probe(&self, session: &Session) -> Result<Finding, Failure> {
        let path = self.paths.stop(NO_CONVERSATION);
        let asked = async {
            let question = self.ask(Method::POST, &path, Some(session), None, Bytes::new());
            let (head, body) = question.await?.into_parts();
            // Others may answer anything, at any length: only refusals are read.
            let body = match head.status.is_client_error() {
                true => body,
                false => ResponseBody::default(),
            };
            self.whole(http::Response::from_parts(head, body)).await
        };
        let Ok(asked) = timeout(PROBE_TIMEOUT, asked).await else {
            return Ok(Finding::Nothing);
        };
        let Reply {
            status,
            headers,
            body,
        } = asked?;
        let finding = probe::finding(status, &headers, &body, &self.cookie_name);
        if finding == Finding::Accepted && session.is_dropped_by(&headers, &self.cookie_name) {
            return Ok(Finding::Refused);
        }
        Ok(finding)
    }

    /// Deletes a conversation.
    ///
    /// # Errors
    ///
    /// What became of the connection.
    pub(in super::super) async fn delete(
        &self,
        session: &Session,
        id: &str,
    ) -> Result<StatusCode, Failure> {
        let path = self.paths.conversation(id);
        let reply = self
            .reply(Method::DELETE, &path, Some(session), None, Bytes::new())
            .await?;
        Ok(reply.status)
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
}
