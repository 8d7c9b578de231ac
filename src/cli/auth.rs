//! The commands about authorization codes.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use secrecy::SecretString;

/// What `auth` does.
#[derive(Debug, Subcommand)]
pub(crate) enum AuthCommand {
    /// Show by which code a running instance runs, and how it stands.
    Show,
    /// Make a key that signs codes, for an authority that is no instance.
    ///
    /// The private key goes into a file for its owner only; the public key, which is the AUTH_PUBLIC_KEY of instances, to the output.
    #[command(after_help = "\
Example:
  llm2api auth keygen private.pem > public.pem")]
    Keygen(AuthKeygenOptions),
    /// Issue a code, for another instance's AUTH_CODE: by a running instance, or with --key by a private key alone.
    ///
    /// Only the code goes to the output. What a running instance issues it can revoke, for those who ask it (AUTH_INTROSPECTION_URL); what
    /// a key alone has signed is good until it ends.
    #[command(after_help = "\
Examples:
  llm2api auth issue \"Berlin office\" --days 90 > code.txt
  llm2api auth issue tester --requests-per-minute 60 --model gpt-4o --no-web-search
  llm2api auth issue tester --key private.pem")]
    Issue(AuthIssueOptions),
    /// Tell whether a code is good, and what it says: by a running instance that issued it, or with --public-key by its signature.
    ///
    /// The code is read from standard input unless it is given. The exit code is 1 where it is not good.
    #[command(after_help = "\
Examples:
  llm2api auth verify < code.txt
  llm2api auth verify --public-key public.pem < code.txt")]
    Verify(AuthVerifyOptions),
    /// Revoke a code that a running instance issued, or make it good again.
    #[command(after_help = "\
Examples:
  llm2api auth revoke ac_5f0c…
  llm2api auth revoke ac_5f0c… --undo")]
    Revoke(AuthRevokeOptions),
    /// List the codes that a running instance issued.
    List,
}

/// What `auth keygen` takes.
#[derive(Debug, Args)]
pub(crate) struct AuthKeygenOptions {
    /// Where to write the private key; nothing may be there yet.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// What `auth issue` takes.
#[derive(Debug, Args)]
pub(crate) struct AuthIssueOptions {
    /// For whom it is.
    #[arg(value_name = "SUBJECT")]
    pub(crate) subject: String,
    /// For how many days it is good.
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(i64).range(1..=3650))]
    pub(crate) days: i64,
    /// From when it is good, in seconds since 1970; without it, from now.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i64).range(0..250_000_000_000))]
    pub(crate) not_before: Option<i64>,
    /// Requests within any minute; without it, any number.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) requests_per_minute: Option<u32>,
    /// Tokens within a day, read and written; without it, any number.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i64).range(1..))]
    pub(crate) tokens_per_day: Option<i64>,
    /// A model that may be asked for; may be given several times. Without it, all may.
    #[arg(long = "model", value_name = "NAME")]
    pub(crate) models: Vec<String>,
    /// Whether the web may not be searched.
    #[arg(long)]
    pub(crate) no_web_search: bool,
    /// The file with the private key that signs it; without it, a running instance does.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

/// What `auth verify` takes.
#[derive(Debug, Args)]
pub(crate) struct AuthVerifyOptions {
    /// The code. Others on this machine can see it here: standard input is safer.
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<SecretString>,
    /// The file with the public key that belongs to what signed it; without it, a running instance is asked.
    #[arg(long, value_name = "FILE")]
    pub(crate) public_key: Option<PathBuf>,
}

/// What `auth revoke` takes.
#[derive(Debug, Args)]
pub(crate) struct AuthRevokeOptions {
    /// The code's id, as `auth list` shows it.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Make it good again.
    #[arg(long)]
    pub(crate) undo: bool,
}
