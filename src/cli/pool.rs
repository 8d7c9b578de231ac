//! The commands that administer cookies and upstreams.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use secrecy::SecretString;

/// What `cookie` does.
#[derive(Debug, Subcommand)]
pub(crate) enum CookieCommand {
    /// Add cookies or keys, each once its upstream has accepted it.
    ///
    /// Without a value and without --file they are read from standard input, which is the better way: what stands on a command line, others
    /// on the machine can see in the list of processes, and the shell keeps it in its history. One is a line with a value or a `Cookie:`
    /// header; a browser extension's JSON export; or the lines of a cookies.txt, up to an empty line. What became of each is told as it
    /// happens; with one that is rejected the exit code is 1.
    #[command(after_help = "\
Examples:
  llm2api cookie add < cookies.txt
  llm2api cookie add --upstream chat --label mine --file export.json
  pass show chat | llm2api cookie add --upstream chat --user-agent \"Mozilla/5.0 …\"")]
    Add(CookieAddOptions),
    /// List cookies and keys with their states, those first that were added first.
    #[command(after_help = "\
Examples:
  llm2api cookie list
  llm2api cookie list --state invalid --json")]
    List(CookieListOptions),
    /// Check cookies now.
    Check(CookieIds),
    /// End the cool-down of cookies.
    Clear(CookieIds),
    /// Leave cookies unused.
    Disable(CookieIds),
    /// Use cookies again that were left unused.
    Enable(CookieIds),
    /// Say what to call a cookie.
    Label(CookieLabelOptions),
    /// Remove cookies; on a terminal, after asking.
    #[command(after_help = "\
Example:
  llm2api cookie remove ck_01a9 ck_7f22 --yes")]
    Remove(CookieRemoveOptions),
}

/// What `cookie add` takes.
#[derive(Debug, Args)]
pub(crate) struct CookieAddOptions {
    /// Cookies or keys. Others on this machine can see them here: standard input and --file are safer.
    #[arg(value_name = "VALUE", conflicts_with = "file")]
    pub(crate) values: Vec<SecretString>,
    /// A file with cookies or keys; - is standard input.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The upstream's name; without it, the first.
    #[arg(
        long,
        short,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) upstream: String,
    /// What to call them.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    pub(crate) label: String,
    /// The User-Agent of the browser that the sessions are bound to.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) user_agent: String,
    /// The proxy that the sessions are bound to, such as socks5h://127.0.0.1:1080.
    #[arg(
        long,
        value_name = "URL",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) proxy: String,
    /// What they are; without it, what their form and the upstream's kind say.
    #[arg(long, value_parser = ["cookie", "api_key"])]
    pub(crate) kind: Option<String>,
}

/// What `cookie list` takes.
#[derive(Debug, Args)]
pub(crate) struct CookieListOptions {
    /// Only those of this upstream.
    #[arg(
        long,
        short,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) upstream: String,
    /// Only those in this state: valid, unchecked, cooling, invalid or disabled.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    pub(crate) state: String,
}

/// Which cookies.
#[derive(Debug, Args)]
pub(crate) struct CookieIds {
    /// Ids, as `cookie list` shows them, or the beginnings of ids.
    #[arg(value_name = "ID", required = true)]
    pub(crate) ids: Vec<String>,
}

/// What `cookie label` takes.
#[derive(Debug, Args)]
pub(crate) struct CookieLabelOptions {
    /// An id, or the beginning of one.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// What to call it; empty for nothing.
    #[arg(value_name = "LABEL")]
    pub(crate) label: String,
}

/// What `cookie remove` takes.
#[derive(Debug, Args)]
pub(crate) struct CookieRemoveOptions {
    #[command(flatten)]
    pub(crate) ids: CookieIds,
    /// Don't ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// What `upstream` does.
#[derive(Debug, Subcommand)]
pub(crate) enum UpstreamCommand {
    /// Add an upstream; with a cookie or key, once that is accepted.
    #[command(after_help = "\
Examples:
  llm2api upstream add http://10.0.0.5:8000
  llm2api upstream add https://api.example.org/v1 --name hosted --cookie-file key.txt
  pass show chat | llm2api upstream add https://chat.example.org --kind chat-ui --cookie-file -")]
    Add(Box<UpstreamAddOptions>),
    /// List the upstreams: those of the configuration, then those added.
    List,
    /// Ask an upstream for its models.
    Test(UpstreamName),
    /// Remove an upstream that was added, and its cookies; on a terminal, after asking.
    Remove(UpstreamRemoveOptions),
}

/// What `upstream add` takes: beside the address, what an `[[upstreams]]` entry of the configuration file has.
#[derive(Debug, Args)]
pub(crate) struct UpstreamAddOptions {
    /// Where it is.
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// What to call it; without it, a name is made from the address.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) name: String,
    /// The protocol that it speaks: auto, openai or chat-ui.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) kind: String,
    /// A file with its first cookie or key; - is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) cookie_file: Option<PathBuf>,
    /// A model that it has, where it is not to be asked for them; may be given several times.
    #[arg(long = "model", value_name = "ID")]
    pub(crate) models: Vec<String>,
    /// Another name for one of its models; may be given several times.
    #[arg(long = "alias", value_name = "NAME=MODEL", value_parser = pair)]
    pub(crate) aliases: Vec<(String, String)>,
    /// Lower comes first.
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) priority: Option<i32>,
    /// Its share among those of equal priority.
    #[arg(long)]
    pub(crate) weight: Option<i32>,
    /// For how long a rate limit cools that names no time, such as 60s; off: nothing cools.
    #[arg(long)]
    pub(crate) cooldown: Option<String>,
    /// Whether it is left alone for a while when it keeps failing: on or off.
    #[arg(long)]
    pub(crate) breaker: Option<String>,
    /// The proxy to reach it by.
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,
    /// From an attempt's send to the first token, such as 5m.
    #[arg(long)]
    pub(crate) first_token_timeout: Option<String>,
    /// Silence after the first token, such as 60s.
    #[arg(long)]
    pub(crate) idle_timeout: Option<String>,
    /// Who searches the web for requests that only `web_search_options` marks: ours or upstream.
    #[arg(long)]
    pub(crate) web_search: Option<String>,
    /// Whether it is told of the trace that a chat is part of: on or off.
    #[arg(long, value_name = "SWITCH")]
    pub(crate) propagate_trace: Option<String>,
    /// Of a chat-ui: the name of its session cookie.
    #[arg(long)]
    pub(crate) cookie_name: Option<String>,
    /// Of a chat-ui: its public address, where the URL is another.
    #[arg(long, value_name = "URL")]
    pub(crate) origin: Option<String>,
    /// Of a chat-ui: a header for each request to it; may be given several times.
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) headers: Vec<(String, String)>,
}

/// Which upstream.
#[derive(Debug, Args)]
pub(crate) struct UpstreamName {
    /// The upstream's name.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// What `upstream remove` takes.
#[derive(Debug, Args)]
pub(crate) struct UpstreamRemoveOptions {
    #[command(flatten)]
    pub(crate) upstream: UpstreamName,
    /// Don't ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("takes a name and a value with = between them".to_owned()),
    }
}
