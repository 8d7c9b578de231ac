//! Clients that hang up in the middle of a stream, by the thousand, beside others that stay.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    client::{Connection, Question},
    deployment::{Deployment, Kind, Parts},
    load,
    rounds::PACED_STREAMS,
    script::Script,
    upstream::ScriptedUpstream,
};

/// Clients that hang up.
pub(crate) const DEPARTURES: usize = 10_000;
/// How many of them are there at once.
const AT_ONCE: usize = 64;
/// How long the memory may take to come back.
const RECOVERY_LIMIT: Duration = Duration::from_secs(60);
/// How far it has to come back.
const RECOVERED: f64 = 1.2;

/// What the hang-ups did.
#[derive(Debug)]
pub(crate) struct Departures {
    /// Which deployment.
    pub(crate) kind: Kind,
    /// Answers that the others got meanwhile, all right.
    pub(crate) steady_answers: u64,
    /// Memory before, in bytes.
    pub(crate) before_bytes: u64,
    /// Memory when it had come back, or when the time was up.
    pub(crate) after_bytes: u64,
    /// How long that took.
    pub(crate) recovery: Duration,
    /// How long after the last hang-up the upstream still gave answers to nobody.
    pub(crate) upstream_freed: Option<Duration>,
    /// What went wrong on the streams that stayed.
    pub(crate) error: Option<String>,
}

impl Departures {
    /// Whether nothing else came to harm.
    pub(crate) fn is_success(&self) -> bool {
        self.error.is_none()
            && self.upstream_freed.is_some()
            && self.after_bytes as f64 <= self.before_bytes as f64 * RECOVERED
    }
}

/// Starts a deployment and hangs up on it.
///
/// # Errors
///
/// Where it doesn't start, or can't be looked into.
pub(crate) async fn run(
    kind: Kind,
    parts: &Parts,
    upstream: &ScriptedUpstream,
) -> Result<Departures> {
    let deployment = Deployment::start(kind, parts).await?;
    let stop = CancellationToken::new();
    let question = Question::new(Script::Paced, true);
    let steady = load::closed_loop(
        deployment.address,
        &question,
        PACED_STREAMS,
        Duration::from_secs(1),
        stop.clone(),
    );
    let hanging_up = async {
        sleep(Duration::from_secs(3)).await;
        let before_bytes = deployment.memory_bytes()?;
        let left = hang_up(&deployment).await;
        let freed = wait_until_free(upstream).await;
        let (after_bytes, recovery) = wait_for_memory(&deployment, before_bytes).await?;
        stop.cancel();
        anyhow::Ok((before_bytes, after_bytes, recovery, freed, left))
    };
    let (steady, hung_up) = tokio::join!(steady, hanging_up);
    let (before_bytes, after_bytes, recovery, upstream_freed, left) = hung_up?;
    Ok(Departures {
        kind,
        steady_answers: *steady.as_ref().unwrap_or(&0),
        before_bytes,
        after_bytes,
        recovery,
        upstream_freed,
        error: left
            .and(steady.map(drop))
            .err()
            .map(|error| format!("{error:#}")),
    })
}

/// Begins streams and leaves them after the first token, by a FIN and by a reset in turn.
async fn hang_up(deployment: &Deployment) -> Result<()> {
    let question = Arc::new(Question::new(Script::Paced, true));
    let next = Arc::new(AtomicUsize::new(0));
    let address = deployment.address;
    let mut clients = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (question, next) = (Arc::clone(&question), Arc::clone(&next));
        clients.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= DEPARTURES {
                    return anyhow::Ok(());
                }
                let mut connection = Connection::open(address).await?;
                connection.begin(&question).await?;
                connection.leave(number % 2 == 0)?;
            }
        });
    }
    while let Some(left) = clients.join_next().await {
        left??;
    }
    Ok(())
}

/// How long until the upstream answers nobody but those that stay. `None`: a second was not enough.
async fn wait_until_free(upstream: &ScriptedUpstream) -> Option<Duration> {
    let begin = Instant::now();
    while upstream.open_answers() > PACED_STREAMS as usize {
        if begin.elapsed() > Duration::from_secs(1) {
            return None;
        }
        sleep(Duration::from_millis(5)).await;
    }
    Some(begin.elapsed())
}

async fn wait_for_memory(deployment: &Deployment, before_bytes: u64) -> Result<(u64, Duration)> {
    let begin = Instant::now();
    loop {
        let bytes = deployment.memory_bytes()?;
        if bytes as f64 <= before_bytes as f64 * RECOVERED || begin.elapsed() > RECOVERY_LIMIT {
            return Ok((bytes, begin.elapsed()));
        }
        sleep(Duration::from_secs(1)).await;
    }
}
