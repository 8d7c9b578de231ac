//! One upstream as the core holds it: its adapter, its pool and its list of models.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    config::{Config, Cooldown, PoolConfig, UpstreamConfig, UpstreamKind},
    model_list::ModelList,
    pool::{NewCredential, Pool, Rules},
    upstream::{Credential, Failure, FailureKind, ListedModel, Upstream},
};

/// Credentials with which one list of models is asked for, where one after the other is refused.
const MAX_LISTINGS: usize = 3;
/// Requests that a session may have under way at once where the operator gives no limit: as a person with two tabs would.
const SESSION_CONCURRENCY: Option<NonZeroU32> = NonZeroU32::new(2);
/// After how long a session is checked that nobody uses: one of chat-ui ends after two weeks, and the check prolongs it.
const IDLE_CHECK: Duration = Duration::from_secs(24 * 60 * 60);

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
    /// Whether it is told of the trace that a chat is part of, if it speaks OpenAI's API or the operator wants it.
    may_know_trace: bool,
    usage_reporting: AtomicU8,
    /// Whether the upstream ever listed its models to a credential, so that its refusal to list them to another says something.
    pub(super) lists_models_to_some: AtomicBool,
    cooldown: Cooldown,
    pub(super) pool_config: PoolConfig,
    /// Who gave it.
    pub(crate) owner: Owner,
    /// Cancelled when it is gone: running answers finish, and nothing else is begun.
    pub(crate) retired: CancellationToken,
}

/// Who gave an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The configuration.
    Config,
    /// Somebody added it.
    User,
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

impl Entry {
    /// An upstream with these credentials; `models` are those that it listed when it was last asked.
    pub(crate) fn new(
        upstream: &UpstreamConfig,
        owner: Owner,
        config: &Config,
        adapter: Box<dyn Upstream>,
        credentials: Vec<NewCredential>,
        models: Option<Vec<ListedModel>>,
    ) -> Self {
        let cooldown = upstream.cooldown.unwrap_or(Cooldown::For(config.cooldown));
        let rules = rules(adapter.kind(), cooldown, config.pool);
        let pool = Arc::new(Pool::new(&upstream.name, rules, upstream.has_breaker));
        pool.add(credentials);
        Self {
            may_know_trace: upstream.may_know_trace(),
            adapter,
            pool,
            model_list: ModelList::new(upstream.models.as_deref(), models),
            first_token_timeout: upstream
                .first_token_timeout
                .unwrap_or(config.clocks.first_token),
            idle_timeout: upstream.idle_timeout.unwrap_or(config.clocks.idle),
            usage_reporting: AtomicU8::new(UsageReporting::Unknown as u8),
            lists_models_to_some: AtomicBool::new(false),
            cooldown,
            pool_config: config.pool,
            config: upstream.clone(),
            owner,
            retired: CancellationToken::new(),
        }
    }

    /// Whether it is told of the trace that a chat is part of.
    pub(crate) fn propagates_trace(&self) -> bool {
        let is_wanted = self.config.propagate_trace == Some(true);
        self.may_know_trace && (is_wanted || self.adapter.kind() == UpstreamKind::OpenAi)
    }

    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    /// The name of the cookie that is a session here, where one is.
    pub(crate) fn session_cookie(&self) -> Option<&str> {
        let name = self.config.chat_ui.cookie_name.as_str();
        (self.adapter.kind() == UpstreamKind::ChatUi).then_some(name)
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
            match self.list_models_with(&member.credential).await {
                Err(failure) if failure.kind == FailureKind::Unauthorized => {
                    refused = Some(failure)
                }
                listed => return listed,
            }
        }
        Err(refused.unwrap_or_else(|| Failure::new(FailureKind::Unauthorized, "no credential")))
    }

    pub(super) async fn list_models_with(
        &self,
        credential: &Credential,
    ) -> Result<Vec<ListedModel>, Failure> {
        let listed = self.adapter.list_models(credential).await;
        if listed.is_ok() && !credential.is_anonymous() {
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
        // A session's check costs one small request; elsewhere lists are compared, and the first request tells as well.
        checks_first: has_sessions,
        idle_check: has_sessions.then_some(IDLE_CHECK),
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
