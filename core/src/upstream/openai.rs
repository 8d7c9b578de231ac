//! The adapter for servers that speak OpenAI's chat completions.
//!
//! Whatever the client asked for, the upstream is asked for a stream: a long answer is then seen to be alive, and one that breaks off
//! is known to. The wire format is the public API's; what other servers make of it is noted where it is read.

mod answer;
mod answer_failure;
mod base_url;
mod decoder;
mod error_object;
mod finish_reason;
mod json_value;
mod logprobs;
mod models;
mod refusal;
mod request;
mod retry_after;
mod sse;
mod tool_calls;
mod usage;
mod wire;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, COOKIE, USER_AGENT},
};
use llm2api_proto::v1::ChatRequest;
use secrecy::{ExposeSecret, SecretString};
use tonic::async_trait;
use url::Url;

pub(super) use self::base_url::is_address_of_api;
use self::{answer::AnswerStream, base_url::Endpoints};
use super::{
    Answer, ChatCall, Credential, Failure, FailureKind, ListedModel, Secret, Upstream,
    bounded_body::{self, read_bounded},
    cookie_header,
    http_client::{AddressError, HttpClients, Target},
};
use crate::config::{Config, UpstreamConfig, UpstreamKind};

/// Bytes that a list of models may have; the longest known is 1 MB.
const MAX_MODELS_SIZE: usize = 8 * 1024 * 1024;

/// How long a list of models may take in all.
const MODELS_TIMEOUT: Duration = Duration::from_secs(10);

/// The URL that chats are sent to, of an upstream with this address.
pub(super) fn chat_completions(address: &Url) -> Url {
    Endpoints::new(address).chat_completions
}

/// An upstream that speaks OpenAI's chat completions.
pub(super) struct OpenAi {
    clients: Arc<HttpClients>,
    chat_completions: Target,
    models: Target,
    max_body_bytes: usize,
}

impl OpenAi {
    /// The adapter for a configured upstream.
    ///
    /// # Errors
    ///
    /// [`AddressError`].
    pub(super) fn new(config: &UpstreamConfig, general: &Config) -> Result<Self, AddressError> {
        let clients = HttpClients::new(config, general)?;
        let endpoints = Endpoints::new(&config.url);
        Ok(Self {
            chat_completions: clients.target(endpoints.chat_completions)?,
            models: clients.target(endpoints.models)?,
            clients: Arc::new(clients),
            max_body_bytes: general.max_body_bytes,
        })
    }

    async fn fetch_models(&self, credential: &Credential) -> Result<Vec<ListedModel>, Failure> {
        let address = self.clients.address();
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        authorize(&mut headers, credential, address)?;
        let proxy = credential.proxy.as_ref();
        let response = self.clients.get(&self.models, proxy, headers).await?;
        credential.merge_cookies(response.headers(), self.clients.host());
        if !response.status().is_success() {
            return Err(answer_failure::of_status(response, address, credential, "").await);
        }
        let body = read_bounded(response.into_body(), MAX_MODELS_SIZE, MODELS_TIMEOUT).await;
        if let Some(bounded_body::Incomplete::Broken(error)) = body.incomplete {
            return Err(self.clients.failure(&error));
        }
        models::read(&body.bytes).ok_or_else(|| {
            Failure::new(
                FailureKind::Misconfigured,
                format!("{address} did not answer with a list of models"),
            )
        })
    }
}

#[async_trait]
impl Upstream for OpenAi {
    fn kind(&self) -> UpstreamKind {
        UpstreamKind::OpenAi
    }

    fn unsupported_field(&self, _request: &ChatRequest, _model: &str) -> Option<&'static str> {
        // Nobody but the upstream knows what it lacks, and it says so.
        None
    }

    async fn chat(&self, call: ChatCall<'_>) -> Result<Answer, Failure> {
        let address = self.clients.address();
        if call.is_waiting() {
            let proxy = call.credential.proxy.as_ref();
            Box::pin(async {
                let connecting = self.clients.connect_ahead(proxy);
                tokio::try_join!(connecting, async { Ok(call.ready().await) })
            })
            .await?;
        }
        let body = request::encode(call.ready().await, call.model)
            .map_err(|error| Failure::new(FailureKind::Rejected, error.to_string()))?;
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("text/event-stream, application/json"),
        );
        // A compressed stream is held back until a block is full.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        authorize(&mut headers, call.credential, address)?;
        if let Some(trace) = call.trace {
            trace.insert_into(&mut headers);
        }
        let response = self
            .clients
            .call(
                Method::POST,
                &self.chat_completions,
                call.credential.proxy.as_ref(),
                headers,
                Bytes::from(body),
            )
            .await?;
        call.credential
            .merge_cookies(response.headers(), self.clients.host());
        if !response.status().is_success() {
            let failure =
                answer_failure::of_status(response, address, call.credential, call.model).await;
            return Err(failure);
        }
        let (head, body) = response.into_parts();
        let choice_count = usize::try_from(call.request.n.unwrap_or(1)).unwrap_or(1);
        let answer = AnswerStream::new(
            &self.clients,
            call.credential,
            &head.headers,
            body,
            choice_count,
            self.max_body_bytes,
        )?;
        Ok(Box::pin(answer))
    }

    async fn list_models(&self, credential: &Credential) -> Result<Vec<ListedModel>, Failure> {
        tokio::time::timeout(MODELS_TIMEOUT, self.fetch_models(credential))
            .await
            .unwrap_or_else(|_| {
                let address = self.clients.address();
                Err(Failure::new(
                    FailureKind::Unavailable,
                    format!(
                        "{address} did not list its models within {} s",
                        MODELS_TIMEOUT.as_secs()
                    ),
                ))
            })
    }
}

/// Puts what lets us in into a request's head, and the browser that it belongs to.
fn authorize(
    headers: &mut HeaderMap,
    credential: &Credential,
    address: &str,
) -> Result<(), Failure> {
    if let Some(user_agent) = &credential.user_agent {
        headers.insert(USER_AGENT, user_agent.clone());
    }
    let (name, value) = match &credential.secret {
        Secret::Anonymous => return Ok(()),
        Secret::ApiKey(key) => (AUTHORIZATION, bearer(key)),
        Secret::Cookie(cookie) => {
            let text = cookie.text();
            match cookie_header::pairs(text.expose_secret()) {
                Some(_) => (COOKIE, text.expose_secret().to_owned()),
                // Whoever gave a bare value as a cookie didn't know what it is for.
                None => (AUTHORIZATION, bearer(&text)),
            }
        }
    };
    let mut value = HeaderValue::try_from(value).map_err(|_| {
        Failure::new(
            FailureKind::Unauthorized,
            format!("the key for {address} has characters that no HTTP header can have"),
        )
    })?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

fn bearer(key: &SecretString) -> String {
    format!("Bearer {}", key.expose_secret())
}

#[cfg(test)]
pub(super) mod tests;
