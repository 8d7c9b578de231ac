//! What the core is told at its start: plain values, whose names and defaults are the binary's business.

pub mod notation;

use std::{
    collections::BTreeMap,
    fmt,
    num::NonZeroU32,
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use http::HeaderMap;
use llm2api_proto::{Sampler, SpanSink};
use secrecy::SecretString;
use url::{Host, Url};

pub use crate::{authorization::PublicKey, store::SecretKey};

use crate::upstream::Credential;

/// All that the core is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The upstreams, in the operator's order.
    pub upstreams: Vec<UpstreamConfig>,
    /// Names of the operator's own, each with its targets (`upstream/model`), in order of preference.
    pub models: BTreeMap<String, Vec<String>>,
    /// Other names for models, for all upstreams.
    pub aliases: BTreeMap<String, String>,
    /// The model that answers where the asked one can't.
    pub fallback_model: Option<String>,
    /// Attempts a request, the first included; those that cost an upstream nothing are not counted.
    pub retry_attempts: NonZeroU32,
    /// The clocks for all upstreams.
    pub clocks: Clocks,
    /// For how long a credential is left alone where a rate limit names no time.
    pub cooldown: Duration,
    /// How credentials are used.
    pub pool: PoolConfig,
    /// Bytes that one event of an upstream may have; also bounds what a gRPC caller may send.
    pub max_body_bytes: usize,
    /// Proxies on the way to upstreams.
    pub proxies: EgressProxies,
    /// Runtimes that will call the core, each of which gets connections of its own.
    pub runtime_count: usize,
    /// Who is let in.
    pub access: AccessConfig,
    /// Where what must survive is kept.
    pub store: StoreConfig,
    /// How the web is searched for chats.
    pub search: SearchConfig,
    /// Where spans go beside the monitor.
    pub telemetry: TelemetryConfig,
    /// What entitles this instance to run.
    pub authorization: AuthorizationConfig,
}

/// Where spans go beside the monitor.
#[derive(Clone)]
pub struct TelemetryConfig {
    /// Where the operator has them collected. `None`: nowhere.
    pub exporter: Option<Arc<dyn SpanSink>>,
    /// Which traces are, of those that begin here and not at a gateway.
    pub sampler: Sampler,
    /// What this process is called there: OpenTelemetry's `service.name`.
    pub service: &'static str,
    /// How many spans and traces were dropped, in all of the process.
    pub dropped: Arc<AtomicU64>,
    /// Whether spans say what was asked and answered.
    pub captures_content: bool,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            exporter: None,
            sampler: Sampler::AlwaysOff,
            service: "llm2api",
            dropped: Arc::default(),
            captures_content: false,
        }
    }
}

impl fmt::Debug for TelemetryConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TelemetryConfig")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

/// What entitles this instance to run, and who says so. With neither a key nor a service the instance is its own authority.
#[derive(Debug, Clone)]
pub struct AuthorizationConfig {
    /// The authorization code.
    pub code: Option<SecretString>,
    /// What checks its signature.
    pub public_key: Option<PublicKey>,
    /// Whom to ask about it.
    pub introspection: Option<IntrospectionConfig>,
    /// From one check to the next. Counted in whole seconds.
    pub check_interval: Duration,
    /// For how long the last good answer holds while the authority gives none.
    pub grace: Duration,
}

/// A service that knows about authorization codes (RFC 7662).
#[derive(Debug, Clone)]
pub struct IntrospectionConfig {
    /// Where it is: an https: address, or one on this machine.
    pub url: Url,
    /// What proves us to it, as bearer.
    pub key: Option<SecretString>,
}

impl Default for AuthorizationConfig {
    fn default() -> Self {
        Self {
            code: None,
            public_key: None,
            introspection: None,
            check_interval: Duration::from_secs(600),
            grace: Duration::from_secs(24 * 3600),
        }
    }
}

/// How the web is searched for chats.
#[derive(Debug, Clone)]
pub struct SearchConfig {
    /// SearXNG's instances, in order of preference. None: nothing is searched.
    pub instances: Vec<Url>,
    /// Whether these are the built-in ones, which belong to somebody else.
    pub is_default: bool,
    /// Results that an answer is given.
    pub result_count: usize,
    /// For one search, in all.
    pub timeout: Duration,
    /// The language of the results.
    pub language: SearchLanguage,
    /// Whether a model writes the query.
    pub is_rewritten: bool,
    /// How many of the results' pages are read.
    pub page_count: usize,
    /// Texts by which a message is known as one that is not to be searched for, beside those that chat clients send.
    pub skip: Vec<String>,
    /// Whether an answer begins with the results.
    pub has_block: bool,
    /// Whether every chat is searched for.
    pub is_for_all: bool,
}

/// The language of a search's results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchLanguage {
    /// That of the message, as far as its script tells, else as SearXNG finds.
    Auto,
    /// As SearXNG writes it: `en`, `pt-BR`, or `all`.
    Fixed(String),
}

/// Where what must survive is kept.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The SQLite database.
    pub file: PathBuf,
    /// What encrypts credentials in it.
    pub secret_key: SecretKeySource,
}

/// Where the key comes from that encrypts credentials at rest.
#[derive(Debug, Clone)]
pub enum SecretKeySource {
    /// It is this one.
    Given(SecretKey),
    /// A file that holds them, made where there is none.
    File(PathBuf),
}

/// How the credentials of all upstreams are used.
#[derive(Debug, Clone, Copy)]
pub struct PoolConfig {
    /// Requests that one credential may have under way at once.
    pub concurrency: Option<NonZeroU32>,
    /// Requests that one credential may have in a minute.
    pub requests_per_minute: Option<NonZeroU32>,
    /// For how long a request waits for a credential where all are busy.
    pub lease_wait: Duration,
    /// How often an invalid credential is checked.
    pub check_interval: Duration,
}

/// One upstream.
#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    /// Its name, `[a-z0-9-]{1,32}`.
    pub name: String,
    /// Which protocol it speaks.
    pub kind: UpstreamKind,
    /// Where it is, as the operator wrote it; each adapter knows what to append. Of [`UpstreamKind::Local`] the model's file, as a
    /// `file:` URL.
    pub url: Url,
    /// The key that lets us in. `None`: it lets everybody in.
    pub api_key: Option<SecretString>,
    /// The cookies that let us in: each a session cookie's value, or a whole `Cookie` header.
    pub cookies: Vec<SecretString>,
    /// More of them, which somebody added: they are not tied to the configuration.
    pub added_cookies: Vec<SecretString>,
    /// The models it has. `None`: those that it lists.
    pub models: Option<Vec<String>>,
    /// Other names for its models.
    pub aliases: BTreeMap<String, String>,
    /// Lower comes first.
    pub priority: i32,
    /// Its share among those of equal priority. 0: none while another can.
    pub weight: u32,
    /// What a rate limit without a time does.
    pub cooldown: Option<Cooldown>,
    /// Whether it is left alone for a while where it keeps failing.
    pub has_breaker: bool,
    /// The proxy to reach it by, instead of the general ones.
    pub proxy: Option<Url>,
    /// Overrides [`Clocks::first_token`].
    pub first_token_timeout: Option<Duration>,
    /// Overrides [`Clocks::idle`].
    pub idle_timeout: Option<Duration>,
    /// Who searches the web for requests that only `web_search_options` marks.
    pub web_search: WebSearch,
    /// Whether it is told of the trace that a chat is part of. `None`: where it speaks OpenAI's API at an address of this machine or of
    /// a private network.
    pub propagate_trace: Option<bool>,
    /// How a chat-ui was set up. Other kinds don't look at it.
    pub chat_ui: ChatUiConfig,
}

/// Who searches the web for an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WebSearch {
    /// This program.
    #[default]
    Ours,
    /// The upstream, which is told what the client wants.
    Upstream,
}

/// How a chat-ui was set up, as far as its operator can change what a client must send.
#[derive(Debug, Clone)]
pub struct ChatUiConfig {
    /// The name of its session cookie.
    pub cookie_name: String,
    /// The address that it believes to have. `None`: the upstream's own.
    pub origin: Option<Url>,
    /// Headers for each request to it; their values may be secrets.
    pub headers: HeaderMap,
}

impl Default for ChatUiConfig {
    fn default() -> Self {
        Self {
            cookie_name: "hf-chat".to_owned(),
            origin: None,
            headers: HeaderMap::new(),
        }
    }
}

impl UpstreamConfig {
    /// An upstream that lets everybody in, and of which nothing else is said.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: UpstreamKind, url: Url) -> Self {
        Self {
            name: name.into(),
            kind,
            url,
            api_key: None,
            cookies: Vec::new(),
            added_cookies: Vec::new(),
            models: None,
            aliases: BTreeMap::new(),
            priority: 0,
            weight: 1,
            cooldown: None,
            has_breaker: true,
            proxy: None,
            first_token_timeout: None,
            idle_timeout: None,
            web_search: WebSearch::default(),
            propagate_trace: None,
            chat_ui: ChatUiConfig::default(),
        }
    }

    /// Whether it may be told of the trace that a chat is part of.
    pub(crate) fn may_know_trace(&self) -> bool {
        self.propagate_trace.unwrap_or_else(|| is_near(&self.url))
    }

    /// The credentials that stand in the configuration, as an upstream of this kind takes them.
    pub(crate) fn credentials(&self, kind: UpstreamKind) -> impl Iterator<Item = Credential> {
        let keys = self.api_key.iter().cloned().map(Credential::api_key);
        let cookies = self.cookies.iter();
        keys.chain(cookies.map(move |cookie| Credential::of_cookie(kind, cookie)))
    }

    /// Whether another differs from it in nothing but its credentials.
    pub(crate) fn is_set_up_like(&self, other: &Self) -> bool {
        let Self {
            name,
            kind,
            url,
            api_key: _,
            cookies: _,
            added_cookies: _,
            models,
            aliases,
            priority,
            weight,
            cooldown,
            has_breaker,
            proxy,
            first_token_timeout,
            idle_timeout,
            web_search,
            propagate_trace,
            chat_ui:
                ChatUiConfig {
                    cookie_name,
                    origin,
                    headers,
                },
        } = self;
        (name, kind, url, models, aliases)
            == (
                &other.name,
                &other.kind,
                &other.url,
                &other.models,
                &other.aliases,
            )
            && (priority, weight, cooldown, has_breaker, proxy)
                == (
                    &other.priority,
                    &other.weight,
                    &other.cooldown,
                    &other.has_breaker,
                    &other.proxy,
                )
            && (
                first_token_timeout,
                idle_timeout,
                web_search,
                propagate_trace,
            ) == (
                &other.first_token_timeout,
                &other.idle_timeout,
                &other.web_search,
                &other.propagate_trace,
            )
            && (cookie_name, origin, headers)
                == (
                    &other.chat_ui.cookie_name,
                    &other.chat_ui.origin,
                    &other.chat_ui.headers,
                )
    }

    /// The file of a local model.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        (self.url.scheme() == "file")
            .then(|| self.url.to_file_path().ok())
            .flatten()
    }

    /// Where it is, as people may see it: the address without userinfo, or a model's file.
    #[must_use]
    pub fn shown_address(&self) -> String {
        if let Some(path) = self.file() {
            return path.display().to_string();
        }
        without_userinfo(&self.url)
    }
}

/// Whether an address is one of this machine or of a private network, as far as can be told without asking for it: a name without a
/// dot is nobody's on the internet.
fn is_near(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(v4)) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        Some(Host::Ipv6(v6)) => {
            v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()
        }
        Some(Host::Domain(name)) => !name.contains('.') || name.ends_with(".localhost"),
        None => false,
    }
}

/// An address without user name and password.
pub(crate) fn without_userinfo(url: &Url) -> String {
    let mut url = url.clone();
    // Fails only for addresses that have no user info.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

/// What a rate limit without a time of its own does to a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cooldown {
    /// Nothing cools; the last answer is passed on unchanged.
    Off,
    /// It cools for this long.
    For(Duration),
}

/// Which protocol an upstream speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamKind {
    /// One of the others, which is asked of the upstream itself.
    Auto,
    /// OpenAI's chat completions.
    OpenAi,
    /// What the pages of the web app chat-ui speak with their server.
    ChatUi,
    /// None: a model on this machine's processor.
    Local,
}

impl UpstreamKind {
    /// The kind as the operator writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::OpenAi => "openai",
            Self::ChatUi => "chat-ui",
            Self::Local => "local",
        }
    }
}

/// The four clocks of a request.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    /// Until an attempt is connected.
    pub connect: Duration,
    /// From an attempt's send to its first meaningful event.
    pub first_token: Duration,
    /// Between two bytes after it.
    pub idle: Duration,
    /// For a request whose answer is not streamed, in all.
    pub request: Duration,
}

/// Proxies on the way to upstreams; `http`, `https` or `socks5h` addresses. Never used for loopback.
#[derive(Debug, Clone, Default)]
pub struct EgressProxies {
    /// For all upstreams, before those below.
    pub upstream: Option<Url>,
    /// For `https:` addresses.
    pub https: Option<Url>,
    /// For `http:` addresses.
    pub http: Option<Url>,
    /// For all addresses, after those above.
    pub all: Option<Url>,
    /// Hosts reached without the three above, in the customary form of `NO_PROXY`.
    pub no_proxy: Option<String>,
}

/// Who is let in.
#[derive(Debug, Clone)]
pub struct AccessConfig {
    /// Who may use the client endpoints.
    pub clients: ClientAccess,
    /// The key for administration; opens client endpoints too.
    pub admin_key: SecretString,
    /// What proves a gateway in a process of its own, beside the admin key. `None`: the admin key alone.
    pub core_key: Option<SecretString>,
    /// Who may read the metrics, beside the operator.
    pub metrics: MetricsAccess,
}

/// Who may read the metrics, beside the operator.
#[derive(Debug, Clone, Default)]
pub enum MetricsAccess {
    /// Nobody.
    #[default]
    Nobody,
    /// Whoever has this key.
    Key(SecretString),
    /// Everybody.
    Open,
}

/// Who may use the client endpoints.
#[derive(Debug, Clone)]
pub enum ClientAccess {
    /// Whoever has one of these keys.
    Keys(Vec<SecretString>),
    /// Loopback and private addresses, with any key or none.
    PrivateAddresses,
    /// Everybody.
    Open,
}

impl Config {
    /// Upstreams with settings that hinder no test and no measurement.
    pub(crate) fn of_upstreams(upstreams: Vec<UpstreamConfig>) -> Self {
        let second = Duration::from_secs(1);
        Self {
            upstreams,
            models: BTreeMap::new(),
            aliases: BTreeMap::new(),
            fallback_model: None,
            retry_attempts: NonZeroU32::new(3).expect("not zero"),
            clocks: Clocks {
                connect: second,
                first_token: 30 * second,
                idle: 10 * second,
                request: 100 * second,
            },
            cooldown: 60 * second,
            pool: PoolConfig {
                concurrency: None,
                requests_per_minute: None,
                lease_wait: 2 * second,
                check_interval: 1800 * second,
            },
            max_body_bytes: 1024,
            proxies: EgressProxies::default(),
            runtime_count: 1,
            access: AccessConfig {
                clients: ClientAccess::Open,
                admin_key: "admin-key".to_owned().into(),
                core_key: None,
                metrics: MetricsAccess::Nobody,
            },
            store: StoreConfig {
                file: PathBuf::new(),
                secret_key: SecretKeySource::File(PathBuf::new()),
            },
            search: SearchConfig::of_instances(Vec::new()),
            telemetry: TelemetryConfig::default(),
            authorization: AuthorizationConfig::default(),
        }
    }
}

impl SearchConfig {
    /// Searching at these instances, as by default.
    pub(crate) fn of_instances(instances: Vec<Url>) -> Self {
        Self {
            instances,
            is_default: false,
            result_count: 5,
            timeout: Duration::from_secs(5),
            language: SearchLanguage::Auto,
            is_rewritten: false,
            page_count: 0,
            skip: Vec::new(),
            has_block: true,
            is_for_all: false,
        }
    }
}

impl UpstreamConfig {
    /// An upstream with a name, and a list of models where it is given.
    pub(crate) fn named(name: &str, models: Option<&[&str]>) -> Self {
        let url = "http://127.0.0.1:9".parse().expect("valid");
        Self {
            models: models.map(|ids| ids.iter().map(|&id| id.to_owned()).collect()),
            ..Self::new(name, UpstreamKind::OpenAi, url)
        }
    }
}
