//! The adapter for servers that speak OpenAI's chat completions.

use llm2api_proto::v1::ChatRequest;
use tonic::async_trait;

use super::{
    Answer, ChatCall, Credential, Failure, FailureKind, ListedModel, Upstream,
    http_client::AddressError,
};
use crate::config::{Config, UpstreamConfig};

pub(super) struct OpenAi;

impl OpenAi {
    pub(super) fn new(_config: &UpstreamConfig, _general: &Config) -> Result<Self, AddressError> {
        Ok(Self)
    }
}

#[async_trait]
impl Upstream for OpenAi {
    fn unsupported_field(&self, _request: &ChatRequest) -> Option<&'static str> {
        None
    }

    async fn chat(&self, _call: ChatCall<'_>) -> Result<Answer, Failure> {
        Err(Failure::new(FailureKind::Unavailable, "not built yet"))
    }

    async fn list_models(&self, _credential: &Credential) -> Result<Vec<ListedModel>, Failure> {
        Err(Failure::new(FailureKind::Unavailable, "not built yet"))
    }
}
