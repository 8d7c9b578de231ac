//! `llm2api model`: the model files in `DATA_DIR`. No instance need run.

mod add;
mod checksum;
mod copy;
mod download;
mod gguf;
mod list;
mod progress;
mod quantity;
mod source;
mod unfinished;

use std::process::ExitCode;

pub(crate) use self::{
    checksum::Sha256,
    source::{FileName, Source},
};
use crate::{cli::ModelCommand, config::Configuration};

/// Runs a subcommand.
pub(super) fn run(command: &ModelCommand, configuration: &Configuration, json: bool) -> ExitCode {
    match command {
        ModelCommand::Add(options) => add::run(options, configuration, json),
        ModelCommand::List => list::run(configuration, json),
    }
}
