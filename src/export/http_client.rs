//! The HTTP client by which spans are exported: reqwest, as everywhere here, in place of the one that the exporter would bring along.

use std::{fmt, time::Duration};

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::{Client, redirect};

/// Time for a connection to the collector.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer: it says which spans were refused, and no more.
const MAX_ANSWER: usize = 1 << 20;

/// The client.
pub(super) struct ExportClient(Client);

#[derive(Debug, thiserror::Error)]
#[error("the answer is too large")]
struct AnswerTooLarge;

impl ExportClient {
    /// Makes the client. It follows no redirects: the headers are for the collector alone.
    pub(super) fn new() -> reqwest::Result<Self> {
        Client::builder()
            .user_agent(concat!("llm2api/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::none())
            .referer(false)
            // The exporter tries again.
            .retry(reqwest::retry::never())
            .no_proxy()
            .build()
            .map(Self)
    }
}

impl fmt::Debug for ExportClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ExportClient")
    }
}

#[tonic::async_trait]
impl HttpClient for ExportClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let mut answer = self.0.execute(request).await?;
        let mut response = Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            headers.clone_from(answer.headers());
        }
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await? {
            if body.len() + part.len() > MAX_ANSWER {
                return Err(AnswerTooLarge.into());
            }
            body.extend_from_slice(&part);
        }
        Ok(response.body(body.into())?)
    }
}
