//! `llm2api chat`: asks a model of a running instance, by gRPC.

mod output;
#[cfg(test)]
mod tests;

use std::{
    io::{self, IsTerminal, Read, Write},
    process::ExitCode,
};

use anyhow::{Context, bail};
use llm2api_proto::v1::{ChatRequest, ListModelsRequest, Message};

use self::output::Output;
use super::{
    EXIT_INTERRUPTED, failure,
    instance::{Instance, explain, is_broken_pipe},
    on_a_runtime, unless_interrupted,
};
use crate::{
    cli::{ChatOptions, EXIT_USAGE},
    config::Configuration,
};

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
    let instance = Instance::connect(configuration).await?;
    let model = match &options.model {
        Some(model) => model.clone(),
        None => first_model(&instance).await?,
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
        web_search: options.web,
        ..ChatRequest::default()
    };
    let mut answer = instance
        .chat()
        .chat(request)
        .await
        .map_err(explain)?
        .into_inner();
    while let Some(response) = answer.message().await.map_err(explain)? {
        output.write(&response)?;
    }
    Ok(())
}

async fn first_model(instance: &Instance) -> anyhow::Result<String> {
    let models = instance
        .models()
        .list_models(ListModelsRequest::default())
        .await
        .map_err(explain)?;
    match models.into_inner().models.into_iter().next() {
        Some(model) => Ok(model.id),
        None => bail!("the instance lists no models; name one by --model"),
    }
}
