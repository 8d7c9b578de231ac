//! `llm2api model`: the model files in `DATA_DIR`. No instance need run.

mod list;
mod quantity;

use std::process::ExitCode;

use crate::{cli::ModelCommand, config::Configuration};

/// Runs a subcommand.
pub(super) fn run(command: &ModelCommand, configuration: &Configuration, json: bool) -> ExitCode {
    match command {
        ModelCommand::List => list::run(configuration, json),
    }
}
