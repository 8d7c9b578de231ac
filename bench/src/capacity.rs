//! How many streams a deployment holds at once, every token in time.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use tokio::{
    task::JoinSet,
    time::{Instant, interval, sleep_until},
};

use crate::{
    client::{Connection, Question},
    deployment::{Deployment, Kind, Parts},
    script::Script,
    upstream::ScriptedUpstream,
};

/// The streams begin spread over this time, and each lasts several times as long.
const RAMP: Duration = Duration::from_secs(4);
/// All but one in a hundred tokens come at most this much later than the first one makes expect: nobody notices.
const MOST_LATE: Duration = Duration::from_millis(250);

/// What holding many streams at once showed.
#[derive(Debug)]
pub(crate) struct Held {
    /// How many were asked for.
    pub(crate) stream_count: usize,
    /// How many were open at the same time.
    pub(crate) peak: usize,
    /// How late all but one in a hundred tokens came at most.
    pub(crate) late_p99: Duration,
    /// The first thing that went wrong.
    pub(crate) error: Option<String>,
}

impl Held {
    /// Whether all were held.
    pub(crate) fn is_success(&self) -> bool {
        self.error.is_none() && self.peak >= self.stream_count && self.late_p99 <= MOST_LATE
    }
}

/// Asks a fresh deployment for the most streams first, and for fewer where it doesn't hold them.
///
/// # Errors
///
/// Where the deployment doesn't start.
pub(crate) async fn most_held(
    kind: Kind,
    script: Script,
    stream_counts: &[usize],
    parts: &Parts,
    upstream: &ScriptedUpstream,
) -> Result<Vec<Held>> {
    let mut tried = Vec::new();
    for stream_count in stream_counts {
        let deployment = Deployment::start(kind, parts).await?;
        let held = hold(&deployment, script, *stream_count, upstream).await;
        let success = held.is_success();
        tried.push(held);
        if success {
            break;
        }
    }
    Ok(tried)
}

async fn hold(
    deployment: &Deployment,
    script: Script,
    stream_count: usize,
    upstream: &ScriptedUpstream,
) -> Held {
    let begin = Instant::now();
    let question = Arc::new(Question::new(script, true));
    let address = deployment.address;
    let mut streams = JoinSet::new();
    for index in 0..stream_count {
        let question = Arc::clone(&question);
        let due = begin + RAMP.mul_f64(index as f64 / stream_count as f64);
        streams.spawn(async move {
            sleep_until(due).await;
            let mut connection = Connection::open(address).await?;
            follow(&mut connection, &question, script).await
        });
    }

    let mut held = Held {
        stream_count,
        peak: 0,
        late_p99: Duration::ZERO,
        error: None,
    };
    let mut delays = Vec::new();
    let mut looks = interval(Duration::from_millis(50));
    loop {
        tokio::select! {
            _ = looks.tick() => held.peak = held.peak.max(upstream.open_answers()),
            ended = streams.join_next() => match ended {
                None => break,
                Some(Ok(Ok(stream_delays))) => delays.extend(stream_delays),
                Some(Ok(Err(error))) => {
                    held.error.get_or_insert(format!("{error:#}"));
                }
                Some(Err(error)) => {
                    held.error.get_or_insert(error.to_string());
                }
            },
        }
    }
    delays.sort_unstable();
    held.late_p99 = delays
        .get(delays.len() * 99 / 100)
        .copied()
        .unwrap_or_default();
    held
}

/// Reads a whole stream; tells how late each token came, measured from the first.
async fn follow(
    connection: &mut Connection,
    question: &Question,
    script: Script,
) -> Result<Vec<Duration>> {
    connection.begin(question).await?;
    let first = Instant::now();
    let mut delays = Vec::with_capacity(script.token_count());
    let mut seen = 1;
    loop {
        let answer = connection.advance().await?;
        let (token_count, complete) = (answer.token_count(), answer.is_complete());
        for index in seen..token_count {
            let expected = first + script.interval() * u32::try_from(index)?;
            delays.push(expected.elapsed());
        }
        seen = token_count;
        if complete {
            return Ok(delays);
        }
    }
}
