//! `llm2api chat`: asks a model of a running instance, by gRPC.

mod output;
#[cfg(test)]
mod tests;

use std::{
    io::{self, IsTerminal, Read, Write},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, bail};
use llm2api_proto::{
    ContractError,
    v1::{
        ChatRequest, ListModelsRequest, Message, chat_service_client::ChatServiceClient,
        model_service_client::ModelServiceClient,
    },
};
use secrecy::{ExposeSecret, SecretString};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::Interceptor,
    transport::{Channel, Endpoint},
};

use self::output::Output;
use super::{EXIT_INTERRUPTED, failure, on_a_runtime, unless_interrupted};
use crate::{
    admin_key,
    cli::{ChatOptions, EXIT_USAGE},
    config::{AdminKey, Configuration},
};

/// For how long the instance may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks, and writes the answer to standard output as it comes.
pub(super) fn run(options: &ChatOptions, configuration: &Configuration, json: bool) -> ExitCode {
    let message = match message(&options.message) {
        Ok(Some(message)) => message,
        Ok(None) => {
            eprintln!("llm2api: nothing to ask: give a message, or pipe one in");
            return ExitCode::from(EXIT_USAGE);
        }
        Err(error) => return failure(&error),
    };
    // Dropping the call cancels it.
    let output = Output::of_process(json);
    let asked = on_a_runtime(unless_interrupted(chat(
        options,
        message,
        configuration,
        output,
    )));
    match asked {
        Ok(Some(())) => ExitCode::SUCCESS,
        Ok(None) => ExitCode::from(EXIT_INTERRUPTED),
        // A reader that went away has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => failure(&error),
    }
}

/// The words of the command line, and what is piped in after them.
fn message(words: &[String]) -> anyhow::Result<Option<String>> {
    let mut parts = Vec::new();
    if !words.is_empty() {
        parts.push(words.join(" "));
    }
    if !io::stdin().is_terminal() {
        let mut piped = String::new();
        io::stdin()
            .read_to_string(&mut piped)
            .context("can't read standard input")?;
        let piped = piped.trim_end();
        if !piped.is_empty() {
            parts.push(piped.to_owned());
        }
    }
    Ok((!parts.is_empty()).then(|| parts.join("\n\n")))
}

async fn chat(
    options: &ChatOptions,
    message: String,
    configuration: &Configuration,
    mut output: Output<impl Write>,
) -> anyhow::Result<()> {
    let bearer = Bearer::new(key(configuration)?.as_ref())?;
    let channel = connect(configuration).await?;
    let model = match &options.model {
        Some(model) => model.clone(),
        None => first_model(channel.clone(), bearer.clone()).await?,
    };
    let system = options.system.iter().map(|text| ("system", text.clone()));
    let messages = system
        .chain([("user", message)])
        .map(|(role, content)| Message {
            role: role.to_owned(),
            content: Some(content),
            ..Message::default()
        })
        .collect();
    let request = ChatRequest {
        model,
        messages,
        temperature: options.temperature,
        ..ChatRequest::default()
    };
    let mut answer = ChatServiceClient::with_interceptor(channel, bearer)
        .max_decoding_message_size(usize::MAX)
        .chat(request)
        .await
        .map_err(explain)?
        .into_inner();
    while let Some(response) = answer.message().await.map_err(explain)? {
        output.write(&response)?;
    }
    Ok(())
}

async fn connect(configuration: &Configuration) -> anyhow::Result<Channel> {
    let url = &configuration.settings.llm2api_url.0;
    Endpoint::from_shared(url.to_string())?
        .connect_timeout(CONNECT_TIMEOUT)
        .connect()
        .await
        .with_context(|| format!("no instance of llm2api answers at {url} (LLM2API_URL)"))
}

/// The key for administration, which opens chats too; none where nothing tells it, as an instance may let in whoever is near.
fn key(configuration: &Configuration) -> anyhow::Result<Option<SecretString>> {
    match configuration.admin_key() {
        AdminKey::Given(key) | AdminKey::FirstClientKey(key) => Ok(Some(key)),
        AdminKey::InDataDir => {
            let data_dir = &configuration.settings.data_dir;
            let exists = admin_key::path(data_dir).exists();
            exists.then(|| admin_key::read(data_dir)).transpose()
        }
    }
}

async fn first_model(channel: Channel, bearer: Bearer) -> anyhow::Result<String> {
    let models = ModelServiceClient::with_interceptor(channel, bearer)
        .max_decoding_message_size(usize::MAX)
        .list_models(ListModelsRequest::default())
        .await
        .map_err(explain)?;
    match models.into_inner().models.into_iter().next() {
        Some(model) => Ok(model.id),
        None => bail!("the instance lists no models; name one by --model"),
    }
}

/// What a status says to a person, with our reason for it.
fn explain(status: Status) -> anyhow::Error {
    match ContractError::from_status(&status) {
        Some(error) => anyhow::Error::msg(format!(
            "{} ({})",
            error.message,
            error.reason.as_info_reason().to_ascii_lowercase()
        )),
        None => status.into(),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Sends the key, if any, with each call.
#[derive(Clone)]
struct Bearer(Option<MetadataValue<Ascii>>);

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
