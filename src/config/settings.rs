//! The settings: each declared here and nowhere else.

use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use llm2api_core::config::{Cooldown, SecretKey, WebSearch};
use secrecy::SecretString;

use super::{
    declaration::declare_settings,
    value::{
        Aliases, ApiPath, AuthorityKey, AuthorityUrl, ByteSize, ClientKeys, CookieName, Cookies,
        CoreUrl, CoreUrls, DatabaseFile, EntryKind, GrpcListen, Headers, HttpUrl, KindChoice,
        LanguageChoice, LogFilter, LogFormat, MetricsKey, ModelIds, ModelName, NoProxy, Origins,
        PageCount, PeerNetworks, PositiveDuration, ProxyUrl, ResultCount, RuntimeKind, SearxngUrls,
        SkippedTexts, Switch, UpstreamName,
    },
};

declare_settings! {
    /// All settings that a variable or the file's top level may give.
    pub(crate) struct Settings, table SETTINGS {
        /// HTTP address.
        listen: SocketAddr = "LISTEN", "0.0.0.0:9999";
        /// Changes only the port of `LISTEN`'s default, or of a `LISTEN` in the file.
        port: Option<u16> = "PORT", "–";
        /// gRPC address; `off` for none.
        grpc_listen: Option<GrpcListen> = "GRPC_LISTEN", "`127.0.0.1:50051`; `0.0.0.0:50051` for `core`";
        /// For `gateway`: the cores, in order of preference.
        core_url: Option<CoreUrls> = "CORE_URL", "–";
        /// What proves a `gateway` to the cores.
        core_key: Option<SecretString> = "CORE_KEY", "`ADMIN_KEY`'s value";
        /// What clients must send as bearer; several, comma-separated. Unset: open to loopback and private addresses with any key or none. `off`: open to all.
        api_key: Option<ClientKeys> = "API_KEY", "–";
        /// The key for administration; opens client endpoints too.
        admin_key: Option<SecretString> = "ADMIN_KEY", "the first of `API_KEY` unless that is `off`; else made, kept in `DATA_DIR/admin.key`";
        /// The key that reads `/metrics` and nothing else; `off` opens them to all. The admin key always may.
        metrics_key: Option<MetricsKey> = "METRICS_KEY", "`ADMIN_KEY`'s value";
        /// Secret prefix of one or more segments, under which everything but `/healthz` and `/readyz` lives.
        api_path: ApiPath = "API_PATH", "–";
        /// The authorization code by which this instance runs, where it is not its own authority.
        auth_code: Option<SecretString> = "AUTH_CODE", "–";
        /// What checks the code's signature: an Ed25519 public key in PEM, or the path of a file with one.
        auth_public_key: Option<AuthorityKey> = "AUTH_PUBLIC_KEY", "–";
        /// The service that is asked about the code (RFC 7662); an `http:` address must be on this machine.
        auth_introspection_url: Option<AuthorityUrl> = "AUTH_INTROSPECTION_URL", "–";
        /// What proves this instance to that service, as bearer.
        auth_introspection_key: Option<SecretString> = "AUTH_INTROSPECTION_KEY", "–";
        /// How often the code is checked; in whole seconds.
        auth_check_interval: PositiveDuration = "AUTH_CHECK_INTERVAL", "10m";
        /// For how long the last good answer holds while that service gives none.
        auth_grace: Duration = "AUTH_GRACE", "24h";
        /// One upstream without a file; beside a file it comes first. May end in `/`, `/v1` or `/v1/chat/completions`.
        upstream_url: Option<HttpUrl> = "UPSTREAM_URL", "–";
        /// The protocol that it speaks. `auto`: what it shows to speak; at an address that ends in a version, such as `/v1`, always `openai`.
        upstream_kind: KindChoice = "UPSTREAM_KIND", "auto";
        /// Its name, shown in `owned_by`; models may be asked for as `name/model`.
        upstream_name: UpstreamName = "UPSTREAM_NAME", "default";
        /// The key that lets us in there.
        upstream_api_key: Option<SecretString> = "UPSTREAM_API_KEY", "–";
        /// Credentials to add to the first upstream.
        cookies: Option<Cookies> = "COOKIES", "–";
        /// Other names for models.
        model_aliases: Aliases = "MODEL_ALIASES", "–";
        /// The model that answers instead when the asked one can't.
        fallback_model: Option<ModelName> = "FALLBACK_MODEL", "–";
        /// The GGUF file of the `local` upstream: a model on this machine's processor, asked for as `local` or by the file's name.
        local_model: Option<PathBuf> = "LOCAL_MODEL", "the newest `.gguf` in `DATA_DIR/models`; none there: no `local` upstream";
        /// Proxy for `https:` upstreams. `https_proxy` is read too.
        https_proxy: Option<ProxyUrl> = "HTTPS_PROXY", "–";
        /// Proxy for `http:` upstreams. `http_proxy` is read too.
        http_proxy: Option<ProxyUrl> = "HTTP_PROXY", "–";
        /// Proxy for all upstreams that neither of these two is for. `all_proxy` is read too.
        all_proxy: Option<ProxyUrl> = "ALL_PROXY", "–";
        /// Hosts that are reached without these three. `no_proxy` is read too.
        no_proxy: Option<NoProxy> = "NO_PROXY", "–";
        /// Proxy for all upstreams, before all of these; an upstream's own wins.
        upstream_proxy: Option<ProxyUrl> = "UPSTREAM_PROXY", "–";
        /// SearXNG instances that search the web for chats, in order of preference; `off`: nothing is searched. The default is a public one of somebody else's.
        searxng_url: SearxngUrls = "SEARXNG_URL", "https://sousuo.emoe.top";
        /// `true`: every `/v1/chat/completions` is searched for, not only those under `/web` and with `web_search_options`.
        tool_all_in_one: Switch = "TOOL_ALL_IN_ONE", "false";
        /// Results that an answer is given.
        search_results: ResultCount = "SEARCH_RESULTS", "5";
        /// A search, in all; after it the answer is given without.
        search_timeout: PositiveDuration = "SEARCH_TIMEOUT", "5s";
        /// The language of the results. `auto`: that of the message, as far as its script tells, else as SearXNG finds.
        search_language: LanguageChoice = "SEARCH_LANGUAGE", "auto";
        /// Whether the asked model writes the query, from the conversation; it costs a short answer of it.
        search_rewrite: Switch = "SEARCH_REWRITE", "false";
        /// How many of the results' pages are read, in place of the engines' snippets.
        search_fetch: PageCount = "SEARCH_FETCH", "0";
        /// Whether an answer begins with the results, as `<search>…</search>`.
        search_block: Switch = "SEARCH_BLOCK", "true";
        /// Texts by which a message is known that is not to be searched for, in any case of letters; beside those that chat clients send for titles, tags and follow-ups.
        search_skip: SkippedTexts = "SEARCH_SKIP", "none";
        /// Attempts a request, the first included.
        retry_attempts: NonZeroU32 = "RETRY_ATTEMPTS", "3";
        /// Until an attempt is connected.
        connect_timeout: PositiveDuration = "CONNECT_TIMEOUT", "5s";
        /// From an attempt's send to the first token.
        first_token_timeout: PositiveDuration = "FIRST_TOKEN_TIMEOUT", "5m";
        /// Silence after the first token.
        idle_timeout: PositiveDuration = "IDLE_TIMEOUT", "60s";
        /// A request whose answer is not streamed, in all. Streamed ones have no such bound.
        request_timeout: PositiveDuration = "REQUEST_TIMEOUT", "590s";
        /// For how long a credential is left alone after a rate limit that names no time.
        cooldown: Duration = "COOLDOWN", "60s";
        /// How often a credential that was refused is checked.
        cookie_check_interval: PositiveDuration = "COOKIE_CHECK_INTERVAL", "30m";
        /// Requests that one credential may have under way at once.
        cookie_concurrency: Option<NonZeroU32> = "COOKIE_CONCURRENCY", "`chat-ui` 2, others unlimited";
        /// Requests that one credential may have in a minute.
        cookie_rpm: Option<NonZeroU32> = "COOKIE_RPM", "unlimited";
        /// For how long a request waits for a credential, where all are busy.
        lease_wait: Duration = "LEASE_WAIT", "2s";
        /// The largest body that a request may have.
        max_body: ByteSize = "MAX_BODY", "32MiB";
        /// Silence on a stream after which a comment is sent.
        keepalive: PositiveDuration = "KEEPALIVE", "15s";
        /// Origins whose pages may call the client endpoints.
        cors_origins: Origins = "CORS_ORIGINS", "*";
        /// Peers whose `X-Forwarded-For` is believed: its right-most entry outside them is the client.
        trusted_proxies: PeerNetworks = "TRUSTED_PROXIES", "none";
        /// After SIGTERM: for how long new requests are still served.
        drain_delay: Duration = "DRAIN_DELAY", "5s";
        /// After that: for how long running answers may go on.
        drain_timeout: Duration = "DRAIN_TIMEOUT", "20s";
        /// `per-core`, or `shared` (one work-stealing runtime).
        runtime: RuntimeKind = "RUNTIME", "per-core";
        /// How many threads answer requests.
        workers: Option<NonZeroUsize> = "WORKERS", "the machine's cores";
        /// The TOML file with settings, upstreams and models.
        config: Option<PathBuf> = "CONFIG", "–";
        /// For the command line only: the running instance.
        llm2api_url: CoreUrl = "LLM2API_URL", "http://127.0.0.1:50051";
        /// Where all state is kept.
        data_dir: PathBuf = "DATA_DIR", "./data";
        /// The SQLite database with the state.
        database_url: Option<DatabaseFile> = "DATABASE_URL", "`sqlite:DATA_DIR/llm2api.db`";
        /// What encrypts credentials in it.
        secret_key: Option<SecretKey> = "SECRET_KEY", "made on the first start, kept in `DATA_DIR/secret.key`";
        /// Which log lines go to standard error. Libraries' own stay at `warn` unless named: `info,hyper=debug`.
        log: LogFilter = "LOG", "info";
        /// `text`, or `json`.
        log_format: LogFormat = "LOG_FORMAT", "text";
    }
}

declare_settings! {
    /// What an `[[upstreams]]` entry of the file may give.
    pub(crate) struct UpstreamSettings, table UPSTREAM_SETTINGS {
        /// The upstream's name, shown in `owned_by`; models may be asked for as `name/model`. Required, but where `kind` is `local`: `local` then.
        name: Option<UpstreamName> = "NAME", "–";
        /// The protocol that it speaks. `auto`: what it shows to speak; at an address that ends in a version, such as `/v1`, always `openai`. `local`: the model of `LOCAL_MODEL`.
        kind: EntryKind = "KIND", "auto";
        /// Where it is. May end in `/`, `/v1` or `/v1/chat/completions`. Required, but where `kind` is `local`.
        url: Option<HttpUrl> = "URL", "–";
        /// The key that lets us in.
        api_key: Option<SecretString> = "API_KEY", "–";
        /// Sessions that let us in, in place of a key: each a `Cookie` header, `name=value; …`; of a `chat-ui` also the session cookie's value alone.
        cookies: Option<Cookies> = "COOKIES", "–";
        /// The models that it has.
        models: Option<ModelIds> = "MODELS", "those that it lists";
        /// Other names for its models.
        aliases: Aliases = "ALIASES", "–";
        /// Lower comes first; equal ones share the load by weight.
        priority: Option<i32> = "PRIORITY", "0; of a `local` one after all others";
        /// Its share among those of equal priority.
        weight: u32 = "WEIGHT", "1";
        /// What a rate limit that names no time does. `off`: nothing cools, the last answer is passed on unchanged.
        cooldown: Option<Cooldown> = "COOLDOWN", "the setting `COOLDOWN`";
        /// `off`: it is asked however often it fails in a row.
        breaker: Switch = "BREAKER", "on";
        /// The proxy to reach it by, instead of the general ones.
        proxy: Option<ProxyUrl> = "PROXY", "–";
        /// Overrides the setting of the same name.
        first_token_timeout: Option<PositiveDuration> = "FIRST_TOKEN_TIMEOUT", "the setting `FIRST_TOKEN_TIMEOUT`";
        /// Overrides the setting of the same name.
        idle_timeout: Option<PositiveDuration> = "IDLE_TIMEOUT", "the setting `IDLE_TIMEOUT`";
        /// Who searches the web for requests that only `web_search_options` marks. `upstream`: the field is passed on, and nothing is searched here.
        web_search: WebSearch = "WEB_SEARCH", "ours";
        /// Whether it is told of the trace that a chat is part of (`traceparent`).
        propagate_trace: Option<Switch> = "PROPAGATE_TRACE", "`on` where it speaks OpenAI's API at an address of this machine or of a private network";
        /// Of a `chat-ui`: the name of its session cookie.
        cookie_name: CookieName = "COOKIE_NAME", "hf-chat";
        /// Of a `chat-ui`: its public address, where `url` is another.
        origin: Option<HttpUrl> = "ORIGIN", "the address of `url`";
        /// Of a `chat-ui`: headers for each request to it, such as those that an authenticating proxy wants.
        headers: Headers = "HEADERS", "–";
    }
}

declare_settings! {
    /// What a `[models.NAME]` table of the file may give.
    pub(crate) struct ModelSettings, table MODEL_SETTINGS {
        /// The models that answer under this name, each as `upstream/model`, in order of preference. Required.
        targets: Option<ModelIds> = "TARGETS", "–";
    }
}

/// Settings that later versions will use: known here, so that an environment written for them starts and says what it lacks.
pub(crate) const LATER_SETTINGS: &[&str] = &["TLS_CERT", "TLS_CLIENT_CA", "TLS_KEY"];

/// The setting whose variable has no second prefix.
pub(crate) const OWN_PREFIX_SETTING: &str = "LLM2API_URL";

/// Settings whose variables are customary in lower case too.
pub(crate) const LOWER_CASE_SETTINGS: &[&str] =
    &["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"];
