//! What the parts of the process are told, made from the settings.

use std::{net::SocketAddr, num::NonZeroUsize, thread};

use http::Uri;
use llm2api_core::config::{
    AccessConfig, AuthorizationConfig, ClientAccess, Clocks, Config as CoreConfig, EgressProxies,
    IntrospectionConfig, MetricsAccess, PoolConfig, SearchConfig, SecretKeySource, StoreConfig,
    TelemetryConfig,
};
use llm2api_gateway::config::Config as GatewayConfig;
use secrecy::SecretString;

use super::{
    ClientKeys, Configuration, GrpcListen, Problem,
    value::{AuthorityUrl, CoreUrl, MetricsKey},
};

/// Which parts of llm2api a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Gateway and core.
    Serve,
    /// The core alone.
    Core,
    /// The gateway alone.
    Gateway,
}

/// Where the key for administration comes from.
#[derive(Debug, Clone)]
pub(crate) enum AdminKey {
    /// `ADMIN_KEY`.
    Given(SecretString),
    /// The first of `API_KEY`.
    FirstClientKey(SecretString),
    /// The file `admin.key` in `DATA_DIR`, made where there is none.
    InDataDir,
}

impl Role {
    /// What a process of this role is called in spans, where the operator doesn't say.
    pub(crate) fn service_name(self) -> &'static str {
        match self {
            Self::Serve => "llm2api",
            Self::Core => "llm2api-core",
            Self::Gateway => "llm2api-gateway",
        }
    }
}

impl Configuration {
    /// Where the key for administration comes from.
    pub(crate) fn admin_key(&self) -> AdminKey {
        if let Some(key) = &self.settings.admin_key {
            return AdminKey::Given(key.clone());
        }
        match self.settings.api_key.as_ref().and_then(ClientKeys::first) {
            Some(key) => AdminKey::FirstClientKey(key.clone()),
            None => AdminKey::InDataDir,
        }
    }

    /// What proves a gateway to its cores.
    ///
    /// # Errors
    ///
    /// Tells which settings may give it, where none does: a gateway has no `DATA_DIR`.
    pub(crate) fn core_key(&self) -> Result<SecretString, Problem> {
        if let Some(key) = &self.settings.core_key {
            return Ok(key.clone());
        }
        match self.admin_key() {
            AdminKey::Given(key) | AdminKey::FirstClientKey(key) => Ok(key),
            AdminKey::InDataDir => Err(Problem::new(
                "CORE_KEY",
                "missing; a gateway needs what proves it to the core: CORE_KEY, or the core's ADMIN_KEY or API_KEY",
            )),
        }
    }

    /// The cores of a gateway in a process of its own, in order of preference.
    ///
    /// # Errors
    ///
    /// Where `CORE_URL` is missing or unfit.
    pub(crate) fn core_uris(&self) -> Result<Vec<Uri>, Problem> {
        let Some(urls) = &self.settings.core_url else {
            return Err(Problem::new(
                "CORE_URL",
                "missing; a gateway needs the core's gRPC address, such as http://10.0.0.5:50051",
            ));
        };
        urls.0
            .iter()
            .map(|CoreUrl(url)| {
                url.as_str()
                    .parse()
                    .map_err(|error| Problem::new("CORE_URL", format!("{url}: {error}")))
            })
            .collect()
    }

    /// Which settings are given in vain to a process of this role; one line each.
    pub(crate) fn settings_in_vain(&self, role: Role) -> Vec<String> {
        let mut warnings = Vec::new();
        if role != Role::Gateway && self.settings.core_url.is_some() {
            warnings.push("CORE_URL has no effect here: only `llm2api gateway` uses it".to_owned());
        }
        if role == Role::Gateway && !self.upstreams.is_empty() {
            warnings.push("upstreams have no effect here: only the core uses them".to_owned());
        }
        if role == Role::Gateway && self.settings.local_model.is_some() {
            warnings.push("LOCAL_MODEL has no effect here: only the core uses it".to_owned());
        }
        warnings
    }

    /// Where gRPC is served.
    ///
    /// # Errors
    ///
    /// Where a core alone is told to listen nowhere.
    pub(crate) fn grpc_address(&self, role: Role) -> Result<Option<SocketAddr>, Problem> {
        let default_ip = match role {
            Role::Gateway => return Ok(None),
            Role::Serve => [127, 0, 0, 1],
            Role::Core => [0, 0, 0, 0],
        };
        match (self.settings.grpc_listen, role) {
            (Some(GrpcListen::At(address)), _) => Ok(Some(address)),
            (Some(GrpcListen::Off), Role::Core) => Err(Problem::new(
                "GRPC_LISTEN",
                "a core alone has nothing but gRPC; set an address",
            )),
            (Some(GrpcListen::Off), _) => Ok(None),
            (None, _) => Ok(Some((default_ip, DEFAULT_GRPC_PORT).into())),
        }
    }

    /// How many threads answer requests.
    pub(crate) fn worker_count(&self) -> usize {
        self.settings
            .workers
            .or_else(|| thread::available_parallelism().ok())
            .map_or(1, NonZeroUsize::get)
    }

    /// What the core is told.
    pub(crate) fn core(&self, admin_key: SecretString, runtime_count: usize) -> CoreConfig {
        let settings = &self.settings;
        CoreConfig {
            upstreams: self.upstreams.clone(),
            models: self.models.clone(),
            aliases: settings.model_aliases.0.clone(),
            fallback_model: settings.fallback_model.clone().map(|model| model.0),
            retry_attempts: settings.retry_attempts,
            clocks: Clocks {
                connect: settings.connect_timeout.0,
                first_token: settings.first_token_timeout.0,
                idle: settings.idle_timeout.0,
                request: settings.request_timeout.0,
            },
            cooldown: settings.cooldown,
            pool: PoolConfig {
                concurrency: settings.cookie_concurrency,
                requests_per_minute: settings.cookie_rpm,
                lease_wait: settings.lease_wait,
                check_interval: settings.cookie_check_interval.0,
            },
            max_body_bytes: settings.max_body.0,
            proxies: EgressProxies {
                upstream: settings.upstream_proxy.clone().map(|proxy| proxy.0),
                https: settings.https_proxy.clone().map(|proxy| proxy.0),
                http: settings.http_proxy.clone().map(|proxy| proxy.0),
                all: settings.all_proxy.clone().map(|proxy| proxy.0),
                no_proxy: settings.no_proxy.clone().map(|hosts| hosts.0),
            },
            runtime_count,
            access: AccessConfig {
                clients: match &settings.api_key {
                    None => ClientAccess::PrivateAddresses,
                    Some(ClientKeys::Off) => ClientAccess::Open,
                    Some(ClientKeys::Keys(keys)) => ClientAccess::Keys(keys.clone()),
                },
                admin_key,
                core_key: settings.core_key.clone(),
                metrics: match &settings.metrics_key {
                    None => MetricsAccess::Nobody,
                    Some(MetricsKey::Off) => MetricsAccess::Open,
                    Some(MetricsKey::Key(key)) => MetricsAccess::Key(key.clone()),
                },
            },
            store: self.store(),
            search: self.search(),
            telemetry: TelemetryConfig::default(),
            authorization: self.authorization(),
        }
    }

    /// What entitles the core to run.
    fn authorization(&self) -> AuthorizationConfig {
        let settings = &self.settings;
        let url = settings.auth_introspection_url.clone();
        AuthorizationConfig {
            code: settings.auth_code.clone(),
            public_key: settings.auth_public_key.map(|key| key.0),
            introspection: url.map(|AuthorityUrl(url)| IntrospectionConfig {
                url,
                key: settings.auth_introspection_key.clone(),
            }),
            check_interval: settings.auth_check_interval.0,
            grace: settings.auth_grace,
        }
    }

    /// How the core searches the web.
    fn search(&self) -> SearchConfig {
        let settings = &self.settings;
        SearchConfig {
            instances: settings.searxng_url.0.clone(),
            is_default: settings.searxng_url.is_default(),
            result_count: settings.search_results.0,
            timeout: settings.search_timeout.0,
            language: settings.search_language.0.clone(),
            is_rewritten: settings.search_rewrite.0,
            page_count: settings.search_fetch.0,
            skip: settings.search_skip.0.clone(),
            has_block: settings.search_block.0,
            is_for_all: settings.tool_all_in_one.0,
        }
    }

    /// Where the core keeps what must survive.
    pub(crate) fn store(&self) -> StoreConfig {
        let settings = &self.settings;
        StoreConfig {
            file: match &settings.database_url {
                Some(database) => database.0.clone(),
                None => settings.data_dir.join("llm2api.db"),
            },
            secret_key: match &settings.secret_key {
                Some(key) => SecretKeySource::Given(key.clone()),
                None => SecretKeySource::File(settings.data_dir.join("secret.key")),
            },
        }
    }

    /// What the gateway is told; the cores' addresses where they are other processes.
    pub(crate) fn gateway(&self, core_uris: &[Uri]) -> GatewayConfig {
        let settings = &self.settings;
        GatewayConfig {
            api_path: settings.api_path.0.clone(),
            max_body_bytes: settings.max_body.0,
            keepalive: settings.keepalive.0,
            cors_origins: settings.cors_origins.0.clone(),
            trusted_proxies: settings.trusted_proxies.0.clone(),
            core_urls: core_uris.iter().map(ToString::to_string).collect(),
        }
    }
}

/// The port that gRPC's examples use.
const DEFAULT_GRPC_PORT: u16 = 50051;
