//! The upstreams as the core holds them: each one's adapter, its pool and its list of models.

mod checks;

use std::{
    collections::HashSet,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;

use crate::{
    config::{Config, Cooldown, PoolConfig, UpstreamConfig, UpstreamKind},
    core::CoreError,
    model_list::ModelList,
    pool::{CredentialId, CredentialSource, Member, NewCredential, Pool, Rules},
    upstream::{self, Credential, Failure, FailureKind, ListedModel, Upstream},
};

/// For how long those who ask first wait for lists that nobody has seen yet: a server that is there answers within it, and one that
/// is not must not hold up the models of the others.
const FIRST_LISTS_TIMEOUT: Duration = Duration::from_secs(2);

/// Credentials with which one list of models is asked for, where one after the other is refused.
const MAX_LISTINGS: usize = 3;
/// Requests that a session may have under way at once where the operator gives no limit: as a person with two tabs would.
const SESSION_CONCURRENCY: Option<NonZeroU32> = NonZeroU32::new(2);
/// After how long a session is checked that nobody uses: one of chat-ui ends after two weeks, and the check prolongs it.
const IDLE_CHECK: Duration = Duration::from_secs(24 * 60 * 60);
/// All upstreams, in the operator's order.
#[derive(Debug)]
pub(crate) struct Registry {
    entries: Vec<Arc<Entry>>,
}

/// One upstream.
pub(crate) struct Entry {
    pub(crate) config: UpstreamConfig,
    pub(crate) adapter: Box<dyn Upstream>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) model_list: ModelList,
    /// From an attempt's send to its first meaningful event.
    pub(crate) first_token_timeout: Duration,
    /// Between two bytes after it.
    pub(crate) idle_timeout: Duration,
    usage_reporting: AtomicU8,
    /// Whether the upstream ever listed its models to a credential, so that its refusal to list them to another says something.
    lists_models_to_some: AtomicBool,
    cooldown: Cooldown,
    pool_config: PoolConfig,
}

/// Whether an upstream says what an answer cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum UsageReporting {
    /// No answer has been complete yet.
    Unknown,
    /// The last answer said it.
    Reported,
    /// The last answer didn't.
    Silent,
}

impl Registry {
    pub(crate) fn new(config: &Config) -> Result<Self, CoreError> {
        let entries = config
            .upstreams
            .iter()
            .map(|upstream| Entry::new(upstream, config).map(Arc::new))
            .collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }

    /// A registry over adapters of the tests' own, one for each configured upstream.
    #[cfg(test)]
    pub(crate) fn with_adapters(config: &Config, adapters: Vec<Box<dyn Upstream>>) -> Self {
        let entries = config.upstreams.iter().zip(adapters);
        Self {
            entries: entries
                .map(|(upstream, adapter)| Arc::new(Entry::with_adapter(upstream, config, adapter)))
                .collect(),
        }
    }

    pub(crate) fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    /// Waits until every upstream has been asked for its models once, at most for a moment: right after the start nothing is known.
    pub(crate) async fn first_lists(&self) {
        let untried = self
            .entries
            .iter()
            .filter(|entry| entry.model_list.is_untried());
        // Whoever asked meanwhile is not asked again.
        let asked = join_all(untried.map(|entry| entry.refresh_models(Duration::MAX)));
        // Who took longer is asked on by the task that keeps the lists fresh.
        let _ = tokio::time::timeout(FIRST_LISTS_TIMEOUT, asked).await;
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Entry>> {
        self.entries.iter().find(|entry| entry.config.name == name)
    }
}

impl Entry {
    fn new(upstream: &UpstreamConfig, config: &Config) -> Result<Self, CoreError> {
        let adapter =
            upstream::connect(upstream, config).map_err(|source| CoreError::Upstream {
                name: upstream.name.clone(),
                source,
            })?;
        Ok(Self::with_adapter(upstream, config, adapter))
    }

    fn with_adapter(
        upstream: &UpstreamConfig,
        config: &Config,
        adapter: Box<dyn Upstream>,
    ) -> Self {
        let cooldown = upstream.cooldown.unwrap_or(Cooldown::For(config.cooldown));
        let rules = rules(adapter.kind(), cooldown, config.pool);
        let pool = Arc::new(Pool::new(&upstream.name, rules, upstream.has_breaker));
        pool.add(members(upstream, adapter.kind()));
        Self {
            adapter,
            pool,
            model_list: ModelList::new(upstream.models.as_deref()),
            first_token_timeout: upstream
                .first_token_timeout
                .unwrap_or(config.clocks.first_token),
            idle_timeout: upstream.idle_timeout.unwrap_or(config.clocks.idle),
            usage_reporting: AtomicU8::new(UsageReporting::Unknown as u8),
            lists_models_to_some: AtomicBool::new(false),
            cooldown,
            pool_config: config.pool,
            config: upstream.clone(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    pub(crate) fn usage_reporting(&self) -> UsageReporting {
        match self.usage_reporting.load(Ordering::Relaxed) {
            0 => UsageReporting::Unknown,
            1 => UsageReporting::Reported,
            _ => UsageReporting::Silent,
        }
    }

    pub(crate) fn note_usage_reporting(&self, reporting: UsageReporting) {
        // Read first: all answers of one upstream say the same, and a write takes the cache line from the other cores.
        if self.usage_reporting() != reporting {
            self.usage_reporting
                .store(reporting as u8, Ordering::Relaxed);
        }
    }

    /// Asks the upstream for its models, unless the list is younger than `max_age` or the operator gave it.
    pub(crate) async fn refresh_models(&self, max_age: Duration) {
        self.model_list
            .refresh(max_age, || self.list_models())
            .await;
        // Whoever answers shows what it is.
        let rules = rules(self.adapter.kind(), self.cooldown, self.pool_config);
        self.pool.set_rules(rules);
    }

    /// Asks for the models with one credential after another, until one is let in.
    async fn list_models(&self) -> Result<Vec<ListedModel>, Failure> {
        let mut refused = None;
        for member in self.pool.in_turn(MAX_LISTINGS) {
            match self.list_models_with(&member).await {
                Err(failure) if failure.kind == FailureKind::Unauthorized => {
                    refused = Some(failure)
                }
                listed => return listed,
            }
        }
        Err(refused.unwrap_or_else(|| Failure::new(FailureKind::Unauthorized, "no credential")))
    }

    async fn list_models_with(&self, member: &Member) -> Result<Vec<ListedModel>, Failure> {
        let listed = self.adapter.list_models(&member.credential).await;
        if listed.is_ok() && !member.credential.is_anonymous() {
            self.lists_models_to_some.store(true, Ordering::Relaxed);
        }
        listed
    }
}

/// How the credentials of an upstream are used. One that has not shown yet what it is gets no limit of its own.
fn rules(kind: UpstreamKind, cooldown: Cooldown, config: PoolConfig) -> Rules {
    let has_sessions = match kind {
        UpstreamKind::ChatUi => true,
        // A local model has a queue of its own.
        UpstreamKind::Auto | UpstreamKind::OpenAi | UpstreamKind::Local => false,
    };
    let usual_concurrency = SESSION_CONCURRENCY.filter(|_| has_sessions);
    Rules {
        cooldown,
        concurrency: config.concurrency.or(usual_concurrency),
        requests_per_minute: config.requests_per_minute,
        counts_by_address: has_sessions,
        idle_check: has_sessions.then_some(IDLE_CHECK),
    }
}

/// The credentials of an upstream; one that has none is asked without.
fn members(upstream: &UpstreamConfig, shown: UpstreamKind) -> Vec<NewCredential> {
    let cookie = |cookie| Credential::of_cookie(shown, cookie);
    let keys = upstream
        .api_key
        .iter()
        .map(|key| Credential::api_key(key.clone()));
    let configured = keys.chain(upstream.cookies.iter().map(cookie));
    let added = upstream.added_cookies.iter().map(cookie);
    let given = configured
        .map(|credential| (credential, CredentialSource::Config))
        .chain(added.map(|credential| (credential, CredentialSource::User)));
    let mut seen = HashSet::new();
    given
        .filter(|(credential, _)| seen.insert(credential.secret().map(str::to_owned)))
        .map(|(credential, source)| {
            NewCredential::unknown(Member {
                id: CredentialId::new(),
                credential,
                source,
            })
        })
        .collect()
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Entry")
            .field("name", &self.config.name)
            .finish_non_exhaustive()
    }
}
