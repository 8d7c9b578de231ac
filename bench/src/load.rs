//! Load, in a closed loop (the next request when the last one is answered) and in an open one (at given times).

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::client::{Connection, Question};

/// Asks on this many connections, each again and again until told to stop; tells how many answers came. The starts are spread
/// over `spread`, so that paced streams don't keep step.
///
/// # Errors
///
/// Where any answer is wrong.
pub(crate) async fn closed_loop(
    address: SocketAddr,
    question: &Question,
    connection_count: u32,
    spread: Duration,
    stop: CancellationToken,
) -> Result<u64> {
    let begin = Instant::now();
    let question = Arc::new(question.clone());
    let mut connections = JoinSet::new();
    for index in 0..connection_count {
        let (question, stop) = (Arc::clone(&question), stop.clone());
        connections.spawn(async move {
            sleep_until(begin + spread * index / connection_count).await;
            let mut connection = Connection::open(address).await?;
            let mut answer_count = 0_u64;
            while !stop.is_cancelled() {
                connection.ask(&question).await?;
                answer_count += 1;
            }
            anyhow::Ok(answer_count)
        });
    }
    let mut answer_count = 0;
    while let Some(counted) = connections.join_next().await {
        answer_count += counted??;
    }
    Ok(answer_count)
}

/// [`closed_loop`] for this long.
///
/// # Errors
///
/// Where any answer is wrong.
pub(crate) async fn closed_loop_for(
    address: SocketAddr,
    question: &Question,
    connection_count: u32,
    spread: Duration,
    duration: Duration,
) -> Result<u64> {
    let stop = CancellationToken::new();
    let asking = closed_loop(address, question, connection_count, spread, stop.clone());
    let stopping = async {
        sleep(duration).await;
        stop.cancel();
        Ok(())
    };
    let (answer_count, ()) = tokio::try_join!(asking, stopping)?;
    Ok(answer_count)
}

/// Begins this many streams and keeps them; each has brought its first token.
///
/// # Errors
///
/// Where any can't be begun.
pub(crate) async fn begin_streams(
    address: SocketAddr,
    question: &Question,
    count: usize,
) -> Result<Vec<Connection>> {
    let question = Arc::new(question.clone());
    let mut held = Vec::with_capacity(count);
    let mut beginning = JoinSet::new();
    for _ in 0..count {
        let question = Arc::clone(&question);
        beginning.spawn(async move {
            let mut connection = Connection::open(address).await?;
            connection.begin(&question).await?;
            anyhow::Ok(connection)
        });
        // Few enough at once for anybody's queue.
        if beginning.len() >= 64
            && let Some(begun) = beginning.join_next().await
        {
            held.push(begun??);
        }
    }
    while let Some(begun) = beginning.join_next().await {
        held.push(begun??);
    }
    Ok(held)
}

/// What an open loop measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// The whole answer.
    Answered,
    /// The first token.
    FirstToken,
}

/// Asks at this rate for this long, whether or not earlier answers have come; tells how long each took, from the time at which it
/// should have been asked.
///
/// # Errors
///
/// Where any answer is wrong.
pub(crate) async fn open_loop(
    address: SocketAddr,
    question: &Question,
    until: Until,
    per_second: u32,
    duration: Duration,
) -> Result<Vec<Duration>> {
    let question = Arc::new(question.clone());
    // As many connections as are in use at once as a rule, opened before the clock starts.
    let idle = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..16 {
        let mut connection = Connection::open(address).await?;
        connection.ask(&question).await?;
        lock(&idle).push(connection);
    }

    let mut due_times = tick(per_second, duration)?;
    let mut requests = JoinSet::new();
    while let Some(due) = due_times.recv().await {
        let (question, idle) = (Arc::clone(&question), Arc::clone(&idle));
        requests.spawn(async move {
            let free = lock(&idle).pop();
            let mut connection = match free {
                Some(connection) => connection,
                None => Connection::open(address).await?,
            };
            let arrived = match until {
                Until::Answered => {
                    connection.ask(&question).await?;
                    Instant::now()
                }
                Until::FirstToken => connection.ask_for_first_token(&question).await?,
            };
            lock(&idle).push(connection);
            anyhow::Ok(arrived.duration_since(due))
        });
    }
    let mut latencies = Vec::new();
    while let Some(latency) = requests.join_next().await {
        latencies.push(latency??);
    }
    Ok(latencies)
}

fn lock(idle: &Mutex<Vec<Connection>>) -> MutexGuard<'_, Vec<Connection>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends the times at which something is due, each when it has come. A thread, because the runtime's own clock ticks in whole
/// milliseconds, which is more than what is measured. Ends by itself.
fn tick(per_second: u32, duration: Duration) -> Result<mpsc::Receiver<Instant>> {
    // A receiver that is this far behind slows the ticks; the times that they bear stay right.
    let (sender, receiver) = mpsc::channel(1024);
    thread::Builder::new()
        .name("ticker".to_owned())
        .spawn(move || {
            let begin = std::time::Instant::now();
            let period = Duration::from_secs(1) / per_second;
            for due in (1..)
                .map(|count| begin + period * count)
                .take_while(|due| due.duration_since(begin) < duration)
            {
                thread::sleep(due.saturating_duration_since(std::time::Instant::now()));
                if sender.blocking_send(Instant::from_std(due)).is_err() {
                    return;
                }
            }
        })
        .context("can't start the ticker")?;
    Ok(receiver)
}
