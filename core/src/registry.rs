//! The upstreams as the core holds them: each one's adapter, its pool and its list of models.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;

use crate::{
    config::{Config, Cooldown, UpstreamConfig},
    core::CoreError,
    model_list::ModelList,
    pool::Pool,
    upstream::{self, Credential, Upstream},
};

/// For how long those who ask first wait for lists that nobody has seen yet: a server that is there answers within it, and one that
/// is not must not hold up the models of the others.
const FIRST_LISTS_TIMEOUT: Duration = Duration::from_secs(2);

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
        let credential = match (&upstream.api_key, upstream.cookies.first()) {
            (Some(key), _) => Credential::ApiKey(key.clone()),
            (None, Some(cookie)) => Credential::of_cookie(upstream.kind, cookie),
            (None, None) => Credential::Anonymous,
        };
        let cooldown = upstream.cooldown.unwrap_or(Cooldown::For(config.cooldown));
        Self {
            adapter,
            pool: Arc::new(Pool::new(credential, cooldown)),
            model_list: ModelList::new(upstream.models.as_deref()),
            first_token_timeout: upstream
                .first_token_timeout
                .unwrap_or(config.clocks.first_token),
            idle_timeout: upstream.idle_timeout.unwrap_or(config.clocks.idle),
            usage_reporting: AtomicU8::new(UsageReporting::Unknown as u8),
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
            .refresh(max_age, || self.adapter.list_models(self.pool.credential()))
            .await;
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Entry")
            .field("name", &self.config.name)
            .finish_non_exhaustive()
    }
}
