//! What each command does.

mod archive;
mod auth;
mod backup;
mod chat;
mod config;
mod cookie;
mod healthcheck;
mod ids;
mod instance;
mod key;
mod model;
mod question;
mod restore;
mod search;
mod secret;
mod table;
mod upstream;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Context;

pub(crate) use self::model::{FileName, Sha256, Source};

use crate::{
    cli::{Command, EXIT_USAGE, GlobalOptions},
    config::{Configuration, LogFormat, Problem, Role, environment, markdown},
    run, telemetry,
};

/// The exit code of a process that SIGINT ended, as shells have it.
const EXIT_INTERRUPTED: u8 = 130;

/// Runs a command to its end.
pub(crate) fn run((command, global): (Command, GlobalOptions)) -> ExitCode {
    if let Command::Config(options) = &command
        && options.markdown
    {
        // A reader that went away has seen enough.
        let _ = io::stdout().write_all(markdown().as_bytes());
        return ExitCode::SUCCESS;
    }
    let configuration = match Configuration::load(&environment(), global.config.as_deref()) {
        Ok(configuration) => configuration,
        Err(problems) => return usage(&problems),
    };
    match command {
        Command::Serve => serve(Role::Serve, configuration, &global),
        Command::Core => serve(Role::Core, configuration, &global),
        Command::Gateway => serve(Role::Gateway, configuration, &global),
        Command::Chat(options) => chat::run(&options, &configuration, global.json),
        Command::Search(options) => search::run(options, &configuration, global.json),
        Command::Cookie(command) => cookie::run(command, &configuration, global.json),
        Command::Key(command) => key::run(command, &configuration, global.json),
        Command::Upstream(command) => upstream::run(command, &configuration, global.json),
        Command::Auth(command) => auth::run(command, &configuration, global.json),
        Command::Model(command) => model::run(&command, &configuration, global.json),
        Command::Healthcheck(options) => healthcheck::run(&options, &configuration, global.json),
        Command::Backup(options) => backup::run(&options, &configuration, global.json),
        Command::Restore(options) => restore::run(&options, &configuration, global.json),
        Command::Secret(command) => secret::run(&command, &configuration, global.json),
        Command::Config(_) => config::run(&configuration, global.json),
    }
}

/// Tells what is wrong, one line each.
fn usage(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        eprintln!("llm2api: {problem}");
    }
    ExitCode::from(EXIT_USAGE)
}

/// Tells why a command failed, in one line.
fn failure(error: &anyhow::Error) -> ExitCode {
    eprintln!("llm2api: {error:#}");
    ExitCode::FAILURE
}

/// Does a command's work until it is done or Ctrl-C is pressed; `None` is the latter.
async fn unless_interrupted<T>(
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<Option<T>> {
    tokio::select! {
        result = work => result.map(Some),
        // The work is dropped where it is.
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.context("can't listen for Ctrl-C").map(|()| None)
        }
    }
}

/// Runs a command's work, which needs no more than this thread.
fn on_a_runtime<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("can't start the runtime")?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}

/// Runs what talks to a running instance; its success may be that all was told, but not all went well.
fn talk(work: impl Future<Output = anyhow::Result<ExitCode>>) -> ExitCode {
    match on_a_runtime(unless_interrupted(work)) {
        Ok(Some(code)) => code,
        Ok(None) => ExitCode::from(EXIT_INTERRUPTED),
        Err(error) if instance::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => failure(&error),
    }
}

fn serve(role: Role, mut configuration: Configuration, global: &GlobalOptions) -> ExitCode {
    if role != Role::Gateway
        && let Err(problem) = configuration.add_local_model()
    {
        return usage(&[problem]);
    }
    let configuration = &configuration;
    let format = if global.json {
        LogFormat::Json
    } else {
        configuration.settings.log_format
    };
    telemetry::start(&configuration.settings.log, format);
    #[cfg(target_os = "linux")]
    crate::allocator::return_unused_memory();
    let in_vain = configuration.settings_in_vain(role);
    for warning in configuration.warnings.iter().chain(&in_vain) {
        tracing::warn!("{warning}");
    }
    let plan = match run::Plan::new(role, configuration) {
        Ok(plan) => plan,
        Err(problems) => return usage(&problems),
    };
    match run::run(&plan, configuration, global.config.clone(), format) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure(&error),
    }
}
