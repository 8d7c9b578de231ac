//! The start-up summary: what a new user must know to make the first request.

#[cfg(test)]
mod tests;

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write as _},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use llm2api_core::{Core, UpstreamOverview};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use crate::{
    admin_key,
    config::{AdminKey, ClientKeys, Configuration, DEFAULT_INSTANCE, LogFormat, Role, reachable},
};

/// For how long the upstreams may take to list their models before the summary is shown without.
const OVERVIEW_TIMEOUT: Duration = Duration::from_secs(3);

/// How many of an upstream's models are named.
const MODELS_SHOWN: usize = 5;

/// What the summary tells, but for the models.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    role: Role,
    /// Where HTTP is served.
    pub(crate) http: Option<SocketAddr>,
    /// Where gRPC is served.
    pub(crate) grpc: Option<SocketAddr>,
    api_path: ShownPath,
    clients: Clients,
    admin_key: AdminKeyPlace,
    /// The key for administration that was made here, for the link that signs in: only the operator's own terminal sees it.
    sign_in_key: Option<SecretString>,
    /// Each upstream's name, kind and address.
    upstreams: Vec<UpstreamOverview>,
    cores: Vec<String>,
    /// The SearXNG instances that search the web.
    searched_at: Vec<String>,
    /// The file that was read.
    config: Option<PathBuf>,
}

/// `API_PATH` as the summary may show it.
#[derive(Debug, Clone)]
enum ShownPath {
    None,
    /// As it is: only the operator's own terminal sees it.
    Plain(String),
    /// As the variable that holds it: the summary goes where logs go.
    Masked,
}

/// Who is let in, as far as the summary tells.
#[derive(Debug, Clone, Copy)]
enum Clients {
    Private,
    Open,
    Keys(usize),
}

/// Where the key for administration is.
#[derive(Debug, Clone)]
enum AdminKeyPlace {
    Setting(&'static str),
    File(PathBuf),
}

impl Facts {
    /// Gathers the facts.
    pub(crate) fn new(
        configuration: &Configuration,
        role: Role,
        http: Option<SocketAddr>,
        grpc: Option<SocketAddr>,
    ) -> Self {
        let settings = &configuration.settings;
        Self {
            role,
            http,
            grpc,
            api_path: match &settings.api_path.0 {
                None => ShownPath::None,
                Some(path) if io::stderr().is_terminal() => ShownPath::Plain(path.clone()),
                Some(_) => ShownPath::Masked,
            },
            clients: match &settings.api_key {
                None => Clients::Private,
                Some(ClientKeys::Off) => Clients::Open,
                Some(ClientKeys::Keys(keys)) => Clients::Keys(keys.len()),
            },
            admin_key: match configuration.admin_key() {
                AdminKey::Given(_) => AdminKeyPlace::Setting("ADMIN_KEY"),
                AdminKey::FirstClientKey(_) => AdminKeyPlace::Setting("the first of API_KEY"),
                AdminKey::InDataDir => AdminKeyPlace::File(admin_key::path(&settings.data_dir)),
            },
            sign_in_key: match configuration.admin_key() {
                AdminKey::InDataDir if io::stderr().is_terminal() => {
                    admin_key::read(&settings.data_dir).ok()
                }
                AdminKey::InDataDir | AdminKey::Given(_) | AdminKey::FirstClientKey(_) => None,
            },
            upstreams: configuration
                .upstreams
                .iter()
                .map(|upstream| UpstreamOverview {
                    name: upstream.name.clone(),
                    kind: upstream.kind,
                    url: upstream.shown_address(),
                    models: Err("no answer yet".to_owned()),
                })
                .collect(),
            cores: settings
                .core_url
                .iter()
                .flat_map(|urls| urls.0.iter().map(|url| without_userinfo(&url.0)))
                .collect(),
            searched_at: settings
                .searxng_url
                .0
                .iter()
                .map(without_userinfo)
                .collect(),
            config: settings.config.clone(),
        }
    }
}

fn without_userinfo(url: &url::Url) -> String {
    let mut url = url.clone();
    // Fails only for addresses that have no user info.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

/// Asks the upstreams for their models, for a while, then shows the summary.
pub(crate) async fn show(mut facts: Facts, core: Option<Core>, format: LogFormat) {
    if let Some(core) = core
        && let Ok(upstreams) = timeout(OVERVIEW_TIMEOUT, core.overview()).await
    {
        facts.upstreams = upstreams;
    }
    match format {
        LogFormat::Json => log(&facts),
        LogFormat::Text => {
            // Without standard error there is nobody to tell.
            let _ = io::stderr().write_all(text(&facts).as_bytes());
        }
    }
}

/// The summary for programs.
fn log(facts: &Facts) {
    if facts.role != Role::Gateway && facts.upstreams.is_empty() {
        tracing::warn!("no upstream: set UPSTREAM_URL");
    }
    if facts.role != Role::Gateway {
        tracing::info!("search: {}", search_line(&facts.searched_at));
    }
    for upstream in &facts.upstreams {
        let (name, kind, url) = (&upstream.name, upstream.kind.as_str(), &upstream.url);
        match &upstream.models {
            Ok(models) => tracing::info!(name, kind, url, ?models, "upstream"),
            Err(reason) => tracing::warn!(name, kind, url, reason, "upstream's models not known"),
        }
    }
}

/// The summary for people.
fn text(facts: &Facts) -> String {
    let mut lines = vec![
        String::new(),
        format!("llm2api {}", env!("CARGO_PKG_VERSION")),
    ];
    let mut line = |name: &str, text: &str| lines.push(format!("  {name:<10} {text}"));
    if let Some(address) = facts.http {
        let path = match &facts.api_path {
            ShownPath::None => "",
            ShownPath::Plain(path) => &format!("/{path}"),
            ShownPath::Masked => "/$API_PATH",
        };
        let base = format!("http://{}{path}", reachable(address));
        line("HTTP", &format!("{base}/v1 (LISTEN {address})"));
        let sign_in = facts
            .sign_in_key
            .as_ref()
            .map(|key| format!("#key={}", key.expose_secret()))
            .unwrap_or_default();
        line("page", &format!("{base}/cookie{sign_in}"));
    }
    if let Some(address) = facts.grpc {
        line(
            "gRPC",
            &format!("{} (GRPC_LISTEN {address})", reachable(address)),
        );
    }
    if let Some(path) = &facts.config {
        line("settings", &path.display().to_string());
    }
    if facts.role == Role::Gateway {
        line("cores", &facts.cores.join(", "));
    } else {
        line("clients", &clients(facts.clients));
        line(
            "admin key",
            &match &facts.admin_key {
                AdminKeyPlace::Setting(setting) => (*setting).to_owned(),
                AdminKeyPlace::File(path) => {
                    format!("in {}; `llm2api key admin` shows it", path.display())
                }
            },
        );
        for upstream in &facts.upstreams {
            line("upstream", &upstream_line(upstream));
        }
        line("search", &search_line(&facts.searched_at));
    }
    lines.push(String::new());
    if facts.role != Role::Gateway && facts.upstreams.is_empty() {
        lines.push(NO_UPSTREAM.to_owned());
    } else {
        lines.push("Try it:".to_owned());
        lines.push(format!("  {}", example(facts)));
    }
    lines.push(String::new());
    lines.iter().fold(String::new(), |mut text, line| {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{}", line.trim_end());
        text
    })
}

const NO_UPSTREAM: &str = "\
There is no upstream yet, so chats answer 503. Connect one on the page; or name one, or bring a model for this machine, and start again:
  UPSTREAM_URL=https://api.example.org/v1 UPSTREAM_API_KEY=sk-… llm2api
  llm2api model add FILE-or-URL && llm2api";

fn clients(clients: Clients) -> String {
    match clients {
        Clients::Private => {
            "need no key from loopback and private addresses; others are refused until API_KEY is set".to_owned()
        }
        Clients::Open => "need no key, whoever they are (API_KEY=off)".to_owned(),
        Clients::Keys(1) => "need the key in API_KEY".to_owned(),
        Clients::Keys(count) => format!("need one of the {count} keys in API_KEY"),
    }
}

fn upstream_line(upstream: &UpstreamOverview) -> String {
    let models = match &upstream.models {
        Err(reason) => format!("models not known: {reason}"),
        Ok(models) if models.is_empty() => "lists no models".to_owned(),
        Ok(models) => {
            let shown = models
                .iter()
                .take(MODELS_SHOWN)
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ");
            match models.len().saturating_sub(MODELS_SHOWN) {
                0 => shown,
                more => format!("{shown} and {more} more"),
            }
        }
    };
    let kind = upstream.kind.as_str();
    format!("{} ({kind}, {}): {models}", upstream.name, upstream.url)
}

fn search_line(searched_at: &[String]) -> String {
    let addresses: Vec<&str> = searched_at
        .iter()
        .map(|address| address.trim_end_matches('/'))
        .collect();
    if addresses.is_empty() {
        return "off (SEARXNG_URL=off)".to_owned();
    }
    let foreign = if addresses.contains(&DEFAULT_INSTANCE) {
        "; the default is a public server that somebody else runs, and may refuse (SEARXNG_URL)"
    } else {
        ""
    };
    format!(
        "the web, where asked to, at {}{foreign}",
        addresses.join(", ")
    )
}

/// A command that shows that it works.
fn example(facts: &Facts) -> String {
    let model = facts
        .upstreams
        .iter()
        .find_map(|upstream| upstream.models.as_ref().ok()?.first());
    let Some(address) = facts.http else {
        let url = facts
            .grpc
            .map(|address| format!("LLM2API_URL=http://{} ", reachable(address)))
            .unwrap_or_default();
        return format!("{url}llm2api chat \"Say hello\"");
    };
    let key = match facts.clients {
        Clients::Keys(_) => " -H \"authorization: Bearer $API_KEY\"",
        Clients::Private | Clients::Open => "",
    };
    let path = match &facts.api_path {
        ShownPath::None => String::new(),
        ShownPath::Plain(path) => format!("/{path}"),
        ShownPath::Masked => "/$API_PATH".to_owned(),
    };
    let base = format!("http://{}{path}/v1", reachable(address));
    match model {
        None => format!("curl {base}/models{key}"),
        Some(model) => {
            let body = format!(
                r#"{{"model":{},"messages":[{{"role":"user","content":"Say hello"}}]}}"#,
                serde_json::Value::from(model.as_str())
            );
            let body = body.replace('\'', r"'\''");
            format!(
                "curl {base}/chat/completions{key} -H 'content-type: application/json' -d '{body}'"
            )
        }
    }
}
