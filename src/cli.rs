//! The command line.

mod auth;
mod key;
mod pool;

use std::{path::PathBuf, process};

use clap::{
    Args, CommandFactory, FromArgMatches, Parser, Subcommand,
    error::{Error, ErrorKind},
};

pub(crate) use self::{
    auth::{
        AuthCommand, AuthIssueOptions, AuthKeygenOptions, AuthRevokeOptions, AuthVerifyOptions,
    },
    key::{Expiry, KeyCommand, KeyCreateOptions, KeyId, KeyRevokeOptions, KeyUpdateOptions},
    pool::{
        CookieAddOptions, CookieCommand, CookieIds, CookieLabelOptions, CookieListOptions,
        CookieRemoveOptions, UpstreamAddOptions, UpstreamCommand, UpstreamRemoveOptions,
    },
};

use crate::{
    commands::{FileName, Sha256, Source},
    config,
};

/// The exit code for a wrong command line or configuration: EX_USAGE of BSD's sysexits.h.
pub(crate) const EXIT_USAGE: u8 = 64;

/// One endpoint in OpenAI's format for many LLM services: balanced, retried, watched.
///
/// Without a command: serve.
#[derive(Debug, Parser)]
#[command(name = "llm2api", version, max_term_width = 120, after_long_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    global: GlobalOptions,
    #[command(subcommand)]
    command: Option<Command>,
}

const EXAMPLES: &str = "\
Examples:
  UPSTREAM_URL=https://api.example.org/v1 UPSTREAM_API_KEY=sk-… llm2api
  llm2api serve --config llm2api.toml
  llm2api chat \"Why is the sky blue?\"

`llm2api serve --help` lists the settings.";

const SERVE_EXAMPLES: &str = "\
Examples:
  UPSTREAM_URL=https://api.example.org/v1 UPSTREAM_API_KEY=sk-… llm2api serve
  LISTEN=127.0.0.1:8080 llm2api serve --config llm2api.toml";

/// What all commands take.
#[derive(Debug, Clone, Args)]
pub(crate) struct GlobalOptions {
    /// The TOML file with settings, upstreams and models; instead of CONFIG.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Write JSON, for programs: the command's output, and the log lines of serve, core and gateway.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run gateway and core in this process.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve,
    /// Run the core alone: gRPC at GRPC_LISTEN.
    #[command(after_help = "\
Example:
  ADMIN_KEY=… UPSTREAM_URL=https://api.example.org/v1 llm2api core")]
    Core,
    /// Run the gateway alone: HTTP at LISTEN, with the cores of CORE_URL behind it.
    #[command(after_help = "\
Example:
  CORE_URL=http://10.0.0.5:50051 CORE_KEY=… llm2api gateway")]
    Gateway,
    /// Ask a model of a running instance; the answer streams to the terminal.
    ///
    /// What is piped in is part of the message. The key is ADMIN_KEY, else the first of API_KEY, else that in DATA_DIR.
    #[command(after_help = "\
Examples:
  llm2api chat Why is the sky blue?
  llm2api chat --model local --temperature 0 What is the capital of France?
  llm2api chat --model qwen3 --system \"Answer in Chinese.\" \"Summarise this:\" < notes.txt
  LLM2API_URL=http://10.0.0.5:50051 ADMIN_KEY=… llm2api chat --json hi")]
    Chat(ChatOptions),
    /// Search the web as a running instance does it for chats, at the instances of SEARXNG_URL.
    ///
    /// Shows what a chat would be given; where there is nothing, it says why, and fails unless nothing was found.
    #[command(after_help = "\
Examples:
  llm2api search weather in Bergen
  llm2api search --limit 10 --language zh --json 上海天气")]
    Search(SearchOptions),
    /// Add, watch and remove the cookies and keys with which a running instance is let in at upstreams.
    #[command(subcommand)]
    Cookie(CookieCommand),
    /// Add, test and remove upstreams of a running instance.
    #[command(subcommand)]
    Upstream(UpstreamCommand),
    /// Make, limit, watch and revoke the keys with which clients are let in at a running instance.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Issue, check and revoke authorization codes: what entitles instances to run.
    #[command(subcommand)]
    Auth(AuthCommand),
    /// Bring model files into DATA_DIR, and list them; the newest answers on this machine, without any upstream.
    #[command(subcommand)]
    Model(ModelCommand),
    /// Write all that is kept into one file, whether or not an instance runs.
    #[command(after_help = "\
The file is a tar archive with the database, the secret key and the admin key, for its owner only.

Examples:
  llm2api backup llm2api.tar
  llm2api backup --without-key llm2api.tar")]
    Backup(BackupOptions),
    /// Put what a backup holds in the place of what is there. No instance may run.
    #[command(after_help = "\
All of the backup is read and checked before anything is replaced. What was there stays beside it, as ….before-restore.

Examples:
  llm2api restore llm2api.tar
  llm2api restore --force llm2api.tar")]
    Restore(RestoreOptions),
    /// What encrypts credentials at rest.
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Tell whether the instance on this machine is alive: exit code 0 or 1.
    #[command(after_help = "\
Asks /healthz at LISTEN; where nothing listens there, grpc.health.v1 at GRPC_LISTEN.

Example:
  llm2api healthcheck --ready")]
    Healthcheck(HealthcheckOptions),
    /// Show the settings in effect and where each comes from, secrets masked.
    #[command(after_help = "\
Examples:
  llm2api config
  llm2api config --json --config llm2api.toml")]
    Config(ConfigOptions),
}

/// What `chat` takes.
#[derive(Debug, Args)]
pub(crate) struct ChatOptions {
    /// The model to ask; without it, the first that the instance lists.
    #[arg(long, short)]
    pub(crate) model: Option<String>,
    /// Instructions that come before the message.
    #[arg(long, short)]
    pub(crate) system: Option<String>,
    /// How freely tokens are chosen, 0 to 2; 0 gives the likeliest answer. Without it, as the model's service does.
    #[arg(long, short)]
    pub(crate) temperature: Option<f64>,
    /// Search the web first: the answer begins with what is found, and cites it.
    #[arg(long, short)]
    pub(crate) web: bool,
    /// The message; several words are joined.
    #[arg(value_name = "MESSAGE")]
    pub(crate) message: Vec<String>,
}

/// What `search` takes.
#[derive(Debug, Args)]
pub(crate) struct SearchOptions {
    /// The most results to show, at most 20; without it as many as a chat is given.
    #[arg(long, short, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(1..=20))]
    pub(crate) limit: Option<i32>,
    /// The language of the results, as en, pt-BR or all; without it that of SEARCH_LANGUAGE.
    #[arg(long, value_name = "LANGUAGE")]
    pub(crate) language: Option<String>,
    /// What to search for; several words are joined.
    #[arg(value_name = "QUERY", required = true)]
    pub(crate) query: Vec<String>,
}

/// What `model` does.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// List the model files: id, size, path, and which one is served.
    #[command(after_help = "\
Examples:
  llm2api model list
  llm2api model list --json")]
    List,
    /// Copy or download a GGUF file into DATA_DIR/models.
    ///
    /// An interrupted download goes on when the same command is given again. The file appears under its name whole and checked, or not
    /// at all; one of the same name is replaced. A running instance serves it after a restart.
    #[command(after_help = "\
Examples:
  llm2api model add ~/Downloads/SmolLM2-360M-Instruct.Q8_0.gguf
  llm2api model add https://example.org/models/tiny.gguf --sha256 9f86d0818… --name my-model")]
    Add(ModelAddOptions),
}

/// What `model add` takes.
#[derive(Debug, Args)]
pub(crate) struct ModelAddOptions {
    /// Where the file is: a path, or an http:// or https:// URL.
    #[arg(value_name = "FILE-or-URL")]
    pub(crate) source: Source,
    /// The checksum that the file must have.
    #[arg(long, value_name = "HEX")]
    pub(crate) sha256: Option<Sha256>,
    /// What to call it, instead of what the file is called; the model's id is this in lower case.
    #[arg(long)]
    pub(crate) name: Option<FileName>,
}

/// What `backup` takes.
#[derive(Debug, Args)]
pub(crate) struct BackupOptions {
    /// Where to write it; nothing may be there yet.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Leave the secret key and the admin key out: then the file alone opens nothing.
    #[arg(long)]
    pub(crate) without_key: bool,
}

/// What `restore` takes.
#[derive(Debug, Args)]
pub(crate) struct RestoreOptions {
    /// What `llm2api backup` wrote.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Do it though a database is there; it is put aside.
    #[arg(long)]
    pub(crate) force: bool,
}

/// What `secret` does.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Encrypt everything anew with a new random key. No instance may run.
    #[command(after_help = "\
The new key takes the old one's place in DATA_DIR. Where SECRET_KEY is set, it goes to --new-key-file, and SECRET_KEY is
to be changed before the next start. Backups made before keep the old key.

Examples:
  llm2api secret rotate
  SECRET_KEY_FILE=/run/secrets/key llm2api secret rotate --new-key-file new.key")]
    Rotate(RotateOptions),
}

/// What `secret rotate` takes.
#[derive(Debug, Args)]
pub(crate) struct RotateOptions {
    /// Where to write the new key, where SECRET_KEY gives the old one; nothing may be there yet.
    #[arg(long, value_name = "FILE")]
    pub(crate) new_key_file: Option<PathBuf>,
}

/// What `healthcheck` takes.
#[derive(Debug, Args)]
pub(crate) struct HealthcheckOptions {
    /// Ask whether requests are accepted (/readyz), not only whether the process is alive.
    #[arg(long)]
    pub(crate) ready: bool,
}

/// What `config` takes.
#[derive(Debug, Args)]
pub(crate) struct ConfigOptions {
    /// Print the settings' table of the documentation.
    #[arg(long, hide = true)]
    pub(crate) markdown: bool,
}

/// Reads the command line; ends the process where it is wrong or asks for help.
pub(crate) fn parse() -> (Command, GlobalOptions) {
    let command =
        Cli::command().mut_subcommand("serve", |serve| serve.after_long_help(config::help_table()));
    let parsed = command
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(cli) => (cli.command.unwrap_or(Command::Serve), cli.global),
        Err(error) => end(&error),
    }
}

fn end(error: &Error) -> ! {
    // A reader that went away has seen enough.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => process::exit(0),
        _ => process::exit(EXIT_USAGE.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_for_all_commands_may_stand_after_the_command() {
        let cli =
            Cli::try_parse_from(["llm2api", "config", "--json", "--config", "a.toml"]).unwrap();
        assert!(cli.global.json);
        assert_eq!(cli.global.config, Some(PathBuf::from("a.toml")));
    }
}
