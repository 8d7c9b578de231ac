//! Taking over a changed configuration while running: on SIGHUP, and when the file has changed.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::Context;
use llm2api_core::{Core, config::Config as CoreConfig};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{MissedTickBehavior, interval},
};

use crate::{
    admin_key,
    config::{AdminKey, Configuration, Effective, Problem, environment},
};

/// How often it is looked whether the file has changed. By name: files that are mounted or edited are replaced, and are then others.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// The settings that are taken over; all others are what they were at the start.
const TAKEN_OVER: &[&str] = &[
    "ADMIN_KEY",
    "API_KEY",
    "AUTH_CHECK_INTERVAL",
    "AUTH_CODE",
    "AUTH_GRACE",
    "AUTH_INTROSPECTION_KEY",
    "AUTH_INTROSPECTION_URL",
    "AUTH_PUBLIC_KEY",
    "COOKIES",
    "CORE_KEY",
    "LOCAL_MODEL",
    "METRICS_KEY",
    "MODEL_ALIASES",
    "UPSTREAM_API_KEY",
    "UPSTREAM_KIND",
    "UPSTREAM_NAME",
    "UPSTREAM_URL",
];

/// Takes over what has changed in the configuration.
pub(crate) struct Reload {
    /// What `--config` gave.
    config_option: Option<PathBuf>,
    /// The file, where there is one.
    file: Option<PathBuf>,
    /// The settings as they were at the start.
    started_with: Vec<Effective>,
    runtime_count: usize,
    signals: Signal,
}

/// By what it is seen that a file has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    modified: SystemTime,
    size_bytes: u64,
}

impl Reload {
    /// Listens from now on for SIGHUP, instead of dying of it.
    ///
    /// # Errors
    ///
    /// What the system refuses.
    pub(crate) fn new(
        configuration: &Configuration,
        config_option: Option<PathBuf>,
        runtime_count: usize,
    ) -> std::io::Result<Self> {
        Ok(Self {
            config_option,
            file: configuration.settings.config.clone(),
            started_with: configuration.effective.clone(),
            runtime_count,
            signals: signal(SignalKind::hangup())?,
        })
    }

    /// Takes over each change, until it is dropped. A gateway alone has nothing that could be.
    pub(crate) async fn watch(mut self, core: Option<Core>) {
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut taken_over = self.look();
        let mut seen = taken_over;
        loop {
            tokio::select! {
                signal = self.signals.recv() => {
                    if signal.is_none() {
                        return;
                    }
                }
                _ = looks.tick(), if self.file.is_some() && core.is_some() => {
                    let last = std::mem::replace(&mut seen, self.look());
                    // Whoever still writes has changed it again at the next look.
                    if seen == taken_over || seen != last || seen.is_none() {
                        continue;
                    }
                }
            }
            seen = self.look();
            taken_over = seen;
            match &core {
                Some(core) => self.take_over(core).await,
                None => {
                    tracing::info!("SIGHUP: a gateway has no configuration that can be read anew")
                }
            }
        }
    }

    fn look(&self) -> Option<Look> {
        let metadata = fs::metadata(self.file.as_deref()?).ok()?;
        Some(Look {
            modified: metadata.modified().ok()?,
            size_bytes: metadata.len(),
        })
    }

    async fn take_over(&self, core: &Core) {
        let configuration = match self.read() {
            Ok(configuration) => configuration,
            Err(problems) => {
                for problem in problems {
                    tracing::error!("the configuration is faulty, and what was goes on: {problem}");
                }
                return;
            }
        };
        let reloaded = async {
            let config = core_config(&configuration, self.runtime_count)?;
            core.reload(&config).await?;
            anyhow::Ok(())
        };
        if let Err(error) = reloaded.await {
            tracing::error!(
                "the configuration can't be taken over, and what was goes on: {error:#}"
            );
            return;
        }
        for warning in &configuration.warnings {
            tracing::warn!("{warning}");
        }
        for name in self.left_out(&configuration.effective) {
            tracing::warn!("{name} has changed; that takes effect at the next start");
        }
        let upstreams = configuration.upstreams.len();
        tracing::info!(upstreams, "the configuration was read anew");
    }

    fn read(&self) -> Result<Configuration, Vec<Problem>> {
        let mut configuration = Configuration::load(&environment(), self.config_option.as_deref())?;
        configuration
            .add_local_model()
            .map_err(|problem| vec![problem])?;
        Ok(configuration)
    }

    /// The settings that have changed and are not taken over.
    fn left_out<'a>(&'a self, now: &'a [Effective]) -> impl Iterator<Item = &'static str> + 'a {
        now.iter()
            .filter(|effective| !TAKEN_OVER.contains(&effective.name))
            .filter(|effective| {
                let mut before = self.started_with.iter();
                before
                    .any(|before| before.name == effective.name && before.value != effective.value)
            })
            .map(|effective| effective.name)
    }
}

/// What the core is told, with the key for administration, which is made where there is none.
///
/// # Errors
///
/// Where that can't be read or made.
pub(crate) fn core_config(
    configuration: &Configuration,
    runtime_count: usize,
) -> anyhow::Result<CoreConfig> {
    let data_dir: &Path = &configuration.settings.data_dir;
    let admin_key = match configuration.admin_key() {
        AdminKey::Given(key) | AdminKey::FirstClientKey(key) => key,
        AdminKey::InDataDir => {
            admin_key::read_or_make(data_dir).context("there is no key for administration")?
        }
    };
    Ok(configuration.core(admin_key, runtime_count))
}
