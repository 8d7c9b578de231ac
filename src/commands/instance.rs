//! The running instance, as commands call it: by gRPC, with the key for administration.

use std::{io, time::Duration};

use anyhow::Context;
use llm2api_proto::{
    ContractError,
    v1::{
        authorization_service_client::AuthorizationServiceClient,
        chat_service_client::ChatServiceClient, cookie_service_client::CookieServiceClient,
        key_service_client::KeyServiceClient, model_service_client::ModelServiceClient,
        search_service_client::SearchServiceClient, upstream_service_client::UpstreamServiceClient,
    },
};
use secrecy::{ExposeSecret, SecretString};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

use crate::{
    admin_key,
    config::{AdminKey, Configuration},
};

/// For how long the instance may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The way to the instance's services. Cheap to clone.
#[derive(Clone)]
pub(super) struct Instance {
    channel: Channel,
    bearer: Bearer,
}

/// What calls go through.
pub(super) type Connection = InterceptedService<Channel, Bearer>;

impl Instance {
    /// Connects to the instance at `LLM2API_URL`.
    pub(super) async fn connect(configuration: &Configuration) -> anyhow::Result<Self> {
        let bearer = Bearer::new(key(configuration)?.as_ref())?;
        let url = &configuration.settings.llm2api_url.0;
        let channel = Endpoint::from_shared(url.to_string())?
            .connect_timeout(CONNECT_TIMEOUT)
            .connect()
            .await
            .with_context(|| format!("no instance of llm2api answers at {url} (LLM2API_URL)"))?;
        Ok(Self { channel, bearer })
    }

    pub(super) fn chat(&self) -> ChatServiceClient<Connection> {
        ChatServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
            .max_decoding_message_size(usize::MAX)
    }

    pub(super) fn models(&self) -> ModelServiceClient<Connection> {
        ModelServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
            .max_decoding_message_size(usize::MAX)
    }

    pub(super) fn search(&self) -> SearchServiceClient<Connection> {
        SearchServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
            .max_decoding_message_size(usize::MAX)
    }

    pub(super) fn cookies(&self) -> CookieServiceClient<Connection> {
        CookieServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
            .max_decoding_message_size(usize::MAX)
    }

    pub(super) fn keys(&self) -> KeyServiceClient<Connection> {
        KeyServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
            .max_decoding_message_size(usize::MAX)
    }

    pub(super) fn authorization(&self) -> AuthorizationServiceClient<Connection> {
        AuthorizationServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
            .max_decoding_message_size(usize::MAX)
    }

    pub(super) fn upstreams(&self) -> UpstreamServiceClient<Connection> {
        UpstreamServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
            .max_decoding_message_size(usize::MAX)
    }
}

/// The key for administration, which opens chats too; none where nothing tells it, as an instance may let in whoever is near.
pub(super) fn key(configuration: &Configuration) -> anyhow::Result<Option<SecretString>> {
    match configuration.admin_key() {
        AdminKey::Given(key) | AdminKey::FirstClientKey(key) => Ok(Some(key)),
        AdminKey::InDataDir => {
            let data_dir = &configuration.settings.data_dir;
            let exists = admin_key::path(data_dir).exists();
            exists.then(|| admin_key::read(data_dir)).transpose()
        }
    }
}

/// What a status says to a person, with our reason for it.
pub(super) fn explain(status: Status) -> anyhow::Error {
    match ContractError::from_status(&status) {
        Some(error) => anyhow::Error::msg(describe(&error)),
        None => status.into(),
    }
}

/// An error's message and its reason.
pub(super) fn describe(error: &ContractError) -> String {
    format!("{} ({})", error.message, code(error))
}

/// An error's reason as the HTTP side writes it.
pub(super) fn code(error: &ContractError) -> String {
    error.reason.as_info_reason().to_ascii_lowercase()
}

/// Whether a reader went away, who has seen enough then.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Sends the key, if any, with each call.
#[derive(Clone)]
pub(super) struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    fn new(key: Option<&SecretString>) -> anyhow::Result<Self> {
        let Some(key) = key else {
            return Ok(Self(None));
        };
        let mut value: MetadataValue<Ascii> = format!("Bearer {}", key.expose_secret())
            .parse()
            .context("the key can't be sent in a header")?;
        value.set_sensitive(true);
        Ok(Self(Some(value)))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", value.clone());
        }
        Ok(request)
    }
}
